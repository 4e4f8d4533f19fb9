"""The one place where something is tried again by itself.

Owns which refusals of a server pass by themselves, and for how long they are waited
out. They are known by SQLSTATE, never by words. Only what may be done twice
comes here: a statement that the server took back whole, or an act that goes on where
it was stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    wait_random_exponential,
)

from bluegreen.model.clock import Clock, SystemClock
from bluegreen.postgres.database import SqlError

DEADLOCK = "40P01"
"""The server ended our side of a ring of locks; the other side has gone on."""

GIVE_UP_AFTER = timedelta(minutes=2)
"""A ring with an apply worker is gone with its transaction; one that comes again for
this long is the work of others."""

_FIRST_S = 0.05
_LONGEST_S = 5.0

Given = TypeVar("Given")


def outlast_deadlocks(
    act: Callable[[], Given],
    *,
    patience: timedelta = GIVE_UP_AFTER,
    clock: Clock | None = None,
) -> Given:
    """Do it, and again while the server picks it as the victim of a deadlock.

    The waits grow and differ, so that two who met do not meet again in step.

    Raises:
        SqlError: any other refusal, or deadlocks without end.
    """
    clock = clock or SystemClock()
    until = clock.monotonic() + patience.total_seconds()

    def is_over(_: RetryCallState) -> bool:
        return clock.monotonic() >= until

    retrying = Retrying(
        retry=retry_if_exception(_is_deadlock),
        wait=wait_random_exponential(multiplier=_FIRST_S, max=_LONGEST_S),
        stop=is_over,
        sleep=clock.sleep,
        reraise=True,
    )
    return retrying(act)


def _is_deadlock(error: BaseException) -> bool:
    return isinstance(error, SqlError) and error.sqlstate == DEADLOCK

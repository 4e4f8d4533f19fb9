"""Waiting for a condition: the only place in the tests that sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
_LOOK_EVERY_S = 0.02


def wait_until(condition: Callable[[], T], message: str, deadline_s: float = 30.0) -> T:
    """Look until `condition` answers something true, and give that back.

    Raises:
        AssertionError: it never did within `deadline_s`; says `message` and the last
            answer.
    """
    end = time.monotonic() + deadline_s
    while not (answer := condition()):
        if time.monotonic() > end:
            raise AssertionError(
                f"timed out after {deadline_s:g} s: {message} (last seen: {answer!r})"
            )
        time.sleep(_LOOK_EVERY_S)
    return answer

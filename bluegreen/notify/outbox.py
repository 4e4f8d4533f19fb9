"""Notices on their way: told from a thread of their own, never while clients wait.

Owns the order, the tries and the end of patience. A notice that cannot be sent is
given up and named; it stops nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from queue import SimpleQueue
from types import TracebackType
from typing import Self

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from bluegreen.model.notice import Notice, Occasion
from bluegreen.notify.ways import NotSent, Way

TRIES = 3
BETWEEN_TRIES_S = 1.0
LAST_WAIT_S = 20.0
"""How long the end of a call waits for what is still on its way."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A way, what it wants to hear, and how long before its end of a window."""

    way: Way
    when: frozenset[Occasion]
    lead: timedelta

    def wants(self, notice: Notice) -> bool:
        """Whether it is told this."""
        asked = notice.occasion is None or notice.occasion in self.when
        return asked and notice.lead in {None, self.lead}


class Outbox:
    """Takes notices and tells them in the background. Use it with `with`.

    Args:
        entries: the playbook's, in its order.
        failed: is told what could not be sent, in words.
    """

    def __init__(self, entries: Sequence[Entry], failed: Callable[[str], None]) -> None:
        self._entries = entries
        self._failed = failed
        self._waiting: SimpleQueue[Notice | None] = SimpleQueue()
        self._turn = threading.Lock()
        self._held = False
        self._thread = threading.Thread(target=self._work, name="notify", daemon=True)

    def __enter__(self) -> Self:
        if self._entries:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait a while for what is on its way."""
        self.release()
        if self._entries:
            self._waiting.put(None)
            self._thread.join(LAST_WAIT_S)
            if self._thread.is_alive():
                self._failed(f"a notice was not sent within {LAST_WAIT_S:.0f} s")

    def put(self, notice: Notice) -> None:
        """Take one; returns at once."""
        self._waiting.put(notice)

    def hold(self) -> None:
        """Tell nothing from now on; the try that is on its way ends first.

        Called before clients are held back: this process then has one thing to do.
        """
        self._held = self._held or self._turn.acquire(timeout=LAST_WAIT_S)

    def release(self) -> None:
        """Go on."""
        if self._held:
            self._held = False
            self._turn.release()

    def _work(self) -> None:
        while (notice := self._waiting.get()) is not None:
            for number, entry in enumerate(self._entries, 1):
                if entry.wants(notice):
                    self._tell(number, entry, notice)

    def _tell(self, number: int, entry: Entry, notice: Notice) -> None:
        tries = Retrying(
            retry=retry_if_exception_type(NotSent),
            stop=stop_after_attempt(TRIES),
            wait=wait_fixed(BETWEEN_TRIES_S),
            reraise=True,
        )
        try:
            tries(self._try_once, entry, notice)
        except NotSent as error:
            self._failed(
                f"notify entry {number} ({entry.way.name}) was not told "
                f"{notice.name}: {error}"
            )

    def _try_once(self, entry: Entry, notice: Notice) -> None:
        with self._turn:
            entry.way.send(notice)

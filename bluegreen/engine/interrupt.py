"""Ctrl-C and SIGTERM: stop where it is safe.

Owns the signal handlers while a run goes on. Where it is safe to stop is known to
the runner.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Self

from bluegreen.model.clock import Clock

SIGNALS = (signal.SIGINT, signal.SIGTERM)

SLICE_S = 0.5
"""How soon a wait notices that a stop was asked for."""


class Interrupt:
    """Remembers that a stop was asked for.

    The first signal only asks. A second one raises KeyboardInterrupt at once, unless
    the code is inside `shielded()`, where traffic is half way and must not be left.

    Args:
        notice: called from the signal handler when the first signal comes, so it may
            do no more than write to a file descriptor.
    """

    def __init__(self, notice: Callable[[], None] = lambda: None) -> None:
        self.asked = False
        self._notice = notice
        self._shielded = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for each in SIGNALS:
            self._before[each] = signal.signal(each, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for each, before in self._before.items():
            signal.signal(each, before)

    @contextmanager
    def shielded(self, shield: bool = True) -> Iterator[None]:
        """Let no signal in until the end of the block."""
        self._shielded = shield
        try:
            yield
        finally:
            self._shielded = False

    def stop_here(self) -> None:
        """Stop if that was asked for, and this is no place that must not be left.

        Raises:
            KeyboardInterrupt: as a second signal would.
        """
        if self.asked and not self._shielded:
            raise KeyboardInterrupt

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked and not self._shielded:
            raise KeyboardInterrupt
        if not self.asked:
            self.asked = True
            self._notice()


@dataclass(frozen=True, slots=True)
class InterruptibleClock:
    """A clock for what waits inside of an action: a stop ends the wait.

    Attributes:
        clock: measures and waits.
        interrupt: whether a stop was asked for.
    """

    clock: Clock
    interrupt: Interrupt

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        return self.clock.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait, in slices, until a stop is asked for.

        Raises:
            KeyboardInterrupt: it was.
        """
        left = seconds
        while left > 0:
            self.interrupt.stop_here()
            self.clock.sleep(min(left, SLICE_S))
            left -= SLICE_S
        self.interrupt.stop_here()

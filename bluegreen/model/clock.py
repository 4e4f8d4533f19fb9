"""Time, so that it can be handed in. Owns the clock of this machine only.

The window is measured by green's clock, which is read from the server. This machine's
is a witness against it, and decides nothing alone.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the rest of the house may ask of time."""

    def monotonic(self) -> float:
        """Seconds that never run backwards, for deadlines and durations."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The real clock."""

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


def host_time() -> datetime:
    """What this machine takes the time for, in UTC."""
    return datetime.now(UTC)

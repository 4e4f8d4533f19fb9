"""Which clocks agree on what time it is: green's, blue's, and this machine's.

Owns when a clock is not believed. One clock alone never decides that a window or a
quarantine is over, or when it will be: it may have jumped.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bluegreen.model.duration import format_duration

CLOCKS_APART = timedelta(minutes=1)
"""NTP keeps hosts within milliseconds; a clock that is further off than the other
server's may have jumped past the end."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """What each said at one moment.

    Attributes:
        green: the clock by which ends are measured.
        blue: a second witness; None where blue is gone.
        host: of the machine that we run on; the third, or the second without blue.
    """

    green: datetime
    blue: datetime | None = None
    host: datetime | None = None

    @property
    def apart(self) -> timedelta:
        """How far green's is from its witness: blue's, this machine's without blue."""
        witness = self.blue if self.blue is not None else self.host
        return timedelta(0) if witness is None else abs(self.green - witness)

    @property
    def agree(self) -> bool:
        """Whether green's may be believed."""
        return self.apart <= CLOCKS_APART

    @property
    def who(self) -> str:
        """The two that are held against each other."""
        return "blue and green" if self.blue is not None else "green and this machine"

    def problem(self) -> str:
        """What is wrong, for an error."""
        return f"the clocks of {self.who} are {format_duration(self.apart)} apart"

    def say(self) -> str:
        """What each says, and which one is off where a third one tells."""
        named = (
            ("blue", self.blue),
            ("green", self.green),
            ("this machine", self.host),
        )
        told = [f"{who} {at:%Y-%m-%d %H:%M:%S} UTC" for who, at in named if at]
        off = self.off()
        return "; ".join([*told, *([f"{off}'s clock is off"] if off else [])])

    def off(self) -> str:
        """The side whose clock is off; empty where that is not sure."""
        if self.agree or self.blue is None or self.host is None:
            return ""
        with_green = abs(self.green - self.host) <= CLOCKS_APART
        with_blue = abs(self.blue - self.host) <= CLOCKS_APART
        if with_green == with_blue:
            return ""
        return "blue" if with_green else "green"

"""A notice to people: what happened, as a value. Owns the occasions and its fields."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any


class Occasion(StrEnum):
    """What people may want to be told of."""

    WAITS_FOR_APPROVAL = "waits_for_approval"
    MOVED = "moved"
    BACKED_OUT = "backed_out"
    FAILED = "failed"
    ROLLBACK_UNAVAILABLE = "rollback_unavailable"
    WINDOW_ENDS = "window_ends"
    DECOMMISSIONED = "decommissioned"
    DECOMMISSION_REFUSED = "decommission_refused"


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell.

    Attributes:
        occasion: what it is about; None for a test, which goes to all.
        playbook: the move's name.
        subject: one line that stands alone, as on a phone's screen.
        text: the rest, with what to type next.
        at: when, by this machine.
        lead: how long before its end a window is told of; None for other occasions.
    """

    occasion: Occasion | None
    playbook: str
    subject: str
    text: str
    at: datetime
    lead: timedelta | None = None

    @property
    def name(self) -> str:
        """The occasion as a program reads it."""
        return str(self.occasion or "test")

    def as_json(self) -> dict[str, Any]:
        """As a command or a webhook gets it; `text` is what chat services show."""
        return {
            "version": 1,
            "occasion": self.name,
            "playbook": self.playbook,
            "subject": self.subject,
            "body": self.text,
            "text": f"{self.subject}\n{self.text}".rstrip(),
            "at": self.at.isoformat(timespec="seconds"),
        }

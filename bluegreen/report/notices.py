"""Which notices a run gives: what it told and how it ended, in words for a phone.

Owns when people are told and what the notice says. How it reaches them is for
`notify/`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from shlex import quote

from bluegreen.engine.events import (
    ActionDone,
    ActionStarted,
    ActionWaits,
    Event,
    RunEnded,
    Tell,
)
from bluegreen.model.codes import Code
from bluegreen.model.counted import counted
from bluegreen.model.duration import format_duration
from bluegreen.model.errors import BluegreenError
from bluegreen.model.notice import Notice, Occasion
from bluegreen.notify.outbox import Outbox

BACKED_OUT = 5
"""Exit status of a switchover that was out of time or budget."""

LOSSLESS_NO = 6
"""Exit status of a rollback that would lose rows."""


_BY_A_PERSON = frozenset(
    {
        Code.INTERRUPTED,
        Code.CALL_NOT_VALID,
        Code.LEASE_HELD,
        Code.DECOMMISSION_NOT_DUE,
    }
)
"""Ends that the person at the keyboard brought about, and sees."""


@dataclass(frozen=True, slots=True)
class Teller:
    """What the words of a notice need to know of the call.

    Attributes:
        verb: `run`, `rollback` or `decommission`.
        playbook: the move's name.
        file: the playbook's file, for the command to type.
        approvals: keys of the steps that wait for a person.
    """

    verb: str
    playbook: str
    file: str
    approvals: Collection[str] = ()

    def of_event(self, event: Event) -> Notice | None:
        """What an event is worth telling. Pure but for the clock."""
        if isinstance(event, ActionWaits):
            step = event.action.partition("/")[0]
            return self._waits(step, event.why) if step in self.approvals else None
        if isinstance(event, RunEnded):
            return self._ended(event)
        return None

    def of_error(self, error: BluegreenError) -> Notice | None:
        """What the end by an error is worth telling; what a person did is nothing."""
        if error.code in _BY_A_PERSON:
            return None
        occasion, said = self._occasion(error)
        return self.notice(
            occasion, f"{said}: {error.problem} (BG-{error.code})", str(error)
        )

    def window_ends(self, end: datetime, left: timedelta, lead: timedelta) -> Notice:
        """That an open window is about to end."""
        return self.notice(
            Occasion.WINDOW_ENDS,
            f"the rollback window ends in {format_duration(left)}, at "
            f"{end:%Y-%m-%d %H:%M:%S} UTC",
            "After that blue is released. For longer:\n"
            f"bluegreen hold {quote(self.file)} --for 24h",
            lead=lead,
        )

    def no_rollback(self, problem: str, seen: str, hint: str) -> Notice:
        """That a rollback, which is promised still, would not work now."""
        return self.notice(
            Occasion.ROLLBACK_UNAVAILABLE,
            f"a rollback does not work now: {problem}",
            "\n".join(filter(None, (seen, hint))),
        )

    def notice(
        self,
        occasion: Occasion | None,
        said: str,
        text: str,
        lead: timedelta | None = None,
    ) -> Notice:
        """A notice of this move, at this moment."""
        subject = f"bluegreen {self.playbook}: {said}"
        now = datetime.now(UTC)
        return Notice(occasion, self.playbook, subject, text, now, lead)

    def _waits(self, step: str, why: str) -> Notice:
        return self.notice(
            Occasion.WAITS_FOR_APPROVAL,
            f"step {step} waits for a person",
            f"{why}\nbluegreen approve {quote(self.file)} --step {step}",
        )

    def _ended(self, ended: RunEnded) -> Notice | None:
        if self.verb == "decommission":
            if not ended.acted:
                return None
            later = f"Left to time: {ended.waiting}" if ended.waiting else ""
            said = "blue was released; rollback has ended"
            return self.notice(Occasion.DECOMMISSIONED, said, later)
        if ended.pause_ms is None:
            return None
        errors = ended.client_errors
        met = "" if errors is None else f", {counted(len(errors), 'client error')}"
        until = ended.rollback_until
        window = f" until {until:%Y-%m-%d %H:%M:%S} UTC" if until else ""
        return self.notice(
            Occasion.MOVED,
            f"{ended.serving} is serving (pause {ended.pause_ms:.0f} ms{met})",
            f"The way back{window}: {ended.rollback}" if ended.rollback else "",
        )

    def _occasion(self, error: BluegreenError) -> tuple[Occasion, str]:
        if self.verb == "decommission":
            return Occasion.DECOMMISSION_REFUSED, "decommission stopped"
        if error.exit_status == BACKED_OUT:
            return Occasion.BACKED_OUT, f"{self.verb} backed out"
        if error.exit_status == LOSSLESS_NO:
            return Occasion.ROLLBACK_UNAVAILABLE, "a rollback does not work now"
        return Occasion.FAILED, f"{self.verb} failed"


@contextmanager
def notifying(
    teller: Teller, outbox: Outbox, tell: Tell, put: Callable[[Notice], None]
) -> Iterator[Tell]:
    """Give an ear that tells people too, and tell them of the error at the end.

    Args:
        teller: what the notices say.
        outbox: held back while an act may hold clients back.
        tell: the ear for everything, as before.
        put: takes the notice of an error; `outbox.put`, or one that remembers.
    """
    waits: set[str] = set()

    def told(event: Event) -> None:
        tell(event)
        if isinstance(event, ActionStarted) and event.critical:
            outbox.hold()
        if isinstance(event, ActionDone):
            outbox.release()
        if isinstance(event, ActionWaits):
            if event.action in waits:
                return
            waits.add(event.action)
        if (notice := teller.of_event(event)) is not None:
            outbox.put(notice)

    try:
        yield told
    except BluegreenError as error:
        if (notice := teller.of_error(error)) is not None:
            put(notice)
        raise

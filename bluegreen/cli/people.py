"""The people whom a playbook names under `notify`, as long as a verb runs.

Owns opening the ways to them, and that a timer tells each thing once. When something
is told is for `report/notices.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bluegreen.cli.context import Context
from bluegreen.engine.events import Tell
from bluegreen.model.bodies import Notified
from bluegreen.model.errors import BluegreenError
from bluegreen.model.notice import Notice, Occasion
from bluegreen.model.progress import Progress
from bluegreen.model.record import Kind
from bluegreen.notify.outbox import Outbox
from bluegreen.playbook.resolve import notify_entries
from bluegreen.postgres.journal.table import server_time
from bluegreen.report.notices import Teller, notifying

AGAIN_AFTER = timedelta(days=1)
"""A timer that finds the same every quarter of an hour tells it once a day."""


@dataclass(frozen=True, slots=True)
class People:
    """Whom to tell, and what was told before.

    Attributes:
        teller: what the notices say.
        leads: how long before its end a window is told of.
    """

    open: Context
    teller: Teller
    outbox: Outbox
    leads: tuple[timedelta, ...]

    def tell_once(self, notice: Notice, about: str = "") -> None:
        """Tell it unless the same was told within a day; twice rather than never."""
        if not self.leads:
            return
        said = Notified(notice.name, about or notice.subject)
        try:
            if self._is_news(said):
                self.open.world.journal.append(Kind.NOTE, body=said.as_body())
                self.outbox.put(notice)
        except BluegreenError:
            self.outbox.put(notice)

    def forget(self, occasion: Occasion) -> None:
        """It is over: the next time it is news."""
        last = self._last(str(occasion))
        if last is not None and last[0].about:
            body = Notified(str(occasion), "").as_body()
            self.open.world.journal.append(Kind.NOTE, body=body)

    def _is_news(self, said: Notified) -> bool:
        return is_news(
            self._last(said.notified), said, server_time(self.open.world.green)
        )

    def _last(self, occasion: str) -> tuple[Notified, datetime] | None:
        for record in reversed(self.open.world.journal.records()):
            if record.kind is Kind.NOTE and record.body.get("notified") == occasion:
                return Notified.from_body(record.body), record.at
        return None


def is_news(
    last: tuple[Notified, datetime] | None, said: Notified, now: datetime
) -> bool:
    """Whether people are to be told: another thing than last time, or a day later."""
    if last is None:
        return True
    return last[0].about != said.about or now - last[1] >= AGAIN_AFTER


@contextmanager
def people(open_: Context, verb: str, tell: Callable[[Any], None]) -> Iterator[People]:
    """Open the ways to the people; what cannot be told is shown, and stops nothing."""
    playbook = open_.loaded.playbook
    approvals = [step.key for step in playbook.steps if step.step == "approve"]
    teller = Teller(verb, playbook.name, str(open_.loaded.path), approvals)

    def failed(why: str) -> None:
        tell(Progress("not_notified", why))

    leads = tuple(dict.fromkeys(one.window_ends_in for one in playbook.notify))
    with Outbox(notify_entries(playbook), failed) as outbox:
        yield People(open_, teller, outbox, leads)


@contextmanager
def heard(open_: Context, verb: str, tell: Callable[[Any], None]) -> Iterator[Tell]:
    """The ear of a run that tells people too."""
    with (
        people(open_, verb, tell) as ours,
        notifying(ours.teller, ours.outbox, tell, ours.outbox.put) as told,
    ):
        yield told

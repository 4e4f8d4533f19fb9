"""Green takes over blue's rows: the initial copy has ended, and the stream is close.

Owns the waiting and the proof; making the stream is for `stream.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from bluegreen.model.duration import format_duration
from bluegreen.model.errors import error_for
from bluegreen.model.history import fold
from bluegreen.model.progress import Progress
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, NotYet, Satisfied, Verdict
from bluegreen.postgres.copy.progress import CopyProgress, read_copy_progress
from bluegreen.postgres.replication.marker import await_low_lag, newest_marker_age_s
from bluegreen.postgres.replication.stream import (
    ReplicationStream,
    SubscriptionFacts,
    read_subscription,
)
from bluegreen.steps.action import Waiting
from bluegreen.steps.contract import Action, Result
from bluegreen.steps.replication.failing_apply import (
    ApplyLooks,
    FailingApply,
    refusal_of_apply,
)
from bluegreen.steps.replication.failing_copy import (
    FailingCopies,
    FailingCopy,
    refusal,
)
from bluegreen.steps.world import World

CATCH_UP = timedelta(minutes=10)
"""What was written during the copy has this long to be applied."""

FRESH_MARKER_S = 60.0
"""A marker that came through within the last minute proves a living stream."""


def _of_green(world: World) -> SubscriptionFacts | None:
    return read_subscription(world.green, ReplicationStream(world.name, Side.BLUE).name)


@dataclass(frozen=True, slots=True)
class CopyFacts:
    """The subscription and how far its copies are.

    Attributes:
        failing: copies that cannot end, however long one waits.
    """

    subscription: SubscriptionFacts | None
    progress: CopyProgress
    failing: tuple[FailingCopy, ...] = ()


class AwaitInitialCopy(Waiting[CopyFacts]):
    """Every row that blue had is on green.

    Crash: nothing of ours runs; the server's workers go on.
    """

    title = "every table is copied"

    def __init__(self, step_id: str, deadline: timedelta) -> None:
        super().__init__(step_id)
        self.patience = deadline
        self._failing = FailingCopies()

    def observe(self, world: World) -> CopyFacts:
        """States of the tables, bytes that the workers have copied."""
        name = ReplicationStream(world.name, Side.BLUE).name
        return CopyFacts(
            _of_green(world),
            read_copy_progress(world.green),
            self._failing.look(world, name),
        )

    def judge(self, facts: CopyFacts) -> Verdict:
        """Ready when every table is; refused once a copy cannot end."""
        now = facts.subscription
        if now is None:
            return NotYet("there is no subscription yet")
        if now.is_ready:
            return Satisfied(f"{now.tables} tables are copied")
        if facts.failing:
            return refusal(facts.failing)
        words = f"{now.ready} of {now.tables} tables are copied"
        if facts.progress.text:
            words += f"; {facts.progress.text}"
        if now.errors:
            words += f"; {now.errors} copies failed"
        return NotYet(words, now.ready / now.tables if now.tables else None)


@dataclass(frozen=True, slots=True)
class FollowFacts:
    """Whether the stream lives.

    Attributes:
        marker_age_s: age of blue's newest marker that is on green too; None where
            there is none.
        failing: a change that green does not get past.
        steady: the worker was not seen to end in this wait, or has stayed since.
    """

    subscription: SubscriptionFacts | None
    marker_age_s: float | None
    moved: bool
    failing: FailingApply | None = None
    steady: bool = True


class FollowBlue(Action[FollowFacts]):
    """Green follows blue closely, proved by a marker row.

    Crash: nothing is left half-way; a marker row more or less means nothing.
    """

    title = "green follows blue"
    no_undo = "it only proves"

    def __init__(self, step_id: str, max_lag: timedelta) -> None:
        super().__init__(step_id)
        self.max_lag = max_lag
        self._apply = ApplyLooks()

    def observe(self, world: World) -> FollowFacts:
        """The worker, and the newest marker on both sides."""
        failing = self._apply.look(world)
        return FollowFacts(
            _of_green(world),
            newest_marker_age_s(world.blue, world.green),
            fold(world.journal.records()).epoch > 0,
            failing,
            self._apply.is_steady,
        )

    def judge(self, facts: FollowFacts) -> Verdict:
        """A worker that runs and a marker that came through a moment ago."""
        now = facts.subscription
        if now is None or not now.is_ready:
            return NotYet("the initial copy has not ended")
        if facts.failing is not None:
            return refusal_of_apply(facts.failing)
        if now.apply_pid is None:
            return NotYet("the apply worker is not running")
        if not facts.steady:
            return NotYet("the apply worker was started again a moment ago")
        if facts.marker_age_s is None or facts.marker_age_s > FRESH_MARKER_S:
            return Needed("no marker came through in the last minute")
        return Satisfied("a marker came through")

    def act(self, world: World, facts: FollowFacts) -> Result:
        """Send markers until they arrive within the lag that is allowed."""

        def look() -> None:
            if failing := self._apply.look(world):
                refused = refusal_of_apply(failing)
                raise error_for(
                    refused.code,
                    refused.why,
                    seen=refused.seen,
                    wanted=refused.wanted,
                    hint=refused.hint,
                )

        seconds = await_low_lag(
            world.blue,
            world.green,
            max_lag=self.max_lag,
            deadline=CATCH_UP,
            clock=world.clock,
            late=lambda: world.tell(_catching_up(self.max_lag)),
            look=look,
        )
        return {"marker_s": round(seconds, 3)}


def _catching_up(max_lag: timedelta) -> Progress:
    text = f"green is more than {format_duration(max_lag)} behind and catches up"
    return Progress("lag_seen", text)

"""Monitor: does the side that follows still hold every row that it was known to hold?

Owns what a restart of it, or a changed subscription or publication, means. A restart
may have set its disk back, a transaction that failed may have been skipped, and a table
may have been out of the publication for a while: the stream goes on behind each, and no
figure shows the gap. So the way over to it is in doubt until rows
were compared. Reading is in `postgres/replication/witness.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from bluegreen.model.finding import Blocks, Finding, Severity
from bluegreen.model.side import Side
from bluegreen.model.witness import FOUND_OPEN, Witness
from bluegreen.postgres.replication.stream import read_subscription
from bluegreen.postgres.replication.witness import read_witness
from bluegreen.steps.monitors.limits import Limits
from bluegreen.steps.monitors.monitor import (
    Round,
    StreamMonitor,
    direction,
    weigh,
)


@dataclass(frozen=True, slots=True)
class FollowerFacts:
    """The subscriber when it was last known to hold every row, and now."""

    then: Witness
    now: Witness


class MonitorFollower(StreamMonitor[FollowerFacts]):
    """The follower was not restarted, and skipped nothing, since its last proof."""

    id: ClassVar[str] = "follower"
    if_unknown: ClassVar[Blocks] = Blocks.SWITCHOVER

    def places(self, world: Round) -> tuple[Side, ...]:
        """The side that serves, once the other is meant to follow it."""
        return (world.state.serving,) if world.is_way_back_expected else ()

    def observe(self, world: Round, side: Side) -> FollowerFacts | None:
        """Now, and as the journal tells; None before anything was proved."""
        then = world.state.witness
        if then is None or then.side is not side.other:
            return None
        if read_subscription(world.on(side.other), world.feeding.name) is None:
            return None  # the monitor of the stream says so
        # The timelines of both are for the monitor of the servers.
        ends = world.on(side.other), world.on(side)
        now = read_witness(ends[0], world.feeding.name, ends[1], then)
        return FollowerFacts(then, now)

    def judge(self, facts: FollowerFacts, limits: Limits) -> Iterator[Finding]:
        """A restart weighs more than errors."""
        yield self.say(direction(facts.now.side.other), _weigh(facts))


def _weigh(facts: FollowerFacts) -> Finding:
    then, now = facts.then, facts.now
    if then.stream.startswith(FOUND_OPEN):
        says = (
            f"{now.side} did not serve and its {then.stream}: it may have taken writes "
            f"that {now.side.other} never got. It is closed again"
        )
    elif now.started != then.started:
        says = (
            f"{now.side} was started again at {now.started[:19]} UTC, after its rows "
            "were last known to be whole: if its disk was set back, rows that it had "
            "confirmed are missing, and nothing brings them again"
        )
    elif not then.is_same_stream(now):
        says = (
            f"the subscription on {now.side} failed and was altered since its rows "
            "were last known to be whole: a transaction that was skipped (ALTER "
            "SUBSCRIPTION … SKIP) is missing, and nothing brings it again"
        )
    elif not then.is_same_sent(now):
        says = (
            f"the publication on {now.side.other} was changed since {now.side}'s rows "
            "were last known to be whole: what was written to a table that was left "
            "out meanwhile is missing, and nothing brings it again"
        )
    else:
        return weigh(Severity.OK, f"{now.side} was not restarted, nothing was left out")
    return weigh(Severity.WARNING, says, _do(now.side), Blocks.SWITCHOVER)


def _do(side: Side) -> str:
    if side is Side.BLUE:
        return "`bluegreen rollback PLAYBOOK --prove` compares every row before it goes"
    return (
        "the next run compares every row before the cutover. Where you know that "
        "nothing is missing, accept the finding follower in the playbook"
    )

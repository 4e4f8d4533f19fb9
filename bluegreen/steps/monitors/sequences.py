"""Monitor: would the other side's sequences take the values of the side that serves?

Owns what a no means: a move sets them inside its pause, and would back out there.
Reading and comparing is in `postgres/replication/sequence_ranges.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from bluegreen.model.finding import Blocks, Finding, Severity
from bluegreen.model.side import Side
from bluegreen.postgres.replication.sequence_facts import read_ranges
from bluegreen.postgres.replication.sequence_ranges import (
    SequenceMisfit,
    Tightness,
    compare_ranges,
)
from bluegreen.steps.monitors.limits import Limits
from bluegreen.steps.monitors.monitor import (
    Round,
    StreamMonitor,
    direction,
    weigh,
)


@dataclass(frozen=True, slots=True)
class SequenceFacts:
    """Misfits in the direction of the next move, and of the one after it.

    Attributes:
        serving: the side whose values count.
        way_back: the same for the way back, before traffic goes to green.
    """

    serving: Side
    next: tuple[SequenceMisfit, ...]
    way_back: tuple[SequenceMisfit, ...] = ()


class MonitorSequences(StreamMonitor[SequenceFacts]):
    """Every sequence's value fits the side that traffic would go to."""

    id: ClassVar[str] = "sequences"
    if_unknown: ClassVar[Blocks] = Blocks.SWITCHOVER
    every_s: ClassVar[float] = 30.0

    def places(self, world: Round) -> tuple[Side, ...]:
        """The side that serves, as long as there is another one."""
        return () if world.state.released else (world.state.serving,)

    def observe(self, world: Round, side: Side) -> SequenceFacts:
        """All sequences of both sides, one query each."""
        here = read_ranges(world.on(side))
        there = read_ranges(world.on(side.other))
        found = tuple(compare_ranges(here, there, side.other))
        back = compare_ranges(there, here, side) if side is Side.BLUE else ()
        return SequenceFacts(side, found, tuple(back))

    def judge(self, facts: SequenceFacts, limits: Limits) -> Iterator[Finding]:
        """What does not fit stops a move; what nears its end is told."""
        yield self.say(direction(facts.serving), _weigh(facts))


def _weigh(facts: SequenceFacts) -> Finding:
    out = [one for one in facts.next if one.how is Tightness.OUT]
    odd = [one for one in facts.next if one.how is Tightness.NEAR]
    odd += facts.way_back
    told = out or odd
    if not told:
        return weigh(Severity.OK, "every value fits the other side's sequences")
    return weigh(
        Severity.CRITICAL if out else Severity.WARNING,
        "; ".join(one.says for one in told),
        "; ".join(f"on {one.on}: {one.repair}" for one in told),
        Blocks.SWITCHOVER if out else Blocks.NOTHING,
    )

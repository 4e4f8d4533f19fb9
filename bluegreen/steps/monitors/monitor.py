"""The contract of a monitor: what it may look at, and what it says.

Owns these types and the one way to turn a failed look into "unknown". Which monitors
there are is in `every.py`; when they look is for `engine/monitoring.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Generic, TypeVar

from bluegreen.model.accept import is_accepted
from bluegreen.model.codes import Code
from bluegreen.model.errors import BluegreenError, StepError
from bluegreen.model.finding import Blocks, Figure, Finding, Severity
from bluegreen.model.history import State
from bluegreen.model.record import Record
from bluegreen.model.side import Side
from bluegreen.postgres.database import Database
from bluegreen.postgres.replication.stream import ReplicationStream
from bluegreen.steps.monitors.limits import Limits
from bluegreen.steps.world import World

F = TypeVar("F")


def weigh(
    severity: Severity, seen: str, fix: str = "", blocks: Blocks = Blocks.NOTHING
) -> Finding:
    """What facts mean, before it is said of which monitor and place."""
    return Finding("", "", severity, seen, fix=fix, blocks=blocks)


@dataclass(frozen=True)
class Round(World):
    """What the monitors of one round may look at.

    Attributes:
        state: what the journal tells.
        remembered: records of kind MONITORED, oldest first.
        away: sides that cannot be reached; they are not tried again in this round.
    """

    state: State = field(default_factory=State)
    remembered: Sequence[Record] = ()
    away: frozenset[Side] = frozenset()

    def on(self, side: Side) -> Database:
        """A side's database.

        Raises:
            StepError: 4006, it did not answer a moment ago.
        """
        if side in self.away:
            raise StepError(Code.SERVER_WENT_AWAY, f"{side} cannot be reached")
        return super().on(side)

    @property
    def feeding(self) -> ReplicationStream:
        """The stream out of the side that serves."""
        return ReplicationStream(self.name, self.state.serving)

    @property
    def is_way_back_expected(self) -> bool:
        """Whether the other side is meant to follow the one that serves by now."""
        last = self.state.last_move
        return not self.state.released and (last is None or last.way_back_open)


def direction(publisher: Side) -> str:
    """`blue → green`."""
    return f"{publisher} → {publisher.other}"


class Monitor(ABC, Generic[F]):
    """One thing that may go wrong unseen.

    Attributes:
        id: stable name, kebab-case.
        if_unknown: what it stops when it could not see.
        every_s: how often it is worth a look while a run goes on, in seconds.
    """

    id: ClassVar[str]
    if_unknown: ClassVar[Blocks] = Blocks.NOTHING
    every_s: ClassVar[float] = 1.0

    def places(self, world: Round) -> tuple[Side, ...]:
        """The sides that it looks at, one by one; both unless it says otherwise."""
        return tuple(Side)

    def where(self, side: Side) -> str:
        """What a place is called."""
        return str(side)

    @abstractmethod
    def observe(self, world: Round, side: Side) -> F | None:
        """Read; change nothing. None where there is nothing to monitor yet."""

    @abstractmethod
    def judge(self, facts: F, limits: Limits) -> Iterator[Finding]:
        """Say what the facts mean. Pure."""

    def say(
        self, where: str, found: Finding, figures: tuple[Figure, ...] = ()
    ) -> Finding:
        """The same with this monitor's id and the place."""
        return replace(found, id=self.id, where=where, figures=figures)


class StreamMonitor(Monitor[F]):
    """A monitor whose places are streams, each named by its publisher."""

    def where(self, side: Side) -> str:
        """`blue → green`."""
        return direction(side)


def look_through(monitor: Monitor[Any], world: Round) -> tuple[Finding, ...]:
    """One monitor over all of its places; what could not be seen is unknown."""
    found: list[Finding] = []
    for side in monitor.places(world):
        try:
            facts = monitor.observe(world, side)
        except BluegreenError as error:
            found.append(_unseen(monitor, side, error))
        else:
            found += () if facts is None else monitor.judge(facts, world.limits)
    return tuple(_accepted(one, world.limits) for one in found)


def _unseen(monitor: Monitor[Any], side: Side, error: BluegreenError) -> Finding:
    why = f"{error.problem}: {error.seen}" if error.seen else error.problem
    fix = "bring up what is away, or give the role the right to look"
    found = weigh(Severity.UNKNOWN, f"not seen: {why}", fix, monitor.if_unknown)
    return monitor.say(monitor.where(side), found)


def _accepted(one: Finding, limits: Limits) -> Finding:
    if not one.is_blocking or not is_accepted(limits.accept, one.id, one.where):
        return one
    return replace(one, seen=f"{one.seen} (accepted)", blocks=Blocks.NOTHING)

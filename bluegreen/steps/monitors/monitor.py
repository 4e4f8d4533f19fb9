"""The contract of a monitor: what it may look at, and what it says.

Owns these types and the one way to turn a failed look into "unknown". Which monitors
there are is in `every.py`; when they look is for `engine/monitoring.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeVar

from bluegreen.model.errors import BluegreenError, StepError
from bluegreen.model.history import State
from bluegreen.model.record import Record
from bluegreen.model.side import Side
from bluegreen.postgres.database import Database
from bluegreen.postgres.replication.stream import ReplicationStream
from bluegreen.steps.monitors.limits import Limits

F = TypeVar("F")


class Severity(StrEnum):
    """How grave a finding is; `unknown` never counts as `ok`."""

    OK = "ok"
    WARNING = "warning"
    UNKNOWN = "unknown"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for ok, 1 warning, 2 unknown, 3 critical."""
        return list(Severity).index(self)


class Stops(StrEnum):
    """What a finding stops: nothing, a move of traffic, or the run at once."""

    NOTHING = "nothing"
    MOVE = "move"
    RUN = "run"


@dataclass(frozen=True, slots=True)
class Figure:
    """A number for machines.

    Attributes:
        name: with its unit, in Prometheus' form, without our prefix.
        help: one line.
        labels: beside the playbook's name.
        counter: it only grows.
    """

    name: str
    value: float
    help: str
    labels: Mapping[str, str] = field(default_factory=dict)
    counter: bool = False


@dataclass(frozen=True, slots=True)
class MonitorFinding:
    """What a monitor says of one place.

    Attributes:
        monitor: its id.
        where: `blue`, `green`, or a direction, `blue → green`.
        says: in plain words.
        do: what a person does now; empty where nothing is to be done.
        figures: the same in numbers, and exact.
    """

    monitor: str
    where: str
    severity: Severity
    says: str
    do: str = ""
    stops: Stops = Stops.NOTHING
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True, slots=True)
class Meaning:
    """What facts mean, before it is said of which monitor and place."""

    severity: Severity
    says: str
    do: str = ""
    stops: Stops = Stops.NOTHING


@dataclass(frozen=True)
class Scene:
    """What a monitor may look at.

    Attributes:
        name: the playbook's.
        state: what the journal tells.
        remembered: records of kind WATCHED, oldest first.
        away: sides that cannot be reached; they are not tried again in this round.
    """

    name: str
    blue: Database
    green: Database
    state: State
    remembered: Sequence[Record] = ()
    limits: Limits = field(default_factory=Limits)
    away: frozenset[Side] = frozenset()

    def on(self, side: Side) -> Database:
        """A side's database.

        Raises:
            StepError: 4006, it did not answer a moment ago.
        """
        if side in self.away:
            raise StepError(4006, f"{side} cannot be reached")
        return self.blue if side is Side.BLUE else self.green

    @property
    def feeding(self) -> ReplicationStream:
        """The stream out of the side that serves."""
        return ReplicationStream(self.name, self.state.serving)

    @property
    def is_way_back_expected(self) -> bool:
        """Whether the other side is meant to follow the one that serves by now."""
        last = self.state.last_move
        return not self.state.released and (last is None or last.way_back_open)


class Monitor(ABC, Generic[F]):
    """One thing that may go wrong while nobody looks.

    Attributes:
        id: stable name, kebab-case.
        if_unknown: what it stops when it could not see.
        every_s: how often it is worth a look while a run goes on, in seconds.
    """

    id: ClassVar[str]
    if_unknown: ClassVar[Stops] = Stops.NOTHING
    every_s: ClassVar[float] = 1.0

    def places(self, scene: Scene) -> tuple[Side, ...]:
        """The sides that it looks at, one by one; both unless it says otherwise."""
        return tuple(Side)

    def where(self, side: Side) -> str:
        """What a place is called."""
        return str(side)

    @abstractmethod
    def observe(self, scene: Scene, side: Side) -> F | None:
        """Read; change nothing. None where there is nothing to monitor yet."""

    @abstractmethod
    def judge(self, facts: F, limits: Limits) -> Iterator[MonitorFinding]:
        """Say what the facts mean. Pure."""

    def say(
        self, where: str, meaning: Meaning, figures: tuple[Figure, ...] = ()
    ) -> MonitorFinding:
        """The meaning with this monitor's name and the place."""
        return MonitorFinding(
            self.id,
            where,
            meaning.severity,
            meaning.says,
            meaning.do,
            meaning.stops,
            figures,
        )


def direction(publisher: Side) -> str:
    """`blue → green`."""
    return f"{publisher} → {publisher.other}"


def look_through(monitor: Monitor[Any], scene: Scene) -> tuple[MonitorFinding, ...]:
    """One monitor over all of its places; what could not be seen is unknown."""
    found: list[MonitorFinding] = []
    for side in monitor.places(scene):
        try:
            facts = monitor.observe(scene, side)
        except BluegreenError as error:
            found.append(_unseen(monitor, side, error))
        else:
            found += () if facts is None else monitor.judge(facts, scene.limits)
    return tuple(_accepted(one, scene.limits) for one in found)


def _unseen(monitor: Monitor[Any], side: Side, error: BluegreenError) -> MonitorFinding:
    why = f"{error.problem}: {error.seen}" if error.seen else error.problem
    return MonitorFinding(
        monitor.id,
        monitor.where(side),
        Severity.UNKNOWN,
        f"not seen: {why}",
        "bring up what is away, or give the role the right to look",
        monitor.if_unknown,
    )


def _accepted(one: MonitorFinding, limits: Limits) -> MonitorFinding:
    if one.stops is Stops.NOTHING or one.monitor not in limits.accept:
        return one
    return replace(one, says=f"{one.says} (accepted)", stops=Stops.NOTHING)

"""Partitions made ahead of time, on the side that does not serve first.

Owns which partitions a side is to have. The pattern is in
`postgres/schema/partition_pattern.py`, the statements in
`postgres/schema/make_partition.py`, what puts them into the stream in `take_up.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bluegreen.model.codes import Code
from bluegreen.model.history import State, fold
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, Refused, Satisfied, Verdict
from bluegreen.postgres.schema.make_partition import make_partition
from bluegreen.postgres.schema.partition_pattern import NoPattern, ranges_of
from bluegreen.postgres.schema.partitions import (
    Name,
    Parent,
    Partition,
    bound_of,
    lying_ahead,
    pattern_of,
    read_parents,
    zone_of,
)
from bluegreen.steps.action import Action, Result
from bluegreen.steps.partitions.take_up import (
    AwaitPartitions,
    TakeUpPartitions,
    TakeUpWaiting,
)
from bluegreen.steps.switchover.recover import RecoverSwitchover
from bluegreen.steps.world import World

KEY = "partitions"


@dataclass(frozen=True, slots=True)
class Ahead:
    """What a person asks for.

    Attributes:
        count: how many partitions are to lie ahead of now, or of the last one that
            holds rows where the key is a number; 0 makes none.
        parents: `schema.table` of those that are meant; empty for all.
    """

    count: int = 0
    parents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WantedPartitions:
    """What a side lacks.

    Attributes:
        missing: partitions to be made, with their parents on that side.
        unclear: why no partitions can be made ahead, a line for each parent.
        unknown: parents that were named and are not there.
    """

    missing: tuple[tuple[Parent, Partition], ...] = ()
    unclear: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


class MakePartitions(Action[WantedPartitions]):
    """A side has the partitions of the other one, and those that come next.

    Crash: some are made and the others not; the same call makes them. One that is on
    the side alone that does not serve takes no row.
    """

    no_undo = "an empty partition harms nothing"

    def __init__(self, step_id: str, side: Side, ahead: Ahead) -> None:
        super().__init__(step_id)
        self.id += f"_{side}"
        self.side, self.ahead = side, ahead
        self.title = f"{side} has its partitions"

    def observe(self, world: World) -> WantedPartitions:
        """Both catalogs; those of the side that serves tell the pattern."""
        serving = fold(world.journal.records()).serving
        here = read_parents(world.on(self.side))
        model, other = world.on(serving), world.on(serving.other)
        sides = {serving: read_parents(model), serving.other: read_parents(other)}
        ours = [p for p in sides[serving].values() if self._is_meant(world, p)]
        unknown = set(self.ahead.parents) - {p.full_name for p in ours}
        missing: list[tuple[Parent, Partition]] = []
        unclear: list[str] = []
        for parent in ours:
            if (parent.schema, parent.name) not in here:
                continue
            wanted = list(_only_there(parent, sides[serving.other]))
            if self.side is not serving:
                wanted = list(parent.partitions)
            try:
                wanted += self._next(world, serving, parent)
            except NoPattern as why:
                unclear += [f"{parent.full_name}: {why}"]
            own = here[parent.schema, parent.name]
            missing += _lacking(own, wanted)
        return WantedPartitions(tuple(missing), tuple(unclear), tuple(sorted(unknown)))

    def _is_meant(self, world: World, parent: Parent) -> bool:
        if self.ahead.parents:
            return parent.full_name in self.ahead.parents
        return parent.full_name not in world.limits.exclude

    def _next(self, world: World, serving: Side, parent: Parent) -> Iterator[Partition]:
        if not self.ahead.count or not (parent.is_in_ranges or self.ahead.parents):
            return
        database = world.on(serving)
        zone, named = zone_of(database), bool(self.ahead.parents)
        schema = parent.partitions[-1].schema if parent.partitions else parent.schema
        cut = pattern_of(parent, zone).zone
        for one in lying_ahead(database, parent, zone, self.ahead.count, named=named):
            yield Partition(schema, one.name, bound_of(one, parent.keys[0], cut))

    def judge(self, facts: WantedPartitions) -> Verdict:
        """Where no pattern shows, nothing is guessed and nothing is made."""
        if facts.unknown:
            return Refused(
                Code.STEP_DOES_NOT_FIT,
                f"{', '.join(facts.unknown)} is no partitioned table",
                wanted="partitioned tables of the side that serves, `schema.table`",
                hint="see `\\dP` in psql",
            )
        if facts.unclear:
            return Refused(
                Code.STEP_DOES_NOT_FIT,
                "partitions follow no pattern that could be continued",
                seen="\n".join(facts.unclear),
                wanted="ranges of one column, equally long, and names that tell them",
                hint="run your own CREATE TABLE … PARTITION OF … on both sides, on the "
                "side that does not serve first; then `bluegreen partitions PLAYBOOK` "
                "puts them into the stream. `--parent` names the tables that are meant",
            )
        if not facts.missing:
            return Satisfied("none is missing")
        names = ", ".join(f"{p.schema}.{p.name}" for _, p in facts.missing)
        return Needed(f"to be made: {names}")

    def act(self, world: World, facts: WantedPartitions) -> Result:
        """Make them, one transaction each."""
        for parent, partition in facts.missing:
            make_partition(world.on(self.side), parent, partition, world.clock)
            world.point(f"partitions/made_{self.side}")
        return {"made": [f"{p.schema}.{p.name}" for _, p in facts.missing]}


def _only_there(parent: Parent, others: Mapping[Name, Parent]) -> Iterator[Partition]:
    """What the other side alone has, made ahead by a call that was cut short.

    Only what begins behind the newest of the side that serves: an older one may have
    been dropped there on purpose.
    """
    twin = others.get((parent.schema, parent.name))
    if twin is None or not parent.is_in_ranges or twin.keys != parent.keys:
        return
    own = ranges_of([(p.name, p.bound) for p in parent.partitions], parent.keys[0])
    for one in twin.partitions:
        at = ranges_of([(one.name, one.bound)], parent.keys[0])
        if at and own and not at[0].lower < own[-1].upper:  # type: ignore[operator]
            yield one


def _lacking(
    own: Parent, wanted: Sequence[Partition]
) -> Iterator[tuple[Parent, Partition]]:
    seen = {(one.schema, one.name) for one in own.partitions}
    for one in wanted:
        if one.plain and (one.schema, one.name) not in seen:
            seen.add((one.schema, one.name))
            yield own, one


def actions_of_partitions(state: State, ahead: Ahead) -> tuple[Action[Any], ...]:
    """Make them where no client writes, then where clients do; put them in the stream.

    A stream the other way that waits for a move is made again over the new list.
    """
    serving = state.serving
    return (
        RecoverSwitchover(KEY),
        MakePartitions(KEY, serving.other, ahead),
        MakePartitions(KEY, serving, ahead),
        TakeUpPartitions(KEY),
        TakeUpWaiting(KEY),
        AwaitPartitions(KEY),
    )

"""Monitor: has anybody changed a schema behind our back?

Owns what DDL on a side means while the other follows it, and remembering schemas. The
fingerprint is in `postgres/schema/fingerprint.py`.

Code that changes blue's schema on purpose calls `remember_schema` right after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from bluegreen.model.bodies import Monitored, remembered_by
from bluegreen.model.counted import counted
from bluegreen.model.finding import Blocks, Figure, Finding, Severity
from bluegreen.model.history import State, fold
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, Satisfied, Verdict
from bluegreen.postgres.catalog.identity import identity_of
from bluegreen.postgres.schema.fingerprint import changes, read_prints
from bluegreen.steps.action import Action, Result
from bluegreen.steps.monitors.limits import Limits
from bluegreen.steps.monitors.monitor import Monitor, Round, weigh
from bluegreen.steps.preflight.intent import listed
from bluegreen.steps.world import World

ID = "schema-drift"


@dataclass(frozen=True, kw_only=True)
class SchemaRemembered(Monitored):
    """Of MONITORED: what sides had, by thing, for the green of this identity."""

    monitor: str = ID
    green: str = ""
    sides: Mapping[Side, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class DriftFacts:
    """What differs from the schema that was remembered."""

    side: Side
    serving: Side
    changes: tuple[str, ...]


class MonitorDrift(Monitor[DriftFacts]):
    """The serving side's schema is the one that the other side was made for.

    Once both sides were armed for a move, the other side's is watched too.
    """

    id: ClassVar[str] = ID
    if_unknown: ClassVar[Blocks] = Blocks.SWITCHOVER
    every_s: ClassVar[float] = 60.0

    def places(self, world: Round) -> tuple[Side, ...]:
        """The serving side; after a move both."""
        if world.state.released:
            return ()
        serving = world.state.serving
        return (serving, serving.other) if world.state.epoch else (serving,)

    def observe(self, world: Round, side: Side) -> DriftFacts | None:
        """About twenty catalog queries."""
        then = remembered(world.remembered, world.state, side)
        if then is None:
            return None
        found = changes(then, read_prints(world.on(side)))
        return DriftFacts(side, world.state.serving, found)

    def judge(self, facts: DriftFacts, limits: Limits) -> Iterator[Finding]:
        """Every change counts: the other side lacks it, or cannot take it."""
        figure = Figure(
            "schema_changes",
            len(facts.changes),
            "Things of the schema that were changed behind our back.",
            {"side": str(facts.side)},
        )
        yield self.say(str(facts.side), _weigh(facts), (figure,))


def _weigh(facts: DriftFacts) -> Finding:
    if not facts.changes:
        return weigh(Severity.OK, "the schema is as it was")
    other = facts.side.other
    return weigh(
        Severity.CRITICAL,
        f"{_changed(len(facts.changes))} from outside: {listed(facts.changes)}",
        f"take it back, or make the same change on {other}; a new table also needs "
        f"its rows there. Is it meant? Accept the finding {ID} in the playbook",
        Blocks.SWITCHOVER,
    )


def _changed(count: int) -> str:
    return counted(count, "thing was changed", "things were changed")


def remembered(
    records: Sequence[Record], state: State, side: Side
) -> Mapping[str, str] | None:
    """What was remembered of a side for this green; None before that. Pure.

    Before the first move only blue's counts: green's is still being made.
    """
    for record in remembered_by(ID, records):
        told = SchemaRemembered.from_body(record.body)
        if state.green and told.green != state.green:
            return None
        if side in told.sides:
            return told.sides[side]
    return None


def changed_things(world: World, side: Side) -> tuple[str, ...]:
    """What differs on a side from what was remembered, in words; empty for nothing.

    Raises:
        StepError: the side went away.
    """
    records = world.journal.records()
    then = remembered(records, fold(records), side)
    return () if then is None else changes(then, read_prints(world.on(side)))


def remember_schema(world: World, sides: Iterable[Side], action: str = "") -> int:
    """Take the schema of these sides, as it is now, for the one that is meant.

    Returns how many things it has.

    Raises:
        StepError: a side went away.
    """
    prints = {side: read_prints(world.on(side)) for side in sides}
    remember_prints(world, prints, action)
    return sum(len(one) for one in prints.values())


def remember_also(
    world: World, side: Side, heads: Iterable[str], action: str = ""
) -> None:
    """Take these things of a side, as they are now, for meant, and nothing else.

    Where nothing is remembered of that side there is nothing to add to.
    """
    records = world.journal.records()
    then = remembered(records, fold(records), side)
    if then is None:
        return
    now = read_prints(world.on(side))
    known = {**then, **{head: now[head] for head in heads if head in now}}
    remember_prints(world, {side: known}, action)


def remember_prints(
    world: World, sides: Mapping[Side, Mapping[str, str]], action: str = ""
) -> None:
    """Take what these sides have, by thing, for meant."""
    body = SchemaRemembered(green=identity_of(world.green), sides=sides).as_body()
    world.journal.append(Kind.MONITORED, action=action, body=body)


@dataclass(frozen=True, slots=True)
class RememberedFacts:
    """Whether the side's schema stands in the journal, as it is wanted there."""

    moved: bool
    known: bool


class RememberSchema(Action[RememberedFacts]):
    """The schema of a side is remembered, so that a later change is seen.

    Of blue before green's schema is copied from it, once. Of the side that traffic is
    about to go to, as it is at the move.

    Crash: the record is there or it is not.
    """

    no_undo = "it changes nothing on either side"

    def __init__(self, step_id: str, side: Side, *, for_move: bool = False) -> None:
        super().__init__(step_id)
        self.side, self.for_move = side, for_move
        self.title = f"{side}'s schema is remembered"

    def observe(self, world: World) -> RememberedFacts:
        """The journal, and for a move the schema as it is."""
        records = world.journal.records()
        state = fold(records)
        then = remembered(records, state, self.side)
        if then is None or not self.for_move:
            return RememberedFacts(state.serving is self.side, then is not None)
        if state.serving is self.side:
            return RememberedFacts(moved=True, known=True)
        now = read_prints(world.on(self.side))
        return RememberedFacts(moved=False, known=not changes(then, now))

    def judge(self, facts: RememberedFacts) -> Verdict:
        """Once traffic has moved there, it is what later changes are held against."""
        if facts.known or (self.for_move and facts.moved):
            return Satisfied("it stands in the journal")
        return Needed("it does not stand in the journal as it is")

    def act(self, world: World, facts: RememberedFacts) -> Result:
        """Write it down."""
        return {"things": remember_schema(world, [self.side], self.id)}

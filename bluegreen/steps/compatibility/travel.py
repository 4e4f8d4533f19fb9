"""A row of each named table makes the whole way, for real.

Owns the action that sends it. What is written changes no value, so no client sees it;
the statement is in `compat/probe/travel.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from bluegreen.compat.probe.travel import touch, travelling_tables
from bluegreen.model.body import Body
from bluegreen.model.codes import Code
from bluegreen.model.counted import counted
from bluegreen.model.errors import StepError
from bluegreen.model.history import fold
from bluegreen.model.record import Kind
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, Satisfied, Verdict
from bluegreen.postgres.catalog.relations import Relation
from bluegreen.postgres.replication.following import check_following
from bluegreen.postgres.replication.stream import ReplicationStream
from bluegreen.steps.action import Action, Result
from bluegreen.steps.world import World


@dataclass(frozen=True, slots=True)
class TravelFacts:
    """What is to travel.

    Attributes:
        publisher: the side that serves.
        epoch: how many moves there were: each direction is tried once.
        tables: tables that the playbook names and that travel.
        done: a row of each was seen to arrive in this epoch.
    """

    publisher: Side
    epoch: int
    tables: tuple[Relation, ...]
    done: bool


@dataclass(frozen=True, slots=True)
class Travelled(Body):
    """What the action notes and results in, by table.

    Attributes:
        rows: the row that was written.
        left_out: why none was.
        travelled: set in the note.
    """

    rows: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    travelled: bool | None = None


class WriteTrialRows(Action[TravelFacts]):
    """One row of each named table went from the side that serves to the other.

    The row is written with the values that it has, in a session in which no trigger of
    the application fires. Tables whose triggers fire all the same are left out.

    Crash: some rows made the way and others did not; each is what it was.
    """

    title = "a row of each named table made the way"
    no_undo = "it changes no value"

    def __init__(self, step_id: str, tables: Sequence[str]) -> None:
        super().__init__(step_id)
        self.tables = tuple(tables)

    def observe(self, world: World) -> TravelFacts:
        """The side that serves, its tables, and what the journal tells."""
        records = world.journal.records()
        state = fold(records)
        publisher = state.serving
        found = travelling_tables(
            world.on(publisher), ReplicationStream(world.name, publisher).name
        )
        chosen = tuple(
            r for r in found if any(fnmatchcase(r.full_name, t) for t in self.tables)
        )
        done = any(
            r.kind is Kind.NOTE
            and r.action == self.id
            and r.epoch == state.epoch
            and Travelled.from_body(r.body).travelled
            for r in records
        )
        return TravelFacts(publisher, state.epoch, chosen, done)

    def judge(self, facts: TravelFacts) -> Verdict:
        """Needed once in every epoch."""
        if facts.done:
            return Satisfied(
                counted(len(facts.tables), "table was tried", "tables were tried")
            )
        return Needed(f"{counted(len(facts.tables), 'table')} from {facts.publisher}")

    def act(self, world: World, facts: TravelFacts) -> Result:
        """Touch a row of each table, and see all of them arrive."""
        publisher, subscriber = (
            world.on(facts.publisher),
            world.on(facts.publisher.other),
        )
        tried = [touch(publisher, table) for table in facts.tables]
        name = ReplicationStream(world.name, facts.publisher).name
        following = check_following(publisher, subscriber, name, world.clock)
        if not following.caught_up:
            raise StepError(
                Code.STREAM_STOPPED,
                f"a row that was sent did not arrive on {facts.publisher.other}",
                seen=f"{following.errors or 0} errors in {following.seconds:.1f} s",
                wanted="every row that is sent applied over there",
                traffic=f"{facts.publisher} serves and nothing has moved",
                hint=f"the last ERROR of a logical replication worker in "
                f"{facts.publisher.other}'s log names table and reason",
            )
        told = Travelled(
            rows={one.table: one.row for one in tried if one.row},
            left_out={one.table: one.why for one in tried if one.why},
        )
        note = replace(told, travelled=True).as_body()
        world.journal.append(Kind.NOTE, action=self.id, body=note)
        return told.as_body()

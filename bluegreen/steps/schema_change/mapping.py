"""Columns that no rule can carry over, kept in step by the user's own expressions.

Owns the trigger on green and the fill of rows that were there before it. What an entry
of the playbook means is in `rules.py`, the SQL in `postgres/mapping_*.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bluegreen.model.body import Body
from bluegreen.model.codes import Code
from bluegreen.model.counted import counted
from bluegreen.model.errors import StepError
from bluegreen.model.hazard import Hazard
from bluegreen.model.history import fold
from bluegreen.model.progress import Progress
from bluegreen.model.verdict import Needed, NotYet, Satisfied, Verdict
from bluegreen.postgres.catalog.relations import Relation, read_relations
from bluegreen.postgres.database import SqlError
from bluegreen.postgres.schema.mapping_fill import fill
from bluegreen.postgres.schema.mapping_triggers import (
    MappedGroup,
    MappedTable,
    create_mapping,
    drop_mapping,
    read_mappings,
)
from bluegreen.steps.action import Action, Result
from bluegreen.steps.schema_change.rules import ColumnRule, rules_by_table
from bluegreen.steps.schema_change.stream import started_on_failure
from bluegreen.steps.world import World

Pending = Callable[[World], int]


@dataclass(frozen=True, slots=True)
class MappingFacts:
    """What of the mapping stands on green.

    Attributes:
        pending: migrations that green still lacks.
        lacking: tables without their trigger, or with another one.
        hindrances: columns that it needs and that are not there.
    """

    pending: int
    lacking: tuple[MappedTable, ...]
    hindrances: tuple[str, ...]


class CreateMapping(Action[MappingFacts]):
    """A trigger on green keeps mapped columns and those they come from in step.

    Crash: one transaction a table; the next run does the others. The stream rests.
    """

    hazards = frozenset({Hazard.CHANGES_GREEN_SCHEMA})
    title = "green keeps mapped columns in step"

    def __init__(
        self, step_id: str, mapping: Mapping[str, ColumnRule], pending: Pending
    ) -> None:
        super().__init__(step_id)
        self.tables, self.pending = _mapped(mapping), pending

    def observe(self, world: World) -> MappingFacts:
        """Green's columns, and the triggers that are there."""
        made = read_mappings(world.green)
        lacking = [t for t in self.tables if made.get((t.schema, t.table)) != t.digest]
        green = {(r.schema, r.name): r for r in read_relations(world.green)}
        return MappingFacts(
            self.pending(world), tuple(lacking), tuple(_hindrances(lacking, green))
        )

    def judge(self, facts: MappingFacts) -> Verdict:
        """What cannot be is said by the act, which starts the stream again."""
        if facts.pending:
            return NotYet(f"green lacks {facts.pending} migrations")
        if facts.lacking:
            names = ", ".join(f"{t.schema}.{t.table}" for t in facts.lacking)
            return Needed(f"{names} lack their trigger")
        return Satisfied(
            counted(
                len(self.tables), "table has its trigger", "tables have their trigger"
            )
        )

    def act(self, world: World, facts: MappingFacts) -> Result:
        """Make columns, functions and triggers."""
        with started_on_failure(world, self.id.partition("/")[0]):
            if facts.hindrances:
                raise _impossible("\n".join(facts.hindrances))
            for table in facts.lacking:
                try:
                    create_mapping(world.green, table)
                except SqlError as error:
                    if not error.sqlstate.startswith("42"):
                        raise
                    raise _impossible(
                        f"{table.schema}.{table.table}: {error.seen}"
                    ) from error
        return {"tables": [f"{t.schema}.{t.table}" for t in facts.lacking]}

    def undo(self, world: World, facts: MappingFacts) -> None:
        """Drop triggers and functions; columns stay."""
        for schema, table in read_mappings(world.green):
            drop_mapping(world.green, schema, table)


def _mapped(mapping: Mapping[str, ColumnRule]) -> tuple[MappedTable, ...]:
    return tuple(
        MappedTable(
            rules.schema,
            rules.table,
            [MappedGroup(g.forward, g.reverse, sorted(g.given)) for g in rules.groups],
            rules.types,
        )
        for rules in rules_by_table(mapping)
    )


def _hindrances(
    tables: Iterable[MappedTable], green: Mapping[tuple[str, str], Relation]
) -> Iterable[str]:
    for table in tables:
        relation = green.get((table.schema, table.table))
        if relation is None:
            yield f"{table.schema}.{table.table} is not there"
            continue
        here = {column.name for column in relation.columns} | set(table.types)
        needed = {
            name
            for group in table.groups
            for name in (*group.forward, *group.reverse, *group.given)
        }
        for name in sorted(needed - here):
            yield f"{relation.quoted} has no column {name}"


def _impossible(seen: str) -> StepError:
    return StepError(
        Code.MIGRATION_FAILED,
        "a mapping does not fit green's tables",
        seen=seen,
        wanted="every column of the mapping on green, the old ones too, and functions "
        "of your own by schema and name",
        hint="fix `mapping` of the step migrate, give a new column its `type`, or let "
        "an old column go behind `-- bluegreen: contract`",
    )


@dataclass(frozen=True, slots=True)
class FillFacts:
    """Whether the rows that were there before are right.

    Attributes:
        pending: migrations that green still lacks.
        filled: digest of the mapping that they were filled by; empty where they were
            not.
    """

    pending: int
    filled: str


@dataclass(frozen=True, slots=True)
class Filled(Body):
    """The result: how many rows were filled, by which mapping."""

    rows: int = 0
    digest: str = ""


class BackfillMapping(Action[FillFacts]):
    """Rows that were on green before the trigger hold the mapped columns too.

    Crash: each batch is a transaction of its own; the next run goes over the rows again
    and changes those that are not right.
    """

    hazards = frozenset({Hazard.CHANGES_GREEN_SCHEMA})
    title = "green's rows hold the mapped columns"
    no_undo = "the columns are green's own"

    def __init__(
        self, step_id: str, mapping: Mapping[str, ColumnRule], pending: Pending
    ) -> None:
        super().__init__(step_id)
        self.tables, self.pending = _mapped(mapping), pending

    @property
    def digest(self) -> str:
        """Short name of the whole mapping."""
        told = "".join(table.digest for table in self.tables)
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def observe(self, world: World) -> FillFacts:
        """What the journal tells: reading every row would cost as much as the fill."""
        result = fold(world.journal.records()).results.get(self.id)
        filled = Filled.from_body(result.body) if result else Filled()
        return FillFacts(self.pending(world), filled.digest)

    def judge(self, facts: FillFacts) -> Verdict:
        """Once for each mapping; its trigger keeps them right since."""
        if facts.pending:
            return NotYet(f"green lacks {facts.pending} migrations")
        if facts.filled == self.digest:
            return Satisfied("they were filled, and the trigger keeps them right")
        return Needed("rows that were there before the trigger are to be filled")

    def act(self, world: World, facts: FillFacts) -> Result:
        """Fill table after table, batch after batch."""
        rows = 0
        for table in self.tables:
            name = f"{table.schema}.{table.table}"

            def tell(done: int, total: int, name: str = name) -> None:
                text = f"{name}: {done} of {total} pages are filled"
                world.tell(Progress("mapping_filled", text, done, total, "pages"))

            rows += fill(world.green, table, tell)
        return Filled(rows, self.digest).as_body()

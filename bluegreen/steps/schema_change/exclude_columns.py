"""Blue stops sending what a migration will take away on green.

Owns this action, which comes before the migrations: an old change decodes with the
list of its time, so green must have passed the edit before the column goes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from bluegreen.migrators.forecast import Forecast, TableName
from bluegreen.model.codes import Code
from bluegreen.model.history import fold
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, Refused, Satisfied, Verdict
from bluegreen.postgres.catalog.relations import Relation, read_relations
from bluegreen.postgres.replication.marker import send_marker
from bluegreen.postgres.replication.publication import (
    COLUMN_LISTS_SINCE,
    ColumnName,
    PublishedTable,
    publish,
    read_publication,
    server_version,
)
from bluegreen.postgres.replication.stream import ReplicationStream, read_subscription
from bluegreen.postgres.schema.expansion_catalog import constraint_names
from bluegreen.steps.action import Action, Result
from bluegreen.steps.schema_change.journal_queries import (
    ended_well,
    expansions_told,
    kept_back,
)
from bluegreen.steps.validation.green import doubt_of_green, noted_again
from bluegreen.steps.world import World

PASSES = timedelta(hours=1)
"""Green may have much to catch up with before it comes to the edit."""

Foresee = Callable[[World], Forecast]


@dataclass(frozen=True, slots=True)
class LeaveOutFacts:
    """What blue publishes, and what it ought to.

    Attributes:
        present: None where there is no publication.
        wanted: the same less what will go.
        hindrances: why something cannot be left out, in words.
        passed: green was seen to have passed the edit.
    """

    present: tuple[PublishedTable, ...] | None
    wanted: tuple[PublishedTable, ...]
    hindrances: tuple[str, ...]
    passed: bool


class LeaveOut(Action[LeaveOutFacts]):
    """Blue sends no column and no table that green is about to lose.

    Columns that blue will get before the cutover are not sent either: blue's would be
    empty, and green's values are the ones that count.

    Crash: the publication may be edited and green not past it; the next run sends the
    marker again before any migration runs.
    """

    title = "blue sends nothing that green is about to lose"

    def __init__(
        self,
        step_id: str,
        foresee: Foresee,
        names: Collection[str] = (),
        expanded: Collection[str] = (),
    ) -> None:
        super().__init__(step_id)
        self.foresee, self.names, self.expanded = foresee, names, expanded

    def observe(self, world: World) -> LeaveOutFacts:
        """The publication, the files that are left to apply, and blue's tables."""
        records = world.journal.records()
        present = read_publication(
            world.blue, ReplicationStream(world.name, Side.BLUE).name
        )
        if present is None or fold(records).serving is Side.GREEN:
            return LeaveOutFacts(None, (), (), passed=True)
        blue = {(r.schema, r.name): r for r in read_relations(world.blue)}
        names = (*self.names, *self._to_come(world, blue.values()))
        gone = resolved(self.foresee(world), names, present)
        wanted, hindrances = narrowed(
            present, blue, gone, server_version(world.blue), kept_back(records)
        )
        return LeaveOutFacts(present, wanted, hindrances, ended_well(self.id, records))

    def _to_come(self, world: World, blue: Iterable[Relation]) -> list[str]:
        """Columns that blue lacks and will get."""
        told = expansions_told(world.journal.records())
        got = {one.name for one in told if one.kind == "column"}
        here = {f"{r.full_name}.{c.name}" for r in blue for c in r.columns}
        here |= constraint_names(world.blue) | {one.name for one in told}
        return [n for n in self.expanded if n.count(".") > 1 and n not in here - got]

    def judge(self, facts: LeaveOutFacts) -> Verdict:
        """Narrow where something goes; what cannot be left out must wait."""
        if facts.hindrances:
            return Refused(
                Code.MIGRATION_FAILED,
                "blue cannot leave out what a migration takes away",
                seen="\n".join(facts.hindrances),
                wanted="a column list on blue's publication, which needs PostgreSQL 15 "
                "and a key that is not the whole row",
                hint="put `-- bluegreen: contract` before the statement: it then runs "
                "once blue is released",
            )
        if facts.present is None:
            return Satisfied("blue publishes nothing yet, or does not serve")
        if facts.wanted != facts.present:
            return Needed(", ".join(_differences(facts.present, facts.wanted)))
        if not facts.passed:
            return Needed("green was not seen to have passed the edit")
        return Satisfied("nothing of it is sent")

    def act(self, world: World, facts: LeaveOutFacts) -> Result:
        """Edit the publication; then let green pass that point."""
        name = ReplicationStream(world.name, Side.BLUE).name
        doubt = doubt_of_green(world)
        if facts.wanted != facts.present:
            publish(world.blue, name, facts.wanted)
        world.point(f"{self.id}/edited")
        following = read_subscription(world.green, name)
        if following is not None and following.enabled:
            send_marker(world.blue, world.green, deadline=PASSES, clock=world.clock)
        # What we changed ourselves is no doubt, and ends none.
        return {"tables": narrow(facts.wanted), **({} if doubt else noted_again(world))}

    def undo(self, world: World, facts: LeaveOutFacts) -> None:
        """Send everything again, while green still has it all."""
        name = ReplicationStream(world.name, Side.BLUE).name
        present = read_publication(world.blue, name)
        if present is not None:
            whole = tuple(replace(table, columns=None) for table in present)
            publish(world.blue, name, whole)


Gone = Mapping[TableName, Collection[str] | None]
"""Columns that go, by table; None where the whole table goes."""


def resolved(
    seen: Forecast, names: Iterable[str], present: Sequence[PublishedTable]
) -> Gone:
    """Hold what will go against what is published. Pure.

    Names of the playbook are `schema.table` or `schema.table.column`.
    """
    here = {(t.schema, t.name) for t in present}
    gone: dict[TableName, set[str] | None] = {}

    def take(table: TableName, column: str | None) -> None:
        for key in _meant(table, here):
            if column is None:
                gone[key] = None
            elif (columns := gone.setdefault(key, set())) is not None:
                columns.add(column)

    for table, column in seen.columns:
        take(table, column)
    for table in seen.tables:
        take(table, None)
    for name in names:
        schema, table_, *column_ = name.split(".", 2)
        take((schema, table_), column_[0] if column_ else None)
    return gone


def _meant(table: TableName, here: Collection[TableName]) -> list[TableName]:
    """The published table that a name means; without a schema, public comes first."""
    schema, name = table
    if schema or ("public", name) in here:
        key = (schema or "public", name)
        return [key] if key in here else []
    found = [key for key in here if key[1] == name]
    return found if len(found) == 1 else []


def narrowed(
    present: Sequence[PublishedTable],
    blue: Mapping[TableName, Relation],
    gone: Gone,
    version: int,
    given: Collection[ColumnName] = frozenset(),
) -> tuple[tuple[PublishedTable, ...], tuple[str, ...]]:
    """The publication less what goes, and why that cannot be. Pure.

    Columns that blue is yet to get, or was `given` by us, travel where no list can keep
    them back.
    """
    wanted, hindrances = [], []
    for table in present:
        key = (table.schema, table.name)
        columns, relation = gone.get(key, ()), blue.get(key)
        if columns is None:
            continue
        if not columns or relation is None:
            wanted.append(table)
            continue
        less = _less(table, relation, columns)
        hindrance = _hindrance(less, relation, version)
        here = {
            c.name
            for c in relation.columns
            if c.name in columns and (*key, c.name) not in given
        }
        if hindrance and here:
            named = ", ".join(f"{relation.quoted}.{name}" for name in sorted(here))
            hindrances.append(f"{named}: {hindrance}")
        wanted.append(table if hindrance else less)
    return tuple(wanted), tuple(hindrances)


def _less(
    table: PublishedTable, relation: Relation, columns: Collection[str]
) -> PublishedTable:
    sent = [c.name for c in relation.columns if not c.generated]
    kept = tuple(c for c in table.columns or sent if c not in columns)
    return replace(table, columns=kept)


def _hindrance(table: PublishedTable, relation: Relation, version: int) -> str:
    """Why the table cannot have this list of columns."""
    if version < COLUMN_LISTS_SINCE:
        return f"PostgreSQL {version} has no column lists"
    if relation.replica_identity == "f":
        return "the whole row is the key (REPLICA IDENTITY FULL)"
    if not set(relation.identity_columns) <= set(table.columns or ()):
        return "it belongs to the key"
    return ""


def narrow(tables: Iterable[PublishedTable]) -> list[str]:
    """The lists of a publication as the journal tells them. Pure."""
    return [
        f"{t.schema}.{t.name} ({', '.join(t.columns)})" for t in tables if t.columns
    ]


def _differences(
    present: Sequence[PublishedTable], wanted: Sequence[PublishedTable]
) -> list[str]:
    kept = {(t.schema, t.name): t for t in wanted}
    words = []
    for table in present:
        now = kept.get((table.schema, table.name))
        if now is None:
            words.append(f"{table.schema}.{table.name} is left out")
        elif now != table:
            words.append(f"{table.schema}.{table.name} gets a column list")
    return words

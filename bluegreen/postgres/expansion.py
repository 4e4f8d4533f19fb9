"""Changes to blue that let it take what a migrated green will send back.

Owns reading what both catalogs have under a name, deciding the one statement that
closes the gap, and running it with a short lock. All of them touch the catalog alone;
whether that holds for this server is judged by the linter, in `steps/mitigation`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from psycopg import sql

from bluegreen.model.clock import Clock
from bluegreen.model.errors import BudgetError
from bluegreen.postgres.database import Database, SqlError
from bluegreen.postgres.published import COLUMN_LISTS_SINCE
from bluegreen.postgres.relations import OURS_OR_SYSTEM, Column, Relation
from bluegreen.postgres.user_session import verbatim

LOCK_WAIT = "200ms"
"""How long clients of blue may queue behind one try."""

TRIES = 30
PAUSE_S = 1.0

Kind = Literal["column", "type", "nullable", "constraint", "index", "label", "table"]

_STAYED_LOCKED = {"55P03", "40P01"}


@dataclass(frozen=True, slots=True)
class Expansion:
    """One change to blue.

    Attributes:
        name: what the playbook named.
        kind: what changes; `column` and `table` are new on blue.
        parts: schema, table and column, or as many as there are.
        statement: the SQL.
        undo: the SQL that takes it back; empty where nothing could.
    """

    name: str
    kind: Kind
    parts: tuple[str, ...]
    statement: str
    undo: str = ""


@dataclass(frozen=True, slots=True)
class Catalog:
    """What of one side's catalog names may mean.

    Attributes:
        version: the server's major version.
        tables: by `schema.table`.
        constraints: definition of CHECK, UNIQUE, FOREIGN KEY and EXCLUDE constraints by
            `schema.table.constraint`.
        indexes: definition of other unique indexes by `schema.table.index`.
        labels: labels of enums by `schema.type`, in order.
    """

    version: int
    tables: Mapping[str, Relation] = field(default_factory=dict)
    constraints: Mapping[str, str] = field(default_factory=dict)
    indexes: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def column(self, name: str) -> Column | None:
        """The column that `schema.table.column` names."""
        table, _, column = name.rpartition(".")
        found = self.tables.get(table)
        columns = found.columns if found else ()
        return next((one for one in columns if one.name == column), None)

    def knows(self, name: str) -> bool:
        """Whether the name means anything on this side."""
        known = (self.tables, self.constraints, self.indexes, self.labels)
        return any(name in one for one in known) or self.column(name) is not None


_CONSTRAINTS = sql.SQL(
    "SELECT n.nspname || '.' || c.relname || '.' || k.conname,"
    " pg_get_constraintdef(k.oid) FROM pg_constraint k"
    " JOIN pg_class c ON c.oid = k.conrelid"
    " JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE k.contype IN ('c', 'u', 'f', 'x') AND NOT {}"
).format(OURS_OR_SYSTEM)

_INDEXES = sql.SQL(
    "SELECT n.nspname || '.' || c.relname || '.' || x.relname,"
    " pg_get_indexdef(i.indexrelid) FROM pg_index i"
    " JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class c ON c.oid = i.indrelid"
    " JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE i.indisunique AND NOT i.indisprimary AND NOT EXISTS ("
    "  SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid"
    "  AND k.contype IN ('u', 'x')) AND NOT {}"
).format(OURS_OR_SYSTEM)

_LABELS = sql.SQL(
    "SELECT n.nspname || '.' || t.typname,"
    " array_agg(e.enumlabel::text ORDER BY e.enumsortorder)"
    " FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid"
    " JOIN pg_namespace n ON n.oid = t.typnamespace WHERE NOT {} GROUP BY 1"
).format(OURS_OR_SYSTEM)


def read_catalog(
    database: Database, relations: Iterable[Relation], version: int
) -> Catalog:
    """Read what expansions are decided by."""
    return Catalog(
        version,
        {r.full_name: r for r in relations if r.kind in {"table", "partitioned"}},
        dict(_pairs(database, _CONSTRAINTS)),
        dict(_pairs(database, _INDEXES)),
        {name: tuple(labels) for name, labels in database.rows(_LABELS)},
    )


def constraint_names(database: Database) -> set[str]:
    """Every constraint and unique index, as `schema.table.name`."""
    found = (_pairs(database, query) for query in (_CONSTRAINTS, _INDEXES))
    return {name for pairs in found for name, _ in pairs}


def _pairs(database: Database, query: sql.Composed) -> list[tuple[str, str]]:
    return [(name, text) for name, text in database.rows(query)]


def expansions(name: str, blue: Catalog, green: Catalog) -> tuple[Expansion, ...]:
    """What blue lacks of what the name means; nothing where it lacks nothing. Pure."""
    ways: Sequence[Callable[[str, Catalog, Catalog], Iterable[Expansion]]] = (
        _labels,
        _table,
        _column,
        _constraint,
        _index,
    )
    return tuple(found for way in ways for found in way(name, blue, green))


def _labels(name: str, blue: Catalog, green: Catalog) -> Iterable[Expansion]:
    here = blue.labels.get(name)
    for label in green.labels.get(name, ()) if here is not None else ():
        if label not in (here or ()):
            yield Expansion(
                name,
                "label",
                tuple(name.split(".", 1)),
                _text("ALTER TYPE {} ADD VALUE IF NOT EXISTS {}", _id(name), label),
            )


def _table(name: str, blue: Catalog, green: Catalog) -> Iterable[Expansion]:
    """An empty table with green's columns: all may be NULL but the key."""
    relation = green.tables.get(name)
    if relation is None or name in blue.tables:
        return
    key = relation.primary_key or relation.identity_columns
    lines = [
        _text("{} {}", sql.Identifier(c.name), verbatim(c.type))
        for c in relation.columns
        if not c.generated
    ]
    if key and relation.replica_identity != "f":
        columns = sql.SQL(", ").join(map(sql.Identifier, key))
        lines.append(_text("PRIMARY KEY ({})", columns))
    yield Expansion(
        name,
        "table",
        (relation.schema, relation.name),
        _text("CREATE TABLE {} ({})", _id(name), verbatim(", ".join(lines))),
        _text("DROP TABLE IF EXISTS {}", _id(name)),
    )


def _column(name: str, blue: Catalog, green: Catalog) -> Iterable[Expansion]:
    here, there = blue.column(name), green.column(name)
    table, _, column = name.rpartition(".")
    relation = blue.tables.get(table)
    if relation is None:
        return
    parts = (relation.schema, relation.name, column)
    if there is not None and here is None and not there.generated:
        yield _added(name, parts, there, blue.version, relation)
    elif here is not None and (there is None or not there.generated):
        yield from _relaxed(name, parts, here, there)


def _added(
    name: str, parts: tuple[str, ...], there: Column, version: int, table: Relation
) -> Expansion:
    """A column that may be NULL.

    Where no column list can keep blue's NULL from green, it gets green's default.
    """
    kept_back = version >= COLUMN_LISTS_SINCE and table.replica_identity != "f"
    default = ""
    if there.not_null and not kept_back and there.default:
        default = f" DEFAULT {there.default}"
    column, own = sql.Identifier(there.name), sql.Identifier(*parts[:2])
    return Expansion(
        name,
        "column",
        parts,
        _text(
            "ALTER TABLE {} ADD COLUMN {} {}{}",
            own,
            column,
            verbatim(there.type),
            verbatim(default),
        ),
        _text("ALTER TABLE {} DROP COLUMN IF EXISTS {}", own, column),
    )


def _relaxed(
    name: str, parts: tuple[str, ...], here: Column, there: Column | None
) -> Iterable[Expansion]:
    column, own = sql.Identifier(here.name), sql.Identifier(*parts[:2])
    if there is not None and there.type != here.type:
        yield Expansion(
            name,
            "type",
            parts,
            _text(
                "ALTER TABLE {} ALTER COLUMN {} TYPE {}",
                own,
                column,
                verbatim(there.type),
            ),
        )
    unsent = there is None and not (here.default or here.identity or here.generated)
    if here.not_null and (unsent or (there is not None and not there.not_null)):
        yield Expansion(
            name,
            "nullable",
            parts,
            _text("ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL", own, column),
        )


def _constraint(name: str, blue: Catalog, green: Catalog) -> Iterable[Expansion]:
    definition = blue.constraints.get(name)
    if definition is None or name in green.constraints:
        return
    table, _, constraint = name.rpartition(".")
    own, named = _id(table), sql.Identifier(constraint)
    again = ""
    if definition.startswith(("CHECK", "FOREIGN KEY")):
        unproved = (
            definition if "NOT VALID" in definition else f"{definition} NOT VALID"
        )
        again = _text(
            "ALTER TABLE {} ADD CONSTRAINT {} {}", own, named, verbatim(unproved)
        )
    yield Expansion(
        name,
        "constraint",
        (*table.split(".", 1), constraint),
        _text("ALTER TABLE {} DROP CONSTRAINT {}", own, named),
        again,
    )


def _index(name: str, blue: Catalog, green: Catalog) -> Iterable[Expansion]:
    if name not in blue.indexes or name in green.indexes:
        return
    table, _, index = name.rpartition(".")
    schema = table.split(".", 1)[0]
    yield Expansion(
        name,
        "index",
        (*table.split(".", 1), index),
        _text("DROP INDEX CONCURRENTLY {}", sql.Identifier(schema, index)),
    )


def _id(name: str) -> sql.Identifier:
    return sql.Identifier(*name.split(".", 1))


def _text(form: str, *parts: sql.Composable | str) -> str:
    filled = [sql.Literal(p) if isinstance(p, str) else p for p in parts]
    return verbatim(form).format(*filled).as_string(None)


def run_on_blue(database: Database, statement: str, clock: Clock) -> int:
    """Run one statement with a short lock, again and again; returns the tries it took.

    Clients queue behind a statement that waits for its lock, so each try gives up soon.

    Raises:
        BudgetError: 5002; the lock was never free.
        SqlError: the server refused it.
    """
    with database.connect(lock_timeout=LOCK_WAIT) as own:
        for attempt in range(1, TRIES + 1):
            try:
                with database.translated():
                    own.execute(verbatim(statement))
            except SqlError as error:
                if error.sqlstate not in _STAYED_LOCKED:
                    raise
                clock.sleep(PAUSE_S)
            else:
                return attempt
    raise BudgetError(
        5002,
        f"a lock on {database.side} was never free",
        seen=f"{statement}\nwaited {LOCK_WAIT} for it {TRIES} times",
        wanted="a moment without a long transaction on the table",
        traffic=f"{database.side} serves and nothing has moved",
        hint="end the long transaction (see pg_stat_activity), then run again",
    )


def describe_table(database: Database, relation: Relation) -> str:
    """A table as SQL that the linter can learn it from: types, checks and indexes."""
    columns = ", ".join(
        _text("{} {}", sql.Identifier(c.name), verbatim(c.type))
        for c in relation.columns
    )
    own = sql.Identifier(relation.schema, relation.name)
    lines = [_text("CREATE TABLE {} ({})", own, verbatim(columns))]
    lines += [
        _text(
            "ALTER TABLE {} ADD CONSTRAINT {} {}",
            own,
            sql.Identifier(name),
            verbatim(definition),
        )
        for name, definition in database.rows(
            sql.SQL(
                "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
                " WHERE conrelid = %s::bigint::oid AND contype IN ('c', 'f', 'p', 'u')"
            ),
            (relation.oid,),
        )
    ]
    lines += [
        text
        for (text,) in database.rows(
            sql.SQL(
                "SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i"
                " WHERE i.indrelid = %s::bigint::oid AND NOT EXISTS ("
                "  SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)"
            ),
            (relation.oid,),
        )
    ]
    return ";\n".join(lines) + ";\n"


def estimated_rows(database: Database, relation: Relation) -> int | None:
    """Rows by the planner's statistics; None where nobody counted."""
    rows = database.value(
        sql.SQL("SELECT reltuples::bigint FROM pg_class WHERE oid = %s::bigint::oid"),
        (relation.oid,),
    )
    return int(rows) if rows >= 0 else None

"""Changes to blue that let it take what a migrated green will send back.

Owns deciding the one statement that closes the gap between both catalogs under a name,
and running it with a short lock. All of them touch the catalog alone;
whether that holds for this server is judged by the linter, in `steps/schema_change`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from psycopg import sql

from bluegreen.model.clock import Clock
from bluegreen.model.codes import Code
from bluegreen.model.errors import BudgetError
from bluegreen.postgres.catalog.columns import Column
from bluegreen.postgres.catalog.relations import Relation
from bluegreen.postgres.database import LOCK_NOT_FREE, Database, SqlError
from bluegreen.postgres.quoting import quote_name
from bluegreen.postgres.replication.publication import COLUMN_LISTS_SINCE
from bluegreen.postgres.schema.expansion_catalog import Catalog
from bluegreen.postgres.user_session import verbatim

LOCK_WAIT = "200ms"
"""How long clients of blue may queue behind one try."""

TRIES = 30
PAUSE_S = 1.0

Kind = Literal[
    "column", "type", "nullable", "constraint", "index", "label", "enum", "table"
]


@dataclass(frozen=True, slots=True)
class Expansion:
    """One change to blue.

    Attributes:
        name: what the playbook named.
        kind: what changes; `column`, `enum` and `table` are new on blue.
        parts: schema, table and column, or as many as there are.
        statement: the SQL.
        undo: the SQL that takes it back; empty where nothing could.
    """

    name: str
    kind: Kind
    parts: tuple[str, ...]
    statement: str
    undo: str = ""


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
    if here is None and name in green.labels:
        yield _enum(name, name, green)
    for label in green.labels.get(name, ()) if here is not None else ():
        if label not in (here or ()):
            yield Expansion(
                name,
                "label",
                tuple(name.split(".", 1)),
                _text("ALTER TYPE {} ADD VALUE IF NOT EXISTS {}", _id(name), label),
            )


def _enum(name: str, enum: str, green: Catalog) -> Expansion:
    labels = sql.SQL(", ").join(map(sql.Literal, green.labels[enum]))
    return Expansion(
        name,
        "enum",
        tuple(enum.split(".", 1)),
        _text("CREATE TYPE {} AS ENUM ({})", _id(enum), labels),
        _text("DROP TYPE IF EXISTS {}", _id(enum)),
    )


def _enums_of(
    name: str, columns: Iterable[Column], blue: Catalog, green: Catalog
) -> Iterator[Expansion]:
    """The enums that new columns are of and that blue does not have."""
    types = {column.type.removesuffix("[]") for column in columns}
    for enum in green.labels:
        if enum not in blue.labels and quote_name(*enum.split(".", 1)) in types:
            yield _enum(name, enum, green)


def _table(name: str, blue: Catalog, green: Catalog) -> Iterable[Expansion]:
    """An empty table with green's columns: all may be NULL but the key."""
    relation = green.tables.get(name)
    if relation is None or name in blue.tables:
        return
    key = relation.primary_key or relation.identity_columns
    columns = [column for column in relation.columns if not column.generated]
    yield from _enums_of(name, columns, blue, green)
    lines = [_text("{} {}", sql.Identifier(c.name), verbatim(c.type)) for c in columns]
    if key and relation.replica_identity != "f":
        names = sql.SQL(", ").join(map(sql.Identifier, key))
        lines.append(_text("PRIMARY KEY ({})", names))
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
        yield from _enums_of(name, [there], blue, green)
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


def run_on_blue(
    database: Database, statement: str, clock: Clock, *, tries: int = TRIES
) -> int:
    """Run one statement with a short lock, again and again; returns the tries it took.

    Clients queue behind a statement that waits for its lock, so each try gives up soon.

    Raises:
        BudgetError: 5002; the lock was never free.
        SqlError: the server refused it.
    """
    with database.connect(lock_timeout=LOCK_WAIT) as own:
        for attempt in range(1, tries + 1):
            try:
                with database.translated():
                    own.execute(verbatim(statement))
            except SqlError as error:
                if error.sqlstate not in LOCK_NOT_FREE:
                    raise
                clock.sleep(PAUSE_S)
            else:
                return attempt
    raise BudgetError(
        Code.WAIT_OVER_DEADLINE,
        f"a lock on {database.side} was never free",
        seen=f"{statement}\nwaited {LOCK_WAIT} for it {tries} times",
        wanted="a moment without a long transaction on the table",
        traffic=f"{database.side} serves and nothing has moved",
        hint="end the long transaction (see pg_stat_activity), then run again",
    )

"""Values that mean something on one server only, kept in tables as data.

Owns finding columns with transaction ids, WAL positions and OIDs in them, whatever type
carries those, the types of a database's own that clients know by number, and where the
server's counters stand. What that means for a move is for those who ask.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from psycopg import sql

from bluegreen.postgres.catalog.scope import OURS_OR_SYSTEM
from bluegreen.postgres.database import Database


class Bound(StrEnum):
    """What a column's values are numbers of."""

    TRANSACTION = "transaction ids"
    WAL = "WAL positions"
    OID = "OIDs"
    TYPE = "a type of its own"


BOUND_TYPES = {
    "xid": Bound.TRANSACTION,
    "xid8": Bound.TRANSACTION,
    "pg_snapshot": Bound.TRANSACTION,
    "txid_snapshot": Bound.TRANSACTION,
    "pg_lsn": Bound.WAL,
    "oid": Bound.OID,
}
"""Of pg_catalog. The `reg…` types travel by name, so they are right on both sides."""

_MAKERS = {
    "txid_current": Bound.TRANSACTION,
    "txid_current_if_assigned": Bound.TRANSACTION,
    "txid_snapshot_xmin": Bound.TRANSACTION,
    "txid_snapshot_xmax": Bound.TRANSACTION,
    "pg_current_xact_id": Bound.TRANSACTION,
    "pg_current_xact_id_if_assigned": Bound.TRANSACTION,
    "pg_snapshot_xmin": Bound.TRANSACTION,
    "pg_snapshot_xmax": Bound.TRANSACTION,
    "pg_current_wal_lsn": Bound.WAL,
    "pg_current_wal_insert_lsn": Bound.WAL,
    "pg_current_wal_flush_lsn": Bound.WAL,
}
"""Functions of pg_catalog that make such values, for a default of any type."""


@dataclass(frozen=True, slots=True)
class BoundColumn:
    """A column with such values.

    Attributes:
        table: `schema.table`, a partitioned one for all of its partitions.
        type: name of the type that carries the value, at whatever depth.
        oid: of that type.
        plain: the column is of that very type, no array, domain or composite of it.
    """

    table: str
    column: str
    bound: Bound
    type: str = ""
    oid: int = 0
    plain: bool = True

    @property
    def name(self) -> str:
        """`schema.table.column`."""
        return f"{self.table}.{self.column}"


@dataclass(frozen=True, slots=True)
class Counters:
    """Where a server's counters stand.

    Attributes:
        next_id: of transactions, epochs counted.
        wal: bytes of WAL that were ever written.
    """

    next_id: int = 0
    wal: int = 0


def read_bound_columns(database: Database) -> tuple[BoundColumn, ...]:
    """Columns of plain and partitioned tables, in order of name. Waits for no lock."""
    makers = [(name, str(bound)) for name, bound in _MAKERS.items()]
    found = {
        BoundColumn(table, column, Bound(bound))
        for table, column, bound in database.rows(
            _BY_DEFAULT, ([name for name, _ in makers], [bound for _, bound in makers])
        )
    }
    rows = database.rows(_BY_TYPE, (list(BOUND_TYPES),))
    for table, column, system, name, oid, plain in rows:
        bound = BOUND_TYPES[name] if system else Bound.TYPE
        found.discard(BoundColumn(table, column, bound))
        found.add(BoundColumn(table, column, bound, name, oid, plain))
    return tuple(sorted(found, key=lambda one: (one.name, one.bound, one.type)))


def read_counters(database: Database) -> Counters:
    """The next transaction id and the end of the WAL; a standby has its primary's."""
    return Counters(*database.rows(_COUNTERS)[0])


def of_kind(columns: Iterable[BoundColumn], bound: Bound) -> tuple[BoundColumn, ...]:
    """Those whose values are numbers of that kind."""
    return tuple(one for one in columns if one.bound is bound)


AHEAD = 1_000_000
"""Ids beyond the other side's own, which goes on taking some until the switchover."""


def take_ids(beyond: int) -> str:
    """The statement that takes ids until the next one is beyond; 100,000 a second."""
    return (
        "DO $do$ BEGIN WHILE pg_current_xact_id()::text::bigint < "
        f"{beyond + AHEAD} LOOP COMMIT; END LOOP; END $do$;"
    )


def renumbered(column: BoundColumn) -> str:
    """A query for one side; its answer is an UPDATE for the other, by tables' names."""
    table = sql.Identifier(*column.table.split(".", 1))
    name = sql.Identifier(column.column)
    update = sql.SQL(
        "UPDATE {table} t SET {name} = m.new FROM (VALUES %s) m (old, new)"
        " WHERE t.{name} = m.old"
    ).format(table=table, name=name)
    return (
        sql.SQL(
            "SELECT format({update}, string_agg(format('(%s::oid, %L::regclass::oid)',"
            " c.oid, c.oid::regclass), ', ')) FROM pg_class c"
            " WHERE c.oid IN (SELECT {name} FROM {table});"
        )
        .format(update=sql.Literal(update.as_string(None)), table=table, name=name)
        .as_string(None)
    )


_TABLES = sql.SQL(
    """
    SELECT c.oid, n.nspname || '.' || c.relname AS name
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
        AND c.relpersistence = 'p' AND NOT {}
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
            WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                AND e.objid = c.oid AND e.deptype = 'e')
    """
).format(OURS_OR_SYSTEM)

# A domain, an array, a composite type and a range carry what they are made of.
_BY_TYPE = sql.SQL(
    """
    WITH RECURSIVE tables AS ({tables}), columns AS (
        SELECT t.name, a.attname, a.atttypid
        FROM tables t JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid
        WHERE a.attnum > 0 AND NOT a.attisdropped
    ), reached AS (
        SELECT DISTINCT atttypid AS outer_type, atttypid AS type FROM columns
        UNION
        SELECT r.outer_type, made.type FROM reached r, LATERAL (
            SELECT t.typbasetype FROM pg_catalog.pg_type t
                WHERE t.oid = r.type AND t.typtype = 'd'
            UNION ALL SELECT t.typelem FROM pg_catalog.pg_type t
                WHERE t.oid = r.type AND t.typcategory = 'A' AND t.typelem <> 0
            UNION ALL SELECT a.atttypid FROM pg_catalog.pg_type t
                JOIN pg_catalog.pg_attribute a ON a.attrelid = t.typrelid
                WHERE t.oid = r.type AND t.typtype = 'c'
                    AND a.attnum > 0 AND NOT a.attisdropped
            UNION ALL SELECT g.rngsubtype FROM pg_catalog.pg_range g
                WHERE g.rngtypid = r.type
        ) made (type)
    )
    SELECT c.name, c.attname, n.nspname = 'pg_catalog',
        CASE WHEN n.nspname = 'pg_catalog' THEN t.typname
            ELSE n.nspname || '.' || t.typname END, t.oid::bigint,
        t.oid = c.atttypid
    FROM columns c
    JOIN reached r ON r.outer_type = c.atttypid
    JOIN pg_catalog.pg_type t ON t.oid = r.type
    JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
    WHERE CASE WHEN n.nspname = 'pg_catalog' THEN t.typname = ANY (%s)
        ELSE n.nspname <> 'information_schema' AND t.typtype <> 'd'
            AND t.typcategory <> 'A' END
    """
).format(tables=_TABLES)

# The tree and not its text: to print it, PostgreSQL would lock the table.
_BY_DEFAULT = sql.SQL(
    r"""
    WITH tables AS ({tables}), makers AS (
        SELECT p.oid, m.bound
        FROM unnest(%s::text[], %s::text[]) m (name, bound)
        JOIN pg_catalog.pg_proc p ON p.proname = m.name
            AND p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace
    )
    SELECT DISTINCT t.name, a.attname, m.bound
    FROM tables t
    JOIN pg_catalog.pg_attrdef d ON d.adrelid = t.oid
    JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.adnum
    JOIN makers m ON strpos(d.adbin::text, ':funcid ' || m.oid || ' ') > 0
    """
).format(tables=_TABLES)

_COUNTERS = sql.SQL(
    """
    SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::bigint,
        (CASE WHEN pg_catalog.pg_is_in_recovery()
            THEN coalesce(pg_catalog.pg_last_wal_replay_lsn(), '0/0')
            ELSE pg_catalog.pg_current_wal_lsn() END - '0/0'::pg_lsn)::bigint
    """
)

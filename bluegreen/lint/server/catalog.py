"""What the linter may know of a server: its catalog as SQL, sizes and write rates.

Owns reading them, in one short transaction that can only read; the server writes the
SQL, so the queries are none of `postgres/catalog`. What follows for a migration is for
`lint/`, which takes the SQL as it takes a schema dump. Looking at rows is for
`probes.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from bluegreen.model.codes import Code
from bluegreen.model.errors import ServerRefused, StepError
from bluegreen.model.secret import Secret
from bluegreen.postgres import tls
from bluegreen.postgres.database import Row, SqlError
from bluegreen.postgres.session import CONNECT_TIMEOUT_S

Key = tuple[str, str]
_WHO = "the database of --dsn"
# Even on ten thousand tables the catalog takes a few seconds.
_CATALOG_S = 60


@dataclass(frozen=True, slots=True)
class Served:
    """A catalog as it was read.

    Attributes:
        ddl: statements that would make what is there, as far as the linter asks.
        rows: estimates by schema and table; of a partitioned table, of all partitions.
        writes: rows written a second since the statistics began.
        invalid: indexes that a failed concurrent build left, by schema and name.
        stable: names of the user's functions that are not volatile.
        volatile: those that are and cannot be inlined.
        timezone: what a session of this user runs with.
        schema: where unqualified names of this user go.
        major: the server's major version.
    """

    ddl: str
    rows: Mapping[Key, int]
    writes: Mapping[Key, float]
    invalid: frozenset[Key]
    stable: frozenset[str]
    volatile: frozenset[str]
    timezone: str
    schema: str
    major: int


@contextmanager
def looking(
    dsn: str, password: Secret | None = None
) -> Iterator[psycopg.Connection[Row]]:
    """A session that cannot write, with search_path and TimeZone as the user has them.

    Raises:
        ServerRefused: 3001, with libpq's words.
    """
    words: dict[str, Any] = {"password": password.reveal()} if password else {}
    words["connect_timeout"] = CONNECT_TIMEOUT_S
    words["client_encoding"] = "UTF8"
    words["application_name"] = "bluegreen lint"
    try:
        given = {**conninfo_to_dict(dsn), **words}
        words = tls.pinned(given, password=password is not None)
        session = psycopg.connect(**words, autocommit=True)
    except psycopg.Error as error:
        raise ServerRefused(
            Code.SERVER_UNREACHABLE,
            f"{_WHO} cannot be reached",
            seen=str(error).strip(),
            wanted="a session that may read the catalog",
            hint="try the same with psql; is the address right, the server up, "
            "the password given by ${env:…}, ${file:…} or pgpass?" + tls.advice(words),
        ) from None
    with session, _refusals():
        session.execute("SET default_transaction_read_only = on")
        yield session


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        if error.sqlstate is None:
            raise StepError(
                Code.SERVER_WENT_AWAY,
                f"the connection to {_WHO} broke",
                seen=str(error).strip(),
                traffic="nothing was changed; lint only reads",
                hint="see that the server is up, then run it again",
            ) from error
        raise SqlError(error, _WHO) from error


@contextmanager
def reading(
    session: psycopg.Connection[Row], most: timedelta, path: str | None = None
) -> Iterator[None]:
    """A transaction that reads, waits for no lock, and ends each statement in time."""
    with session.transaction(force_rollback=True):
        session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        _set(session, "statement_timeout", f"{int(most.total_seconds() * 1000)}ms")
        _set(session, "lock_timeout", "500ms")
        if path is not None:
            _set(session, "search_path", path)
        yield


def _set(session: psycopg.Connection[Row], name: str, value: str) -> None:
    session.execute("SELECT pg_catalog.set_config(%s, %s, true)", (name, value))


def read_served(session: psycopg.Connection[Row]) -> Served:
    """Read the catalog, the sizes and the write rates."""
    with reading(session, timedelta(seconds=_CATALOG_S)):
        zone, schema = session.execute(_SESSION).fetchall()[0]
        _set(session, "search_path", "")
        # The parser's key words are not those of the server.
        _set(session, "quote_all_identifiers", "on")
        major = session.info.server_version // 10_000
        ddl = [line for query in _ddl(major) for (line,) in session.execute(query)]
        sizes = session.execute(_SIZES).fetchall()
        invalid = session.execute(_INVALID).fetchall()
        functions = session.execute(_FUNCTIONS).fetchall()
    return Served(
        ";\n".join(ddl),
        _sums(sizes, 4),
        _sums(sizes, 5),
        frozenset((home, name) for home, name in invalid),
        frozenset(name for name, sort in functions if sort == "calm"),
        frozenset(name for name, sort in functions if sort == "wild"),
        zone,
        schema or "public",
        major,
    )


_SESSION = sql.SQL(
    "SELECT pg_catalog.current_setting('TimeZone'), pg_catalog.current_schema()::text"
)
# Ours, PostgreSQL's own, and what only one session sees.
_USERS = """
    n.nspname NOT IN ('pg_catalog', 'information_schema', 'bluegreen')
    AND n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname NOT LIKE 'pg\\_temp%'
"""

_ENUMS = """
    SELECT pg_catalog.format('CREATE TYPE %I.%I AS ENUM (%s)', n.nspname, t.typname,
        (SELECT pg_catalog.string_agg(pg_catalog.quote_literal(e.enumlabel), ', '
            ORDER BY e.enumsortorder)
        FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid))
    FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
    WHERE t.typtype = 'e' AND {users}
"""
_DOMAINS = """
    SELECT pg_catalog.format('CREATE DOMAIN %I.%I AS %s%s', n.nspname, t.typname,
        pg_catalog.format_type(t.typbasetype, t.typtypmod),
        CASE WHEN t.typnotnull OR EXISTS (SELECT FROM pg_catalog.pg_constraint c
            WHERE c.contypid = t.oid) THEN ' CHECK (true)' ELSE '' END)
    FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
    WHERE t.typtype = 'd' AND {users} ORDER BY t.oid
"""
_TABLES = """
    SELECT pg_catalog.format('CREATE %sTABLE %I.%I (%s)%s',
        CASE WHEN c.relpersistence = 'u' THEN 'UNLOGGED ' ELSE '' END,
        n.nspname, c.relname,
        (SELECT pg_catalog.string_agg(pg_catalog.format('%I %s%s%s%s', a.attname,
            pg_catalog.format_type(a.atttypid, a.atttypmod),
            CASE WHEN a.attcollation <> t.typcollation THEN
                (SELECT pg_catalog.format(' COLLATE %I', l.collname)
                FROM pg_catalog.pg_collation l WHERE l.oid = a.attcollation)
                ELSE '' END,
            CASE WHEN a.attidentity <> '' THEN ' GENERATED BY DEFAULT AS IDENTITY'
                WHEN a.attgenerated = 's' THEN pg_catalog.format(
                    ' GENERATED ALWAYS AS (%s) STORED',
                    pg_catalog.pg_get_expr(d.adbin, d.adrelid))
                WHEN a.attgenerated = 'v' THEN pg_catalog.format(
                    ' GENERATED ALWAYS AS (%s) VIRTUAL',
                    pg_catalog.pg_get_expr(d.adbin, d.adrelid))
                WHEN d.adbin IS NOT NULL THEN
                    ' DEFAULT ' || pg_catalog.pg_get_expr(d.adbin, d.adrelid)
                ELSE '' END,
            CASE WHEN {not_null} THEN ' NOT NULL' ELSE '' END), ', ' ORDER BY a.attnum)
        FROM pg_catalog.pg_attribute a
        JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
        LEFT JOIN pg_catalog.pg_attrdef d
            ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
        CASE WHEN c.relkind = 'p' THEN
            ' PARTITION BY ' || pg_catalog.pg_get_partkeydef(c.oid) ELSE '' END)
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'f') AND {users}
"""
_VIEWS = """
    SELECT pg_catalog.format('CREATE %sVIEW %I.%I AS SELECT %s%s',
        CASE WHEN c.relkind = 'm' THEN 'MATERIALIZED ' ELSE '' END,
        n.nspname, c.relname, coalesce(u.columns, '1'), ' FROM ' || u.tables)
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN LATERAL (
        SELECT pg_catalog.string_agg(DISTINCT pg_catalog.quote_ident(a.attname), ', ')
                AS columns,
            pg_catalog.string_agg(
                DISTINCT pg_catalog.format('%I.%I', nb.nspname, b.relname), ', ')
                AS tables
        FROM pg_catalog.pg_rewrite r
        JOIN pg_catalog.pg_depend d ON d.objid = r.oid
            AND d.classid = 'pg_catalog.pg_rewrite'::regclass
            AND d.refclassid = 'pg_catalog.pg_class'::regclass
        JOIN pg_catalog.pg_class b ON b.oid = d.refobjid AND b.oid <> c.oid
        JOIN pg_catalog.pg_namespace nb ON nb.oid = b.relnamespace
        LEFT JOIN pg_catalog.pg_attribute a
            ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE r.ev_class = c.oid AND b.relkind IN ('r', 'p', 'f', 'v', 'm')
    ) AS u ON true
    WHERE c.relkind IN ('v', 'm') AND {users}
"""
_CONSTRAINTS = """
    SELECT pg_catalog.format('ALTER TABLE ONLY %I.%I ADD CONSTRAINT %I %s',
        n.nspname, c.relname, k.conname, pg_catalog.pg_get_constraintdef(k.oid))
    FROM pg_catalog.pg_constraint k
    JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE {kinds} AND {users}
"""
_INDEXES = """
    SELECT pg_catalog.pg_get_indexdef(i.indexrelid)
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm') AND {users} AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid
        AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x'))
"""
_PARTITIONS = """
    SELECT pg_catalog.format('ALTER TABLE %I.%I ATTACH PARTITION %I.%I %s',
        np.nspname, p.relname, n.nspname, c.relname,
        pg_catalog.pg_get_expr(c.relpartbound, c.oid))
    FROM pg_catalog.pg_inherits i
    JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_class p ON p.oid = i.inhparent
    JOIN pg_catalog.pg_namespace np ON np.oid = p.relnamespace
    WHERE c.relispartition AND c.relkind IN ('r', 'p', 'f') AND {users}
"""
_CONSTRAINED = "k.contype IN ('c', 'f', 'p', 'u', 'x')"


def _ddl(major: int) -> Iterator[sql.SQL]:
    """The queries in an order in which the statements could run.

    Since 18 a NOT NULL is a constraint that may be NOT VALID; before, the column's
    flag tells all.
    """
    not_null, kinds = "a.attnotnull", _CONSTRAINED
    if major >= 18:
        not_null += (
            " AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k"
            " WHERE k.conrelid = a.attrelid AND k.contype = 'n' AND NOT k.convalidated"
            " AND k.conkey = ARRAY[a.attnum])"
        )
        kinds = f"({kinds} OR (k.contype = 'n' AND NOT k.convalidated))"
    things = (_ENUMS, _DOMAINS, _TABLES, _VIEWS, _CONSTRAINTS, _INDEXES)
    for text in (*things, _PARTITIONS):
        filled = text.replace("{users}", _USERS).replace("{kinds}", kinds)
        yield sql.SQL(_literal(filled.replace("{not_null}", not_null)))


def _literal(text: str) -> str:
    """psycopg.sql takes braces for places to fill."""
    return text.replace("{", "{{").replace("}", "}}")


# Nothing here takes a lock on a table, as pg_relation_size() and pg_partition_tree()
# would. NULL where they were not counted: reltuples is -1, or 0 before 14, until
# ANALYZE.
_SIZES = sql.SQL(
    """
    SELECT n.nspname::text, c.relname::text, np.nspname::text, p.relname::text,
        CASE WHEN c.reltuples > 0 THEN c.reltuples::bigint
            WHEN c.relpages > 0 OR s.n_live_tup > 0 THEN s.n_live_tup END,
        (s.n_tup_ins + s.n_tup_upd + s.n_tup_del) / d.seconds
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_stat_all_tables s ON s.relid = c.oid
    LEFT JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.oid AND c.relispartition
    LEFT JOIN pg_catalog.pg_class p ON p.oid = i.inhparent
    LEFT JOIN pg_catalog.pg_namespace np ON np.oid = p.relnamespace
    CROSS JOIN (SELECT greatest(1, extract(epoch FROM pg_catalog.now() - coalesce(
            b.stats_reset, pg_catalog.pg_postmaster_start_time())))::float8 AS seconds
        FROM pg_catalog.pg_stat_database b
        WHERE b.datname = pg_catalog.current_database()) AS d
    WHERE c.relkind IN ('r', 'p', 'm')
        AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'bluegreen')
    """
)


def _sums(rows: Sequence[Row], column: int) -> dict[Key, Any]:
    """A number of each table; partitions count for all that they are part of."""
    parents = {(r[0], r[1]): (r[2], r[3]) for r in rows if r[3] is not None}
    partitioned = set(parents.values())
    found: dict[Key, Any] = {}
    for row in rows:
        key: Key = (row[0], row[1])
        if row[column] is None or key in partitioned:
            continue
        found[key] = row[column]
        while key in parents:
            key = parents[key]
            found[key] = found.get(key, 0) + row[column]
    return found


_INVALID = sql.SQL(
    """
    SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT i.indisvalid AND c.relkind = 'i'
    """
)
# A function in SQL may be inlined into what it says, so its mark alone decides nothing.
_FUNCTIONS = sql.SQL(
    """
    SELECT p.proname::text, CASE
        WHEN pg_catalog.bool_and(p.provolatile <> 'v') THEN 'calm'
        WHEN pg_catalog.bool_or(p.provolatile = 'v' AND l.lanname <> 'sql') THEN 'wild'
        ELSE 'unknown' END
    FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    WHERE p.prokind = 'f' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    GROUP BY 1
    """
)

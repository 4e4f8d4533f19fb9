"""What a statement does to tables, measured on a real server.

Owns the measuring: locks from `pg_locks` within the open transaction, rewrites from
file nodes before and after, scans from the counters of the session's own transaction.
What the linter thinks is for the tests that compare.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psycopg
from psycopg import sql

from bluegreen.lint.effects.effect import Lock
from bluegreen.sql.ops import Name
from tests.kit.databases import Database
from tests.kit.wait import wait_until

_LOCKS = {
    mode: lock
    for lock in Lock
    for mode in ["".join(w.title() for w in lock.name.split("_")) + "Lock"]
}
# Tables as they are called before the statement, which may rename them. Oids below
# 16384 are PostgreSQL's own.
_TABLES = """
    SELECT c.oid::bigint, n.nspname::text, c.relname::text,
        pg_catalog.pg_relation_filenode(c.oid)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm', 'v') AND NOT pg_catalog.starts_with(
        n.nspname, 'pg_') AND n.nspname <> 'information_schema'
"""
_INDEXES = """
    SELECT i.relname::text, x.indrelid::bigint, pg_catalog.pg_relation_filenode(i.oid)
    FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
    WHERE i.relkind = 'i' AND i.oid >= 16384
"""
# The counters also hold what earlier transactions of the session did within the last
# second, so each relation is counted by itself: an index that is replaced takes its own
# count away with it.
_SCANS = """
    SELECT c.oid::bigint, coalesce(x.indrelid, c.oid)::bigint,
        pg_catalog.pg_stat_get_xact_numscans(c.oid)
    FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_index x ON x.indexrelid = c.oid
    WHERE c.relkind IN ('r', 'm', 'i') AND c.oid >= 16384
"""
_HELD = """
    SELECT relation::bigint, mode FROM pg_catalog.pg_locks
    WHERE pid = %s AND locktype = 'relation' AND database = (
        SELECT oid FROM pg_catalog.pg_database
        WHERE datname = pg_catalog.current_database())
"""


@dataclass(frozen=True)
class Measured:
    """What was seen; tables by their names before the statement."""

    locks: dict[str, Lock]
    rewrite: int
    scan: set[str]


class _Shape:
    """Tables, indexes and scan counters at one moment."""

    def __init__(self, session: psycopg.Connection) -> None:
        tables = session.execute(_TABLES).fetchall()
        self.names = {oid: _written(schema, name) for oid, schema, name, _ in tables}
        self.nodes = {oid: node for oid, _, _, node in tables}
        self.indexes = {
            (table, name): node
            for name, table, node in session.execute(_INDEXES).fetchall()
        }
        self.scans = {
            (relation, table): count
            for relation, table, count in session.execute(_SCANS).fetchall()
        }


def _written(schema: str, name: str) -> str:
    """A table's name as the linter prints it."""
    return str(Name("" if schema == "public" else schema, name))


def measure(session: psycopg.Connection, statement: str, timezone: str) -> Measured:
    """Run a statement in a transaction that is rolled back, and look at what it did."""
    with session.transaction(force_rollback=True):
        session.execute("SELECT set_config('timezone', %s, true)", [timezone])
        return measure_within(session, statement)[0]


def measure_within(
    session: psycopg.Connection, statement: str
) -> tuple[Measured, tuple[str, ...]]:
    """Run a statement in the open transaction; also the tables that were there."""
    before = _Shape(session)
    held = _held(session, session.info.backend_pid)
    session.execute(statement.encode())
    locks = _stronger(held, _held(session, session.info.backend_pid))
    found = _compared(before, _Shape(session), locks)
    return found, tuple(before.names.values())


def measure_alone(
    database: Database, statement: str, table: str, mode: str
) -> Measured:
    """The same for what cannot run in a transaction; it does happen.

    A lock held on `table` in `mode` stops it there, and shows what it holds and waits
    for. File nodes show what it wrote again. Its scans cannot be told from others'.
    """
    hold = sql.SQL("LOCK TABLE {} IN {} MODE").format(
        sql.Identifier(table), sql.SQL(mode)
    )
    with (
        database.connect() as looker,
        database.connect() as holder,
        database.connect() as session,
        ThreadPoolExecutor(1) as pool,
    ):
        before = _Shape(looker)
        pid = session.info.backend_pid
        with holder.transaction():
            holder.execute(hold)
            running = pool.submit(session.execute, statement.encode())
            locks = wait_until(
                lambda: _held(looker, pid) if _waits(looker, pid) else None,
                f"{statement} to wait for {table}",
            )
        running.result(timeout=30)
        after = _Shape(looker)
    return _compared(before, after, locks)


def _waits(looker: psycopg.Connection, pid: int) -> bool:
    query = "SELECT FROM pg_catalog.pg_locks WHERE pid = %s AND NOT granted"
    return bool(looker.execute(query, [pid]).fetchall())


def _held(session: psycopg.Connection, pid: int) -> dict[int, Lock]:
    found: dict[int, Lock] = {}
    for oid, mode in session.execute(_HELD, [pid]).fetchall():
        found[oid] = max(found.get(oid, Lock.ACCESS_SHARE), _LOCKS[mode])
    return found


def _stronger(before: dict[int, Lock], after: dict[int, Lock]) -> dict[int, Lock]:
    return {oid: lock for oid, lock in after.items() if before.get(oid) != lock}


def _compared(before: _Shape, after: _Shape, locks: dict[int, Lock]) -> Measured:
    felt = {
        before.names[oid]: lock
        for oid, lock in locks.items()
        if oid in before.names and lock > Lock.ACCESS_SHARE
    }
    heap = any(
        after.nodes.get(oid, node) != node
        for oid, node in before.nodes.items()
        if before.names[oid] in felt
    )
    indexes = any(
        after.indexes.get(key, node) != node for key, node in before.indexes.items()
    )
    scan = {
        before.names[table]
        for (relation, table), count in after.scans.items()
        if table in before.names and count > before.scans.get((relation, table), 0)
    }
    return Measured(felt, 2 if heap else int(indexes), scan)

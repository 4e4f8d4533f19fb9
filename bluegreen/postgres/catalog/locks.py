"""Locks that a transaction of ours holds on tables which others can see.

Owns reading them from pg_locks and which of them stop others. What a statement would
lock is for `lint/`.
"""

from __future__ import annotations

from collections.abc import Mapping

from psycopg import Connection, sql

from bluegreen.postgres.database import Database, Row

# Weakest first. ACCESS SHARE, ROW SHARE and ROW EXCLUSIVE are what any reader or
# writer takes, so they stop nothing but DDL.
TELLING = (
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
)

# Catalogs have OIDs below 16384 (FirstNormalObjectId in transam.h).
_HELD = sql.SQL(
    "SELECT relation::bigint, mode FROM pg_catalog.pg_locks"
    " WHERE pid = pg_catalog.pg_backend_pid() AND locktype = 'relation' AND granted"
    " AND relation >= 16384 AND mode = ANY (%s)"
)

_NAMES = sql.SQL(
    "SELECT c.oid::bigint, n.nspname || '.' || c.relname FROM pg_class c"
    " JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.oid = ANY (%s) AND n.nspname NOT IN ('bluegreen', 'pg_toast')"
)


def held_locks(session: Connection[Row], database: Database) -> dict[str, str]:
    """The strongest telling lock on each relation that this session holds now.

    Names are read by another session: what only this transaction sees, such as a
    table that it made, stops no one.

    Args:
        session: inside a transaction; locks end with it.
        database: the same database, for a look from outside.
    """
    strongest: dict[int, str] = {}
    for oid, mode in session.execute(_HELD, (list(TELLING),)).fetchall():
        strongest[oid] = max(strongest.get(oid, mode), mode, key=TELLING.index)
    if not strongest:
        return {}
    names = database.rows(_NAMES, (list(strongest),))
    return {name: strongest[oid] for oid, name in sorted(names, key=lambda row: row[1])}


def taken_since(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """Locks that are new or stronger than before. Pure."""
    return {name: mode for name, mode in now.items() if before.get(name) != mode}

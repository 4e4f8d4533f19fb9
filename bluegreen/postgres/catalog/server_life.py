"""Which life of a server answers: its system identifier, timeline and role.

Owns reading it. That it is the right database is for `identity.py`; what a change means
is for `steps/monitors/servers.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from bluegreen.postgres.database import Database


@dataclass(frozen=True, slots=True)
class ServerLife:
    """What a failover, a restore or another machine would change.

    Attributes:
        system: the cluster's system identifier.
        timeline: the one that WAL is written on; 0 on a standby. A promotion, and a
            restore to a point in time, raise it.
        identity: the random identity row; empty where our schema is missing.
        in_recovery: it is a standby and takes no writes.
    """

    system: int
    timeline: int
    identity: str
    in_recovery: bool = False


def read_server_life(database: Database) -> ServerLife:
    """Ask the server.

    The timeline is read from the name of the WAL file in use: pg_control_checkpoint()
    tells the former one until the first checkpoint after a promotion.
    """
    system, wal_file, in_recovery = database.rows(_LIFE)[0]
    built = database.value(
        sql.SQL("SELECT to_regclass('bluegreen.identity') IS NOT NULL")
    )
    rows = (
        database.rows(sql.SQL("SELECT id::text FROM bluegreen.identity"))
        if built
        else []
    )
    timeline = int(wal_file[:8], 16) if wal_file else 0
    return ServerLife(system, timeline, rows[0][0] if rows else "", in_recovery)


_LIFE = sql.SQL(
    """
    SELECT s.system_identifier,
        CASE WHEN NOT r.standby THEN pg_walfile_name(pg_current_wal_lsn()) END,
        r.standby
    FROM pg_control_system() s, (SELECT pg_is_in_recovery() AS standby) r
    """
)

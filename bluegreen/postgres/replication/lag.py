"""How far a stream is behind, as the publisher's WAL sender tells it.

Owns the figures for people. Nothing may be decided by them: replay lag read 0 while
2,001 committed rows were not on the other side; proof is a marker row.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from bluegreen.postgres.database import Database


@dataclass(frozen=True, slots=True)
class Lag:
    """Distances in bytes from the publisher's WAL insert position."""

    sent_bytes: int
    write_bytes: int
    flush_bytes: int
    replay_bytes: int


def read_lag(publisher: Database, slot: str) -> Lag | None:
    """Lag of the stream that uses this slot; None while nothing streams.

    pg_stat_replication shows its figures to pg_monitor and superusers only; without
    that right they read as unknown too.
    """
    rows = publisher.rows(
        sql.SQL(
            "SELECT end_at - r.sent_lsn, end_at - r.write_lsn, end_at - r.flush_lsn,"
            " end_at - r.replay_lsn"
            " FROM pg_catalog.pg_stat_replication r"
            " JOIN pg_catalog.pg_replication_slots s ON s.active_pid = r.pid,"
            " pg_catalog.pg_current_wal_insert_lsn() end_at"
            " WHERE s.slot_name = %s AND s.database = current_database()"
        ),
        (slot,),
    )
    if not rows or None in rows[0]:
        return None
    return Lag(*(max(0, int(distance)) for distance in rows[0]))

"""How much WAL a slot of ours keeps on a server, and what stands against it.

Owns reading it. Free disk space cannot be seen by SQL: what is seen is the server's own
limit, how much it leaves, and the size of pg_wal. What that means is for
`steps/monitors/kept_wal.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from bluegreen.postgres.catalog.slots import read_wal_bytes
from bluegreen.postgres.database import Database


@dataclass(frozen=True, slots=True)
class KeptWal:
    """A slot and the WAL behind it, in bytes.

    Attributes:
        slot: its name.
        active: something streams from it now.
        wal_status: `reserved`, `extended`, `unreserved`, `lost`, or empty.
        kept: from its restart position to the end of WAL.
        safe: how much more may be written before the server gives the slot up; None
            where it has no limit (`pg_replication_slots.safe_wal_size`).
        server_limit: `max_slot_wal_keep_size`; None where it has none.
        pg_wal: size of the whole folder; None when our role may not list it.
    """

    slot: str
    active: bool
    wal_status: str
    kept: int
    safe: int | None
    server_limit: int | None
    pg_wal: int | None


def read_kept_wal(database: Database, slot: str) -> KeptWal | None:
    """What a slot keeps; None where there is no such slot."""
    rows = database.rows(_KEPT, (slot,))
    if not rows:
        return None
    active, status, kept, safe, limit_mb = rows[0]
    return KeptWal(
        slot,
        active,
        status,
        kept,
        safe,
        None if limit_mb < 0 else limit_mb * 1024**2,
        read_wal_bytes(database),
    )


_KEPT = sql.SQL(
    """
    SELECT s.active, coalesce(s.wal_status, ''),
        coalesce(pg_wal_lsn_diff(pg_current_wal_insert_lsn(), s.restart_lsn), 0)
            ::bigint,
        s.safe_wal_size,
        (SELECT setting::bigint FROM pg_settings
            WHERE name = 'max_slot_wal_keep_size')
    FROM pg_replication_slots s
    WHERE s.slot_name = %s AND s.database = current_database()
    """
)

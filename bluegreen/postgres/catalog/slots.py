"""Slots, publications, subscriptions, and the places that are left for more.

Owns reading all of them, ours and others' alike; making ours is for its own files.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from bluegreen.postgres.database import Database


@dataclass(frozen=True, slots=True)
class Slot:
    """A replication slot of the server.

    Attributes:
        here: a logical slot of this database.
        wal_status: `reserved`, `extended`, `unreserved`, `lost`, or empty.
        held: bytes of WAL from its restart position to the end; 0 where it has none.
    """

    name: str
    kind: str
    active: bool
    here: bool
    wal_status: str = "reserved"
    held: int = 0


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription of this database, without its connection string."""

    name: str
    enabled: bool
    slot: str


@dataclass(frozen=True, slots=True)
class Streams:
    """What of logical replication a server has, and what is taken.

    Attributes:
        senders: WAL senders that run.
        origins: replication origins that exist.
        logical_workers: apply and table-sync workers that run.
        worker_processes: background workers of every sort that run.
        wal_bytes: size of pg_wal; None when our role may not list it.
    """

    slots: tuple[Slot, ...] = ()
    publications: tuple[str, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    senders: int = 0
    origins: int = 0
    logical_workers: int = 0
    worker_processes: int = 0
    wal_bytes: int | None = None


def read_streams(database: Database) -> Streams:
    """Read it all. Counts of processes need pg_read_all_stats."""
    senders, origins, workers, processes = database.rows(_TAKEN)[0]
    return Streams(
        slots=read_slots(database),
        publications=tuple(name for (name,) in database.rows(_PUBLICATIONS)),
        subscriptions=tuple(
            Subscription(*row) for row in database.rows(_SUBSCRIPTIONS)
        ),
        senders=senders,
        origins=origins,
        logical_workers=workers,
        worker_processes=processes,
        wal_bytes=read_wal_bytes(database),
    )


def read_slots(database: Database) -> tuple[Slot, ...]:
    """All slots of the server, by name."""
    return tuple(Slot(*row) for row in database.rows(_SLOTS))


_SLOTS = sql.SQL(
    """
    SELECT s.slot_name, s.slot_type, s.active,
        coalesce(s.database = pg_catalog.current_database(), false),
        coalesce(s.wal_status, ''),
        coalesce(pg_catalog.pg_wal_lsn_diff(
            CASE WHEN pg_catalog.pg_is_in_recovery()
                THEN pg_catalog.pg_last_wal_replay_lsn()
                ELSE pg_catalog.pg_current_wal_lsn() END,
            s.restart_lsn), 0)::bigint
    FROM pg_catalog.pg_replication_slots s ORDER BY s.slot_name
    """
)

_PUBLICATIONS = sql.SQL("SELECT pubname FROM pg_catalog.pg_publication ORDER BY 1")

_SUBSCRIPTIONS = sql.SQL(
    """
    SELECT s.subname, s.subenabled, coalesce(s.subslotname, '')
    FROM pg_catalog.pg_subscription s
    JOIN pg_catalog.pg_database d ON d.oid = s.subdbid
    WHERE d.datname = pg_catalog.current_database() ORDER BY 1
    """
)

# Every other backend_type is a process that max_worker_processes does not count;
# extensions and parallel queries name theirs as they like.
_TAKEN = sql.SQL(
    """
    SELECT
        (SELECT count(*) FROM pg_catalog.pg_stat_get_wal_senders()),
        (SELECT count(*) FROM pg_catalog.pg_replication_origin),
        count(*) FILTER (WHERE starts_with(backend_type, 'logical replication')
            AND backend_type <> 'logical replication launcher'),
        count(*) FILTER (WHERE backend_type NOT IN ('client backend', 'walsender',
            'walreceiver', 'walwriter', 'checkpointer', 'background writer', 'startup',
            'archiver', 'logger', 'autovacuum launcher', 'autovacuum worker',
            'stats collector', 'walsummarizer', 'slotsync worker', 'io worker',
            'standalone backend'))
    FROM pg_catalog.pg_stat_activity
    """
)


def read_wal_bytes(database: Database) -> int | None:
    """Size of pg_wal; None when our role may not list it."""
    seen = database.value(
        sql.SQL(
            "SELECT pg_catalog.has_function_privilege("
            "'pg_catalog.pg_ls_waldir()', 'EXECUTE')"
        )
    )
    if not seen:
        return None
    return int(
        database.value(
            sql.SQL(
                "SELECT coalesce(sum(size), 0)::bigint FROM pg_catalog.pg_ls_waldir()"
            )
        )
    )

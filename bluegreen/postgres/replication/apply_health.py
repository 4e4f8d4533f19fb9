"""How the apply worker of a subscription fares, as far as SQL shows it.

Owns reading it. The row that an apply error is about stands in the server's log only;
here are the table, the position behind which it stopped, and what it waits for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from psycopg import sql

from bluegreen.postgres.database import Database


@dataclass(frozen=True, slots=True)
class ApplyHealth:
    """A subscription of ours and its apply worker.

    Attributes:
        enabled: whether it is meant to run.
        pid: the apply worker; None while it is down or between restarts.
        worker_age_s: since that worker was started; None without one, or where our role
            may not see it.
        apply_errors: failed applies since the server began to count; None before 15,
            where the server does not count them.
        copy_errors: the same of initial copies.
        conflicts: counts by PostgreSQL's names, those above zero; empty before 18.
        tables: how many tables it knows.
        unready: tables that have not ended their initial copy, `schema.table`.
        position: up to where it has applied, `0/0` before the first change; empty where
            our role may not see it.
        blocked_by: processes that hold a lock that the worker waits for.
        works_on: tables that the worker holds a lock on, `schema.table`.
    """

    enabled: bool
    pid: int | None
    worker_age_s: float | None = None
    apply_errors: int | None = None
    copy_errors: int | None = None
    conflicts: Mapping[str, int] = field(default_factory=dict)
    tables: int = 0
    unready: tuple[str, ...] = ()
    position: str = ""
    blocked_by: tuple[int, ...] = ()
    works_on: tuple[str, ...] = ()


def read_apply_health(subscriber: Database, subscription: str) -> ApplyHealth | None:
    """Read it from the subscriber; None where there is no such subscription."""
    rows = subscriber.rows(_SUBSCRIPTION, (subscription,))
    if not rows:
        return None
    oid, enabled, pid, age, tables, unready = rows[0]
    counts = read_counts(subscriber, oid)
    blocked, works_on = subscriber.rows(_WORKER, (pid, pid))[0] if pid else ((), ())
    return ApplyHealth(
        enabled,
        pid,
        age,
        counts.get("apply_error_count"),
        counts.get("sync_error_count"),
        {k: n for k, n in counts.items() if k.startswith("confl_") and n},
        tables,
        tuple(unready or ()),
        _position(subscriber, oid),
        tuple(blocked),
        tuple(works_on),
    )


# Parallel apply workers (16+) have a leader; column and view differ by version, which
# to_jsonb does not mind.
_SUBSCRIPTION = sql.SQL(
    """
    SELECT s.oid, s.subenabled, w.pid,
        extract(epoch FROM clock_timestamp() - a.backend_start)::float8,
        (SELECT count(*) FROM pg_subscription_rel r WHERE r.srsubid = s.oid),
        (SELECT array_agg(format('%%I.%%I', n.nspname, c.relname)
                ORDER BY n.nspname, c.relname)
            FROM pg_subscription_rel r JOIN pg_class c ON c.oid = r.srrelid
            JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE r.srsubid = s.oid AND r.srsubstate <> 'r')
    FROM pg_subscription s
    LEFT JOIN pg_stat_subscription w ON w.subid = s.oid AND w.pid IS NOT NULL
        AND w.relid IS NULL AND to_jsonb(w) ->> 'leader_pid' IS NULL
    LEFT JOIN pg_stat_activity a ON a.pid = w.pid
    WHERE s.subname = %s
        AND s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    """
)

_WORKER = sql.SQL(
    """
    SELECT pg_blocking_pids(%s),
        ARRAY(SELECT format('%%I.%%I', n.nspname, c.relname) FROM pg_locks l
            JOIN pg_class c ON c.oid = l.relation
            JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE l.pid = %s AND l.locktype = 'relation'
                AND l.mode = 'RowExclusiveLock' AND c.relkind IN ('r', 'p')
                AND n.nspname <> 'pg_catalog' ORDER BY 1)
    """
)


def _position(subscriber: Database, subscription: int) -> str:
    """Of the replication origin; PostgreSQL keeps that to superusers by default."""
    may = subscriber.value(
        sql.SQL(
            "SELECT has_function_privilege("
            "'pg_replication_origin_progress(text, boolean)', 'EXECUTE')"
        )
    )
    if not may:
        return ""
    rows = subscriber.rows(
        sql.SQL(
            "SELECT coalesce(pg_replication_origin_progress(o.roname, false),"
            " '0/0')::text FROM pg_replication_origin o WHERE o.roname = %s"
        ),
        (f"pg_{subscription}",),
    )
    return str(rows[0][0]) if rows else "0/0"


def read_counts(subscriber: Database, subscription: int) -> dict[str, Any]:
    """The row of pg_stat_subscription_stats (since 15), by the names of its columns."""
    known = subscriber.value(
        sql.SQL("SELECT to_regclass('pg_stat_subscription_stats') IS NOT NULL")
    )
    if not known:
        return {}
    rows = subscriber.rows(
        sql.SQL(
            "SELECT to_jsonb(t) FROM pg_stat_subscription_stats t WHERE subid = %s"
        ),
        (subscription,),
    )
    return dict(rows[0][0]) if rows else {"apply_error_count": 0, "sync_error_count": 0}

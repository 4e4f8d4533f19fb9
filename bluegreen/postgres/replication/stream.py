"""One direction of replication: publication, slot, subscription, replication origin.

Owns making, reading, enabling and taking apart these four objects. Which tables travel
is for `publication.py`; when a stream is made or ended is for the steps.

A stream is made again for each move of traffic and never revived: an old slot keeps
WAL, and an old origin stands at an old position.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from psycopg import sql

from bluegreen.model.clock import Clock
from bluegreen.model.codes import Code
from bluegreen.model.errors import BudgetError
from bluegreen.model.lsn import Lsn
from bluegreen.model.side import Side
from bluegreen.postgres.database import Database, SqlError
from bluegreen.postgres.journal.table import run_while_free, run_while_newest
from bluegreen.postgres.replication.quiet_subscription import create_quietly

WORKER_POLL_S = 0.002
"""A terminated apply worker is gone after 2 to 20 ms."""

SLOT_WAIT = "30s"
"""A slot needs every open write transaction to end: 3 to 120 ms when quiet, for ever
when one stays open."""

# Subscriptions and their statistics are seen from every database of a cluster.
_HERE = sql.SQL("(SELECT oid FROM pg_database WHERE datname = current_database())")


@dataclass(frozen=True, slots=True)
class ReplicationStream:
    """Replication from `publisher` to the other side. All objects share one name."""

    playbook: str
    publisher: Side

    @property
    def name(self) -> str:
        """Name of the publication, the slot and the subscription."""
        return f"bluegreen_{self.playbook}_from_{self.publisher}"

    @property
    def subscriber(self) -> Side:
        """The side that the stream goes to."""
        return self.publisher.other


@dataclass(frozen=True, slots=True)
class SlotFacts:
    """A slot as pg_replication_slots shows it.

    Attributes:
        active_pid: the walsender that uses it.
        wal_status: `reserved`, `extended`, `unreserved` or `lost`.
        kept_bytes: how much WAL it keeps.
    """

    active_pid: int | None
    wal_status: str | None
    kept_bytes: int


@dataclass(frozen=True, slots=True)
class SubscriptionFacts:
    """A subscription as the catalog and its workers show it.

    Attributes:
        enabled: whether it is meant to run.
        workers: processes of it that live now.
        apply_pid: its apply worker; None while it is down or between restarts.
        tables: how many tables it knows.
        ready: how many of them finished the initial copy.
        errors: failed applies and copies since it was made; None before 15.
    """

    enabled: bool
    workers: int
    apply_pid: int | None
    tables: int
    ready: int
    errors: int | None

    @property
    def is_ready(self) -> bool:
        """Every table is copied and streams."""
        return self.tables > 0 and self.ready == self.tables


def read_slot(database: Database, name: str) -> SlotFacts | None:
    """The slot, or None where there is none."""
    rows = database.rows(
        sql.SQL(
            "SELECT active_pid, wal_status, coalesce(pg_wal_lsn_diff("
            " pg_current_wal_insert_lsn(), restart_lsn), 0)::bigint"
            " FROM pg_replication_slots"
            " WHERE slot_name = %s AND database = current_database()"
        ),
        (name,),
    )
    return SlotFacts(*rows[0]) if rows else None


def read_subscription(database: Database, name: str) -> SubscriptionFacts | None:
    """The subscription, or None where there is none."""
    rows = database.rows(
        sql.SQL(
            "SELECT s.oid, s.subenabled,"
            " (SELECT count(*) FROM pg_stat_subscription w"
            "   WHERE w.subid = s.oid AND w.pid IS NOT NULL),"
            " (SELECT min(w.pid) FROM pg_stat_subscription w"
            "   WHERE w.subid = s.oid AND w.pid IS NOT NULL AND w.relid IS NULL),"
            " (SELECT count(*) FROM pg_subscription_rel r WHERE r.srsubid = s.oid),"
            " (SELECT count(*) FROM pg_subscription_rel r"
            "   WHERE r.srsubid = s.oid AND r.srsubstate = 'r')"
            " FROM pg_subscription s"
            " WHERE s.subname = %s AND s.subdbid = {}"
        ).format(_HERE),
        (name,),
    )
    if not rows:
        return None
    oid, enabled, workers, pid, tables, ready = rows[0]
    errors = _error_count(database, oid)
    return SubscriptionFacts(enabled, workers, pid, tables, ready, errors)


def _error_count(database: Database, subscription: int) -> int | None:
    known = database.value(
        sql.SQL("SELECT to_regclass('pg_stat_subscription_stats') IS NOT NULL")
    )
    if not known:
        return None
    rows = database.rows(
        sql.SQL(
            "SELECT apply_error_count + sync_error_count"
            " FROM pg_stat_subscription_stats WHERE subid = %s"
        ),
        (subscription,),
    )
    return int(rows[0][0]) if rows else 0


def create_slot(database: Database, name: str) -> None:
    """Make the slot; waits for open write transactions to end.

    Raises:
        SqlError: 57014 when one stayed open.
    """
    with database.connect(statement_timeout=SLOT_WAIT) as own, database.translated():
        own.execute(
            sql.SQL("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')"),
            (name,),
        )


def drop_slot(database: Database, name: str, clock: Clock) -> None:
    """Drop the slot if it is there, ending the walsender that uses it.

    Raises:
        SqlError: 55006 when something takes the slot again and again.
    """
    for attempt in range(50):
        facts = read_slot(database, name)
        if facts is None:
            return
        if facts.active_pid is not None:
            database.rows(
                sql.SQL("SELECT pg_terminate_backend(%s)"), (facts.active_pid,)
            )
        try:
            database.rows(sql.SQL("SELECT pg_drop_replication_slot(%s)"), (name,))
        except SqlError as error:
            if error.sqlstate not in {"55006", "42704"} or attempt == 49:
                raise
            clock.sleep(0.1)


def create_subscription(
    subscriber: Database,
    publisher: Database,
    name: str,
    *,
    copy_data: bool,
    enabled: bool,
) -> None:
    """Make the subscription over a publication and slot of the same name.

    The slot is made before, so that this touches one system and works where both
    databases are on one server. Not `connect = false`: that would need a REFRESH,
    which is refused on a disabled subscription (55000).

    Raises:
        ServerRefused: 3001, the subscriber's server cannot reach the publisher.
        SqlError: the server refused it.
    """
    create_quietly(subscriber, publisher, name, copy_data=copy_data, enabled=enabled)


def drop_subscription(database: Database, name: str, clock: Clock) -> None:
    """Drop the subscription if it is there and leave its slot to `drop_slot`."""
    if read_subscription(database, name) is None:
        return
    stop_stream(database, name, clock=clock, deadline=timedelta(seconds=30))
    with database.transaction() as own:
        identifier = sql.Identifier(name)
        own.execute(
            sql.SQL("ALTER SUBSCRIPTION {} SET (slot_name = NONE)").format(identifier)
        )
        own.execute(sql.SQL("DROP SUBSCRIPTION {}").format(identifier))


def start_stream(database: Database, name: str, *, newest: int | None = None) -> bool:
    """Enable the subscription.

    Args:
        database: the subscriber.
        name: the subscription's.
        newest: number of the record that announced the caller's pause; once a newer
            one was announced nothing is enabled.

    Returns:
        False when there is a newer pause.
    """
    enable = sql.SQL("ALTER SUBSCRIPTION {} ENABLE").format(sql.Identifier(name))
    if newest is not None:
        return run_while_newest(database, enable, newest)
    database.run(enable)
    return True


def stop_stream(
    database: Database,
    name: str,
    *,
    clock: Clock,
    deadline: timedelta,
    while_free: int | None = None,
) -> None:
    """Disable the subscription and wait until its workers are gone.

    DISABLE alone took 321 to 855 ms on 15, where the worker looks once a second; with
    pg_terminate_backend 20 ms. Workers are found by pg_stat_subscription, as the
    backend_type was renamed between versions.

    Args:
        database: the subscriber.
        name: the subscription's.
        clock: time.
        deadline: when the workers must be gone.
        while_free: number of the commit record to come. Once the journal has it, the
            stream stays on: a tool that stood still for minutes must not switch off
            the stream of a move that was backed out of.

    Raises:
        BudgetError: 5001, the number is taken; 5002.
    """
    disable = sql.SQL("ALTER SUBSCRIPTION {} DISABLE").format(sql.Identifier(name))
    if while_free is None:
        database.run(disable)
    elif not run_while_free(database, disable, while_free):
        raise _ended_meanwhile(database, name)
    started = clock.monotonic()
    while _terminate_workers(database, name):
        if clock.monotonic() - started > deadline.total_seconds():
            raise BudgetError(
                Code.WAIT_OVER_DEADLINE,
                f"the apply worker on {database.side} did not stop in time",
                seen=f"subscription {name!r} is disabled and its worker still runs",
                wanted=f"no worker after {deadline.total_seconds():.1f} s",
                hint=f"look for it in pg_stat_subscription on {database.side}",
            )
        clock.sleep(WORKER_POLL_S)


def _ended_meanwhile(database: Database, name: str) -> BudgetError:
    return BudgetError(
        Code.PAUSE_OVER_BUDGET,
        "the pause was ended while the tool stood still",
        seen=f"the journal on {database.side} has the record that ends it; "
        f"subscription {name!r} was left as it is",
        wanted="a commit inside the budget",
        hint="was the tool stopped, or the machine suspended? Run again",
    )


def _terminate_workers(database: Database, name: str) -> int:
    return int(
        database.value(
            sql.SQL(
                "SELECT count(pg_terminate_backend(w.pid)) FROM pg_stat_subscription w"
                " JOIN pg_subscription s ON s.oid = w.subid"
                " WHERE s.subname = %s AND s.subdbid = {} AND w.pid IS NOT NULL"
            ).format(_HERE),
            (name,),
        )
    )


def advance_origin(database: Database, name: str, position: Lsn) -> Lsn:
    """Let the subscription start at `position`, or where it is if that is further.

    Crash-safe, unlike pg_replication_slot_advance, whose slot fell back after a kill.
    The worker must not run (55006). Returns where the origin stands now.
    """
    present = database.value(
        sql.SQL(
            "SELECT coalesce(pg_replication_origin_progress(o.roname, true),"
            " '0/0')::text FROM pg_subscription s"
            " JOIN pg_replication_origin o ON o.roname = 'pg_' || s.oid"
            " WHERE s.subname = %s AND s.subdbid = {}"
        ).format(_HERE),
        (name,),
    )
    wanted = max(position, Lsn.parse(present))
    database.rows(
        sql.SQL(
            "SELECT pg_replication_origin_advance('pg_' || s.oid, %s::pg_lsn)"
            " FROM pg_subscription s WHERE s.subname = %s AND s.subdbid = {}"
        ).format(_HERE),
        (str(wanted), name),
    )
    return wanted

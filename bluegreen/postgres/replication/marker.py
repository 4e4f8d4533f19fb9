"""The marker row: how far one side's stream has come, proved and not computed.

Owns writing a marker on one side and waiting for it on the other. The table is in
every publication of ours.

Lag figures are no proof: `sent_lsn - replay_lsn` read 0 while 2,001 committed rows were
not on the other side, and origin progress never reaches a position when only
unreplicated WAL follows it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from psycopg import sql

from bluegreen.model.clock import Clock
from bluegreen.model.codes import Code
from bluegreen.model.errors import BudgetError
from bluegreen.model.lsn import Lsn
from bluegreen.postgres.database import Database

POLL_S = 0.0005
"""The marker arrives 2 to 14 ms after its commit; a longer poll would show."""

PATIENT_POLL_S = 0.02
"""Outside a pause no client waits for the millisecond."""

LOOK_S = 1.0
"""How often a long wait looks whether it can still end well."""

IN_A_ROW = 2
"""One marker may slip through a stream that stalls: an apply worker that had yet to be
started again held up one switchover of ten behind a gate of less."""


@dataclass(frozen=True, slots=True)
class Marker:
    """A marker row and the publisher's WAL insert position right after its commit."""

    id: uuid.UUID
    position: Lsn


def write_marker(database: Database) -> Marker:
    """Commit a marker row, synchronously.

    Behind an asynchronous commit it was seen on the other side after 112 to 422 ms.
    The position is the insert position; a flush position misses commits that were
    acknowledged with synchronous_commit = off.
    """
    marker = uuid.uuid4()
    with database.transaction() as session:
        session.execute(sql.SQL("SET LOCAL synchronous_commit = on"))
        session.execute(
            sql.SQL("INSERT INTO bluegreen.marker (id, publisher) VALUES (%s, %s)"),
            (marker, str(database.side)),
        )
    position = database.value(sql.SQL("SELECT pg_current_wal_insert_lsn()::text"))
    return Marker(marker, Lsn.parse(position))


def has_marker(database: Database, marker: Marker) -> bool:
    """Whether the row has arrived."""
    return bool(
        database.value(
            sql.SQL("SELECT EXISTS (SELECT FROM bluegreen.marker WHERE id = %s)"),
            (marker.id,),
        )
    )


def await_marker(
    database: Database,
    marker: Marker,
    *,
    deadline: timedelta,
    clock: Clock,
    poll_s: float = PATIENT_POLL_S,
) -> float:
    """Wait until the row is there; returns the seconds it took.

    Raises:
        BudgetError: 5002.
    """
    took = _time_to_arrive(database, marker, deadline, clock=clock, poll_s=poll_s)
    if took is None:
        seconds = deadline.total_seconds()
        raise BudgetError(
            Code.WAIT_OVER_DEADLINE,
            f"a marker row did not reach {database.side} in {seconds:.1f} s",
            seen=f"marker {marker.id}, written at {marker.position}, is not there",
            wanted=f"{database.side} follows within {seconds} s",
            hint=f"see the apply worker's error in {database.side}'s log; a long "
            "transaction or DDL on it holds the stream up as well",
        )
    return took


def _time_to_arrive(
    database: Database,
    marker: Marker,
    deadline: timedelta,
    *,
    clock: Clock,
    poll_s: float = PATIENT_POLL_S,
    look: Callable[[], None] | None = None,
) -> float | None:
    """Seconds, or None once the deadline is over."""
    started = looked = clock.monotonic()
    while not has_marker(database, marker):
        now = clock.monotonic()
        if now - started > deadline.total_seconds():
            return None
        if look is not None and now - looked >= LOOK_S:
            looked = now
            look()
        clock.sleep(poll_s)
    return clock.monotonic() - started


def send_marker(
    publisher: Database, subscriber: Database, *, deadline: timedelta, clock: Clock
) -> float:
    """Write a marker on one side and wait for it on the other; returns seconds."""
    return await_marker(
        subscriber, write_marker(publisher), deadline=deadline, clock=clock
    )


def await_low_lag(
    publisher: Database,
    subscriber: Database,
    *,
    max_lag: timedelta,
    deadline: timedelta,
    clock: Clock,
    late: Callable[[], None],
    look: Callable[[], None] | None = None,
) -> float:
    """Send markers until `IN_A_ROW` of them have each arrived within `max_lag`.

    Where one is late, `late` is called once `max_lag` is over, and it goes on until
    the deadline; then `look` is called each second, and what it raises ends the wait.
    Returns the seconds that the last one took.

    Raises:
        BudgetError: 5002.
    """
    started = clock.monotonic()
    in_a_row = 0
    while True:
        marker = write_marker(publisher)
        took = _time_to_arrive(subscriber, marker, max_lag, clock=clock)
        if took is not None:
            in_a_row += 1
            if in_a_row == IN_A_ROW:
                return took
            continue
        in_a_row = 0
        late()
        left = deadline - timedelta(seconds=clock.monotonic() - started)
        _time_to_arrive(subscriber, marker, left, clock=clock, look=look)
        waited = clock.monotonic() - started
        if waited > deadline.total_seconds():
            raise _always_late(subscriber, max_lag, waited)


def _always_late(
    subscriber: Database, max_lag: timedelta, waited: float
) -> BudgetError:
    return BudgetError(
        Code.WAIT_OVER_DEADLINE,
        f"{subscriber.side} does not follow closely enough",
        seen=f"in {waited:.1f} s no {IN_A_ROW} consecutive markers arrived in time",
        wanted=f"each on {subscriber.side} within {max_lag.total_seconds()} s",
        hint=f"see the apply worker's error in {subscriber.side}'s log; a long "
        "transaction or DDL there holds the stream up, and so do more writes than one "
        "worker applies: run again in a quieter hour",
    )


def sweep_markers(database: Database) -> None:
    """Forget markers older than a day; the deletes travel along the stream.

    Heartbeats are for `heartbeat.py` to forget.
    """
    database.run(
        sql.SQL(
            "DELETE FROM bluegreen.marker"
            " WHERE number IS NULL AND at < now() - interval '1 day'"
        )
    )


def newest_marker_age_s(publisher: Database, subscriber: Database) -> float | None:
    """Age of the newest marker that the publisher wrote if the subscriber has it.

    By the publisher's clock. A marker that came from the subscriber proves nothing.
    """
    rows = publisher.rows(
        sql.SQL(
            "SELECT id, extract(epoch FROM clock_timestamp() - at)::float8"
            " FROM bluegreen.marker WHERE publisher = %s AND number IS NULL"
            " ORDER BY at DESC LIMIT 1"
        ),
        (str(publisher.side),),
    )
    if not rows:
        return None
    newest, age = rows[0]
    return float(age) if has_marker(subscriber, Marker(newest, Lsn(0))) else None

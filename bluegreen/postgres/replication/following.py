"""Whether one side keeps up with the other, by a look of some seconds.

Owns telling a stream that is merely busy from one whose apply worker fails again and
again, and changes nothing. One glance cannot: between two failures the worker is there
for a moment. Proof that a certain row has arrived is a marker, in `marker.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from psycopg import sql

from bluegreen.model.clock import Clock
from bluegreen.postgres.database import Database
from bluegreen.postgres.replication.stream import SubscriptionFacts, read_subscription

LONGEST_LOOK = timedelta(seconds=7)
"""A failed worker is started again after `wal_retrieve_retry_interval`, 5 s by
default; a stream in good health confirms a position within 0.2 s."""

_LOOK_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Following:
    """What was seen of a stream.

    Attributes:
        caught_up: the subscriber has confirmed all that the publisher had at the look's
            start.
        stayed_up: one apply worker lived through all of the look.
        errors: failures during the look; None where the server does not count (13, 14).
        seconds: how long the look took.
    """

    caught_up: bool
    stayed_up: bool
    errors: int | None
    seconds: float


def check_following(
    publisher: Database, subscriber: Database, name: str, clock: Clock
) -> Following:
    """Wait until the subscriber confirms where the publisher stands now, or 7 s."""
    started = clock.monotonic()
    position = publisher.value(sql.SQL("SELECT pg_current_wal_flush_lsn()::text"))
    looks = [read_subscription(subscriber, name)]
    while not (done := _has_confirmed(publisher, name, position)):
        if clock.monotonic() - started > LONGEST_LOOK.total_seconds():
            break
        clock.sleep(_LOOK_EVERY_S)
        looks.append(read_subscription(subscriber, name))
    pids = {look.apply_pid if look else None for look in looks}
    return Following(
        caught_up=done,
        stayed_up=len(pids) == 1 and None not in pids,
        errors=_new_errors(looks[0], looks[-1]),
        seconds=clock.monotonic() - started,
    )


def _has_confirmed(publisher: Database, name: str, position: str) -> bool:
    rows = publisher.rows(
        sql.SQL(
            "SELECT confirmed_flush_lsn >= %s::pg_lsn FROM pg_replication_slots"
            " WHERE slot_name = %s AND database = current_database()"
        ),
        (position, name),
    )
    return bool(rows) and rows[0][0] is True


def _new_errors(
    first: SubscriptionFacts | None, last: SubscriptionFacts | None
) -> int | None:
    if first is None or last is None or first.errors is None or last.errors is None:
        return None
    return last.errors - first.errors

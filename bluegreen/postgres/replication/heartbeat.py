"""Heartbeats: markers with consecutive numbers, which prove that no row is missing.

Owns writing one, reading both ends of a stream, and forgetting old ones. What a hole
means is for `steps/monitors/heartbeats.py`; a single marker's way is for `marker.py`.

A slot that is dropped and made again leaves out what was committed in between, without
an error on either side (50 of 65 rows in a trial). A number that never arrives is the
proof. Numbers count up within an epoch, in which one side serves: a heartbeat that the
serving side writes after its fence counts for nothing once traffic has moved.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from bluegreen.model.side import Side
from bluegreen.postgres.database import Database

KEPT = 600
"""Heartbeats behind the last one that arrived: ten minutes, for the rate at which WAL
piles up."""

MOST_LISTED = 5000
"""Numbers that are looked up one by one when a stream is far behind."""

_COUNTS_TRANSACTIONS_SINCE = 140_000

_LEAST_SPAN_S = 5.0
"""A rate over less than this is noise."""


@dataclass(frozen=True, slots=True)
class Beats:
    """Heartbeats of one direction and epoch, as both ends tell of them.

    Attributes:
        publisher: the side that writes them.
        last: the newest number on the publisher; 0 before the first.
        came: the highest number on the subscriber; 0 while none came.
        came_age_s: age of the newest one that came, by the publisher's clock.
        pending: how many have not come and may still be on their way.
        pending_s: age of the oldest of these.
        lost: numbers that cannot come any more, as a later one is there, or the slot
            confirmed a later position. In order.
        lost_s: ages of the first and the last of these.
        recreated: number of the first heartbeat that met the slot with its counters
            back near zero; 0 for none.
        went_back: the subscriber has a number that the publisher does not know.
        copied: the table of markers is past its initial copy.
    """

    publisher: Side
    last: int = 0
    came: int = 0
    came_age_s: float | None = None
    pending: int = 0
    pending_s: float = 0.0
    lost: tuple[int, ...] = ()
    lost_s: tuple[float, float] = (0.0, 0.0)
    recreated: int = 0
    went_back: bool = False
    copied: bool = True


def write_beat(publisher: Database, slot: str) -> bool:
    """Commit the next heartbeat; False when another process wrote it just then.

    Flushed here and not waited for on a standby, which may be away. The number is the
    last one and one more, so that one that was rolled back leaves no hole. The row
    carries what the slot looked like: how much WAL it keeps, how many transactions
    were decoded from it, and since when the server counts.
    """
    counts = publisher.session.info.server_version >= _COUNTS_TRANSACTIONS_SINCE
    with publisher.transaction() as session:
        session.execute(sql.SQL("SET LOCAL synchronous_commit = local"))
        done = session.execute(
            _WRITE.format(sql.SQL(_COUNTED if counts else "NULL, NULL")),
            {"publisher": str(publisher.side), "slot": slot},
        )
        return done.rowcount == 1


# pg_stat_replication_slots starts at zero when a slot is made. Its own reset shows in
# stats_reset, a crash of the server in that of pg_stat_bgwriter (measured on 14 to 18).
# A slot that we make again ourselves, for a green that is made again, is no surprise.
_COUNTED = """
    (SELECT t.total_txns FROM pg_stat_replication_slots t WHERE t.slot_name = %(slot)s),
    (SELECT concat_ws(' ', b.stats_reset, t.stats_reset,
            (SELECT max(made.seq) FROM bluegreen.journal made
                WHERE made.kind = 'intent' AND made.action LIKE '%%/create_slot'))
        FROM pg_stat_bgwriter b
        LEFT JOIN pg_stat_replication_slots t ON t.slot_name = %(slot)s)
"""

_WRITE = sql.SQL(
    """
    INSERT INTO bluegreen.marker
        (id, publisher, epoch, number, position, kept, decoded, counted_since)
    SELECT gen_random_uuid(), %(publisher)s, j.epoch,
        coalesce((SELECT max(m.number) FROM bluegreen.marker m
            WHERE m.publisher = %(publisher)s AND m.epoch = j.epoch), 0) + 1,
        pg_current_wal_insert_lsn(),
        (SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), s.restart_lsn)::bigint
            FROM pg_replication_slots s
            WHERE s.slot_name = %(slot)s AND s.database = current_database()),
        {}
    FROM (SELECT coalesce((SELECT epoch FROM bluegreen.journal
        ORDER BY seq DESC LIMIT 1), 0) AS epoch) j
    ON CONFLICT (publisher, epoch, number) DO NOTHING
    """
)


def read_beats(
    publisher: Database, subscriber: Database, stream: str, epoch: int
) -> Beats:
    """Read both ends of a stream. `stream` names its slot and its subscription.

    The order is what makes it proof: the subscriber's highest number first, then what
        the
    publisher wrote and the slot confirmed, then what the subscriber lacks of it, and
    last whether the publisher still has those, as old ones are forgotten on both sides.
    """
    key = (str(publisher.side), epoch)
    came = _highest(subscriber, key)
    first, last, confirmed = publisher.rows(_WRITTEN, (stream, *key))[0]
    if last is None:
        return Beats(publisher.side, went_back=came > 0)
    absent = subscriber.rows(_ABSENT, (first, last, *key, MOST_LISTED))
    open_ = publisher.rows(_OPEN, (confirmed, came, *key, [n for (n,) in absent]))
    lost = [(number, age) for number, age, gone in open_ if gone]
    waiting = [age for _, age, gone in open_ if not gone]
    age, recreated = publisher.rows(_HISTORY, (*key, came))[0]
    return Beats(
        publisher.side,
        last=last,
        came=came,
        came_age_s=None if age is None else float(age),
        pending=len(waiting),
        pending_s=max(waiting, default=0.0),
        lost=tuple(number for number, _ in lost),
        lost_s=(lost[0][1], lost[-1][1]) if lost else (0.0, 0.0),
        recreated=int(recreated or 0),
        went_back=came > last,
        copied=_is_copied(subscriber, stream),
    )


def forget_beats(publisher: Database, epoch: int, below: int) -> None:
    """Delete heartbeats under a number, and those of epochs that are over.

    The deletes travel along the stream. Never above a hole: it would be forgotten too.
    """
    publisher.run(
        sql.SQL(
            "DELETE FROM bluegreen.marker WHERE publisher = %s"
            " AND (epoch < %s OR epoch = %s AND number < %s)"
        ),
        (str(publisher.side), epoch, epoch, below),
    )


def _highest(database: Database, key: tuple[str, int]) -> int:
    return int(
        database.value(
            sql.SQL(
                "SELECT coalesce(max(number), 0) FROM bluegreen.marker"
                " WHERE publisher = %s AND epoch = %s"
            ),
            key,
        )
    )


_WRITTEN = sql.SQL(
    """
    SELECT min(m.number), max(m.number),
        (SELECT s.confirmed_flush_lsn::text FROM pg_replication_slots s
            WHERE s.slot_name = %s AND s.database = current_database())
    FROM bluegreen.marker m WHERE m.publisher = %s AND m.epoch = %s
    """
)

_ABSENT = sql.SQL(
    """
    SELECT n FROM generate_series(%s::bigint, %s::bigint) n WHERE NOT EXISTS
        (SELECT FROM bluegreen.marker m
            WHERE m.publisher = %s AND m.epoch = %s AND m.number = n)
    ORDER BY n LIMIT %s
    """
)

# The next heartbeat saw this one, so its position lies behind this one's commit: a
# subscriber that has confirmed that position has received this one. A slot that was
# made again begins as confirmed.
_OPEN = sql.SQL(
    """
    SELECT m.number, extract(epoch FROM clock_timestamp() - m.at)::float8,
        coalesce(n.position <= %s::pg_lsn, false) OR m.number < %s
    FROM bluegreen.marker m
    LEFT JOIN bluegreen.marker n
        ON n.publisher = m.publisher AND n.epoch = m.epoch AND n.number = m.number + 1
    WHERE m.publisher = %s AND m.epoch = %s AND m.number = ANY (%s)
    ORDER BY m.number
    """
)


_HISTORY = sql.SQL(
    """
    WITH beat AS (
        SELECT number, at, counted_since, decoded, lag(decoded) OVER w AS before,
            lag(counted_since) OVER w AS counted_before
        FROM bluegreen.marker WHERE publisher = %s AND epoch = %s
        WINDOW w AS (ORDER BY number)
    )
    SELECT
        (SELECT extract(epoch FROM clock_timestamp() - at)::float8 FROM beat
            WHERE number = %s),
        (SELECT min(number) FROM beat
            WHERE counted_since = counted_before AND decoded < before)
    """
)


def growth_of_kept_wal(publisher: Database, slot: str) -> float | None:
    """Bytes a second by which the WAL behind a slot has grown, by its heartbeats.

    None where there are none of the last hour, or only of this second.
    """
    rows = publisher.rows(_GROWTH, (slot, str(publisher.side)))
    if not rows or rows[0][0] is None or rows[0][1] < _LEAST_SPAN_S:
        return None
    return float(rows[0][0]) / float(rows[0][1])


# A checkpoint moves restart_lsn in leaps, so the longest span there is.
_GROWTH = sql.SQL(
    """
    SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), s.restart_lsn) - m.kept,
        extract(epoch FROM clock_timestamp() - m.at)::float8
    FROM bluegreen.marker m, pg_replication_slots s
    WHERE s.slot_name = %s AND s.database = current_database()
        AND m.publisher = %s AND m.kept IS NOT NULL
        AND m.at > clock_timestamp() - interval '1 hour'
    ORDER BY m.epoch DESC, m.number LIMIT 1
    """
)


def _is_copied(subscriber: Database, subscription: str) -> bool:
    return bool(
        subscriber.value(
            sql.SQL(
                "SELECT EXISTS (SELECT FROM pg_subscription_rel r"
                " JOIN pg_subscription s ON s.oid = r.srsubid"
                " WHERE s.subname = %s AND r.srsubstate = 'r'"
                " AND s.subdbid = (SELECT oid FROM pg_database"
                "   WHERE datname = current_database())"
                " AND r.srrelid = to_regclass('bluegreen.marker'))"
            ),
            (subscription,),
        )
    )

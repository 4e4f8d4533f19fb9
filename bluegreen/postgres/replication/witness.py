"""What would show that a subscriber may have lost rows that it had: its witness.

Owns reading it. A server that is set back to an earlier disk must be started for it, so
its start time tells; a transaction is skipped by an ALTER SUBSCRIPTION, so that row of
the catalog tells. Neither is proof that a row is missing; only comparing rows is. A
failed apply alone is none either: the worker tries it again until it succeeds, and each
lost connection counts as one.
"""

from __future__ import annotations

import hashlib

from psycopg import sql

from bluegreen.model.witness import Witness
from bluegreen.postgres.catalog.server_life import read_server_life
from bluegreen.postgres.database import Database
from bluegreen.postgres.replication.apply_health import read_counts


def read_witness(
    subscriber: Database,
    subscription: str,
    publisher: Database | None = None,
    then: Witness | None = None,
) -> Witness:
    """Ask the server as it is now.

    Args:
        subscriber: the side that follows.
        subscription: its name, and the publication's.
        publisher: asked too for the timelines and for what it sends.
        then: an earlier one, to which this one is to be held: tables that were
            published since are left out.
    """
    both = () if publisher is None else (subscriber, publisher)
    return Witness(
        subscriber.side,
        read_start(subscriber),
        _stream(subscriber, subscription),
        {one.side: read_server_life(one).timeline for one in both},
        "" if publisher is None else _sent(publisher, subscription, then),
    )


def _sent(publisher: Database, name: str, then: Witness | None) -> str:
    """`OID digest`; see `Witness.sent`."""
    rows = publisher.rows(_SENT, (name,))
    up_to = max((row[0] for row in rows), default=0)
    if then is not None and then.sent:
        up_to = int(then.sent.split()[0])
    kept = [row for row in rows if row[0] <= up_to]
    told = (publisher.rows(_PUBLICATION, (name,)), kept)
    return f"{up_to} {hashlib.sha256(repr(told).encode()).hexdigest()[:16]}"


def read_start(database: Database) -> str:
    """When the server was started, in UTC and to the microsecond."""
    return str(
        database.value(
            sql.SQL(
                "SELECT to_char(pg_postmaster_start_time() AT TIME ZONE 'UTC',"
                " 'YYYY-MM-DD HH24:MI:SS.US')"
            )
        )
    )


def _stream(subscriber: Database, subscription: str) -> str:
    """OID, version of the row and errors; see `Witness.stream`."""
    may = subscriber.value(
        sql.SQL("SELECT has_table_privilege('pg_subscription', 'SELECT')")
    )
    rows = subscriber.rows(_ROW if may else _OID, (subscription,))
    if not rows:
        return ""
    [(oid, version)] = rows
    errors = read_counts(subscriber, oid).get("apply_error_count", "-")
    return f"{oid} {version} {errors}"


_ROW = sql.SQL(
    "SELECT s.oid::bigint, s.xmin::text FROM pg_subscription s"
    " WHERE s.subname = %s AND s.subdbid ="
    " (SELECT oid FROM pg_database WHERE datname = current_database())"
)

_OID = sql.SQL(
    "SELECT s.oid::bigint, '-' FROM pg_subscription s"
    " WHERE s.subname = %s AND s.subdbid ="
    " (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def read_route(publisher: Database, subscriber: Database, name: str) -> str:
    """What travels from where on, as a digest: another one is another stream.

    Every table that the publication sends, with columns and row filter, and every table
    that the subscription takes, with the position from which on; and since when the
    subscriber's server runs, as its disk may have been set back for a start.
    """
    sent = (publisher.rows(_PUBLICATION, (name,)), publisher.rows(_SENT, (name,)))
    taken = subscriber.rows(_TAKEN, (name,))
    told = (sent, taken, read_start(subscriber))
    return hashlib.sha256(repr(told).encode()).hexdigest()


_PUBLICATION = sql.SQL(
    "SELECT oid::bigint, pubinsert, pubupdate, pubdelete, pubtruncate"
    " FROM pg_publication WHERE pubname = %s"
)

# Row filters and column lists are there since 15, which to_jsonb does not mind.
_SENT = sql.SQL(
    """
    SELECT r.oid::bigint, r.prrelid::bigint, to_jsonb(r) ->> 'prattrs',
        md5(to_jsonb(r) ->> 'prqual')
    FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
    WHERE p.pubname = %s ORDER BY 1
    """
)

_TAKEN = sql.SQL(
    """
    SELECT r.srrelid::bigint, r.srsubstate::text, r.srsublsn::text
    FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = r.srsubid
    WHERE s.subname = %s AND s.subdbid =
        (SELECT oid FROM pg_database WHERE datname = current_database())
    ORDER BY 1
    """
)

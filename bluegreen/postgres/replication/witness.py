"""What would show that a subscriber may have lost rows that it had: its witness.

Owns reading it. A server that is set back to an earlier disk must be started for it, so
its start time tells; a transaction is skipped by an ALTER SUBSCRIPTION, so that row of
the catalog tells. Neither is proof that a row is missing; only comparing rows is. A
failed apply alone is none either: the worker tries it again until it succeeds, and each
lost connection counts as one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from psycopg import sql

from bluegreen.model.side import Side
from bluegreen.postgres.catalog.server_life import read_server_life
from bluegreen.postgres.database import Database
from bluegreen.postgres.replication.apply_health import read_counts

FOUND_OPEN = "fence found open at"
"""In place of a subscription's version: no version equals it, so rows are compared."""


@dataclass(frozen=True, slots=True)
class Witness:
    """A subscriber at a moment at which it was known to hold every row.

    Attributes:
        side: the subscriber.
        started: when its server was started, as the server says it, in UTC.
        stream: the subscription's OID, the version of its row, which each ALTER
            SUBSCRIPTION changes, and how many changes could not be applied; `-` for
            what cannot be seen.
        timelines: of both servers, by side, where rows were compared: a server that
            failed over before that has nothing to lose by it.
        sent: the publication as it was, and up to which OID its tables count: what was
            added later is no change, what was taken out and put back is one.
    """

    side: Side
    started: str
    stream: str
    timelines: Mapping[str, int] = field(default_factory=dict)
    sent: str = ""

    def as_body(self) -> dict[str, Any]:
        """For a record of the journal."""
        body = {"side": str(self.side), "started": self.started, "stream": self.stream}
        return {**body, "timelines": dict(self.timelines), "sent": self.sent}

    def is_same_stream(self, now: Witness) -> bool:
        """Whether nothing can have been skipped since.

        A transaction is skipped after it failed, by altering the subscription. A lost
        connection counts as a failure too, and a move that is backed out alters it:
        only both together are a doubt.
        """
        then, now_ = self.stream.split(), now.stream.split()
        if len(then) != len(now_) or then[:1] != now_[:1]:
            return False
        altered = [one != other for one, other in zip(then[1:], now_[1:], strict=True)]
        seen = [
            changed
            for changed, text in zip(altered, now_[1:], strict=True)
            if text != "-"
        ]
        return not (seen and all(seen))

    def is_same_sent(self, now: Witness) -> bool:
        """Whether nothing was left out of the publication meanwhile."""
        return "" in {self.sent, now.sent} or self.sent == now.sent

    def holds(self, now: Witness) -> bool:
        """Whether what was known then still stands."""
        same = (self.side, self.started) == (now.side, now.started)
        timelines = self.timelines in ({}, now.timelines)
        stream = self.is_same_sent(now) and self.is_same_stream(now)
        return same and timelines and stream

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Witness:
        """Back from a record."""
        return cls(
            Side(body["side"]),
            str(body["started"]),
            str(body["stream"]),
            body.get("timelines", {}),
            str(body.get("sent", "")),
        )


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
        {str(one.side): read_server_life(one).timeline for one in both},
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

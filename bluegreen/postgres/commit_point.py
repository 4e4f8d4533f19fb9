"""The commit point: one synchronous transaction that makes a move of traffic a fact.

Owns that transaction. It stores the commit record with the origin position and opens
the side's fence; so "the side is open", "the move is committed" and "everything applied
is on disk" become true together or not at all. Without the synchronous commit a crash
of the server right after the move lost rows that were applied already, 12 times of 12.
"""

from __future__ import annotations

from psycopg import sql
from psycopg.types.json import Jsonb

from bluegreen.model.lsn import Lsn
from bluegreen.model.record import Record
from bluegreen.postgres.database import Database


def commit_move(database: Database, record: Record) -> Lsn:
    """Commit the move on the side that will serve; returns the origin position.

    The forward stream must be stopped before, so that everything it applied lies below
    the position and every write of a client above.

    Raises:
        SqlError: nothing was committed, e.g. 23505 when another writer took the number.
        ServerGoneError: unknown whether it was committed; look for the record.
    """
    with database.transaction() as session:
        session.execute(
            sql.SQL(
                "SET LOCAL synchronous_commit = on; SET LOCAL deadlock_timeout = '10ms'"
            )
        )
        row = session.execute(
            sql.SQL("SELECT bluegreen.commit_move(%s, %s, %s, %s, %s, %s, %s)::text"),
            (
                record.seq,
                str(record.kind),
                record.epoch,
                record.run,
                record.action,
                Jsonb(dict(record.body)),
                record.writer,
            ),
        ).fetchone()
    assert row is not None
    return Lsn.parse(row[0])

"""The commit point: one synchronous transaction that makes a move of traffic a fact.

Owns that transaction. It stores the commit record with the origin position and opens
the side's fence; so "the side is open", "the move is committed" and "everything applied
is on disk" become true together or not at all. Without the synchronous commit a crash
of the server right after the move lost rows that were applied already, 12 times of 12.
"""

from __future__ import annotations

from datetime import datetime

from psycopg import sql
from psycopg.types.json import Jsonb

from bluegreen.model.codes import Code
from bluegreen.model.errors import BudgetError
from bluegreen.model.lsn import Lsn
from bluegreen.model.record import Record
from bluegreen.postgres.database import Database
from bluegreen.postgres.session import wait_briefly_for_locks


def make_ready_to_commit(database: Database) -> None:
    """Open the session and set what makes the commit point quick.

    That it is synchronous is no setting of a session: the function says so itself.
    """
    with database.translated():
        wait_briefly_for_locks(database.session)


def commit_move(database: Database, record: Record, *, before: datetime) -> Lsn:
    """Commit the move on the side that will serve; returns the origin position.

    The forward stream must be stopped before, so that everything it applied lies below
    the position and every write of a client above.

    One statement and its own transaction: there is no second message that a network
    could hold back. `before` is by that server's clock: a statement that was on its way
    for too long fails, so a back-out meanwhile stays right.

    Raises:
        BudgetError: 5001, it came too late; nothing was committed.
        SqlError: nothing was committed, e.g. 23505 when another writer took the number.
        ServerGoneError: unknown whether it was committed; look for the record.
    """
    rows = database.rows(
        sql.SQL(
            "SELECT bluegreen.commit_move(%s, %s, %s, %s, %s, %s, %s, %s)::text"
            " WHERE clock_timestamp() < %s"
        ),
        (
            record.seq,
            str(record.kind),
            record.epoch,
            record.run,
            record.action,
            Jsonb(dict(record.body)),
            record.writer,
            record.follows,
            before,
        ),
    )
    if not rows:
        raise BudgetError(
            Code.PAUSE_OVER_BUDGET,
            f"the commit point reached {database.side} after the pause's budget",
            seen=f"later than {before:%H:%M:%S.%f} by {database.side}'s clock",
            wanted="a commit inside the budget",
            hint="was the tool stopped, or the network slow? Run again",
        )
    return Lsn.parse(rows[0][0])

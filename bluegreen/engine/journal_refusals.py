"""What the journal refuses, in words: an error for each of its laws."""

from __future__ import annotations

from collections.abc import Sequence

from bluegreen.model import bodies
from bluegreen.model.codes import Code
from bluegreen.model.errors import LeaseRefused
from bluegreen.model.history import Move
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.postgres.database import Database


def describe(record: Record) -> str:
    """`7 committed cutover/move (run ab12, epoch 1) by ann@db1 812`, for messages."""
    what = " ".join(part for part in (str(record.kind), record.action) if part)
    return (
        f"{record.seq} {what} (run {record.run}, epoch {record.epoch})"
        f" by {record.writer}"
    )


def in_a_move(move: Move) -> LeaseRefused:
    """An approval while traffic moves."""
    return LeaseRefused(
        Code.LEASE_HELD,
        "a move of traffic is going on",
        seen=f"to {move.to_side}, begun at {move.begun:%Y-%m-%d %H:%M:%S} UTC",
        wanted="an approval before a move or after it",
        hint="look at `bluegreen status`; it is over in seconds",
    )


def disagree(blue: Record, green: Record) -> LeaseRefused:
    """Two sides tell different records under one number."""
    both = f"blue:  {describe(blue)}\ngreen: {describe(green)}"
    for record in (blue, green):
        if record.kind is Kind.BACKED_OUT:
            side = bodies.BackedOut.from_body(record.body).quarantined
            if side is not None:
                return _quarantined(side, both)
    return LeaseRefused(
        Code.JOURNALS_DISAGREE,
        f"the journals disagree from record {blue.seq} on",
        seen=both,
        wanted="the same records, or one side that only lacks the last ones",
        hint="was a side restored from a backup, or did two operators work at once? "
        "Compare both with `SELECT * FROM bluegreen.journal ORDER BY seq`",
    )


def _quarantined(side: Side, both: str) -> LeaseRefused:
    return LeaseRefused(
        Code.JOURNALS_DISAGREE,
        f"{side} was set aside when it could not be reached in the middle of a move",
        seen=both,
        wanted=f"a {side} that holds nothing of that move",
        hint=f"make {side} again, an empty database, then run again",
    )


def gap(number: int, side: str) -> LeaseRefused:
    """A side lacks a record although it has a later one."""
    return LeaseRefused(
        Code.JOURNALS_DISAGREE,
        f"the journal on {side} lacks record {number}",
        seen="a later record is there",
        wanted="records numbered 1, 2, 3 … without a gap",
        hint="was the side restored from a backup? Look at both with "
        "`SELECT * FROM bluegreen.journal ORDER BY seq`",
    )


def another_writer(mine: Record, there: Record | None) -> LeaseRefused:
    """The number of our record was taken."""
    return LeaseRefused(
        Code.LEASE_HELD,
        f"another operator wrote record {mine.seq} of the journal",
        seen=describe(there) if there else "number after number was taken",
        wanted="one operator at a time",
        hint="`bluegreen journal` shows who; wait until that run has ended, "
        "then run again",
    )


def lease_lost(
    database: Database, mine: Record, records: Sequence[Record]
) -> LeaseRefused:
    """A side did not take our record, as the lease is not ours any more."""
    newest = describe(records[-1]) if records else "(nothing)"
    return LeaseRefused(
        Code.LEASE_HELD,
        "the lease is not held any more",
        seen=f"{database.describe()} did not take record {mine.seq}, {mine.kind}, "
        f"from this run\nits newest record: {newest}",
        wanted="this run's session holds the lease on both sides",
        hint="was this process stopped, or the network cut? Another run may have "
        "moved traffic meanwhile: look at `bluegreen status`, then run again",
    )


def not_built(database: Database) -> LeaseRefused:
    """A side has no journal."""
    return LeaseRefused(
        Code.JOURNAL_NOT_WRITABLE,
        f"the journal cannot be written on {database.side}",
        seen=f"{database.describe()} has no table bluegreen.journal",
        wanted="our schema, which `bluegreen run` makes",
        hint="was nothing run yet, was it dropped, or the database made again? "
        "`bluegreen status` tells what stands",
    )

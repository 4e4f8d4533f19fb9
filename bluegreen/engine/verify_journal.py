"""Does the journal still tell what was written? Both copies, record by record.

Owns asking both sides and saying whose copy breaks where. What makes a chain is in
`model/chain.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bluegreen.engine.journal import agreed
from bluegreen.engine.journal_refusals import describe
from bluegreen.model.chain import broken_at, link
from bluegreen.model.codes import Code
from bluegreen.model.errors import LeaseRefused, ServerRefused
from bluegreen.model.history import fold
from bluegreen.model.record import Record
from bluegreen.model.side import Side
from bluegreen.postgres.database import ServerGoneError
from bluegreen.postgres.journal.table import read_records
from bluegreen.steps.world import World


@dataclass(frozen=True, slots=True)
class Chained:
    """Two copies of the journal whose records follow each other.

    Attributes:
        name: the playbook's name.
        blue: how many records blue tells; None for a blue that was let go.
        green: how many green tells.
        head: SHA-256 of the last one. Noted elsewhere, it also shows a journal that was
            cut off, or written again, on both sides.
    """

    name: str
    blue: int | None
    green: int
    head: str


def require_chained(world: World) -> Chained:
    """Hold each copy against itself, then both against each other.

    Raises:
        LeaseRefused: 8005 a record does not follow the one before it; 8002 the copies
            differ.
        ServerRefused: 3001, a side cannot be reached.
    """
    green = read_records(world.green)
    blue = _of_blue(world, green)
    for side, told in ((Side.BLUE, blue), (Side.GREEN, green)):
        at = broken_at(told or ())
        if told and at is not None:
            raise _broken(side, told, at)
    known = green if blue is None else blue
    records = agreed(known, green, world.blue, world.green)[2]
    count = None if blue is None else len(blue)
    return Chained(world.name, count, len(green), link(records))


def _of_blue(world: World, green: Sequence[Record]) -> Sequence[Record] | None:
    try:
        return read_records(world.blue)
    except (ServerGoneError, ServerRefused):
        if not fold(green).released:
            raise
        return None


def _broken(side: Side, told: Sequence[Record], at: int) -> LeaseRefused:
    numbers = [record.seq for record in told]
    place = numbers.index(at)
    before = describe(told[place - 1]) if place else "(nothing)"
    return LeaseRefused(
        Code.JOURNAL_CHANGED,
        f"the journal on {side} is not what was written: record {at} does not follow "
        "the one before it",
        seen=f"before: {before}\nthen:   {describe(told[place])}",
        wanted="each record carries the SHA-256 of the one before it",
        hint="someone edited it, took a record out or put one in. Compare both sides "
        "by `SELECT * FROM bluegreen.journal ORDER BY seq`, and keep both tables",
    )

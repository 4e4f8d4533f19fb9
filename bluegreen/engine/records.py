"""Reading both journals on from where one stood.

Owns what was read already, and noticing that a side no longer has it. The SQL is in
`postgres/journal/table.py`; whether two journals agree is `journal.agree`'s to say.

A journal grows for as long as the two databases live, and one run looks at it hundreds
of times. So each look reads the last record that is known, and what came after it. As
each record carries the digest of the one before, a side whose last known record is
still the same has the same beginning; one that went back is read as a whole again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bluegreen.model.history import Records
from bluegreen.model.record import Record
from bluegreen.model.side import Side
from bluegreen.postgres.database import Database
from bluegreen.postgres.journal.table import read_records


class Agree(Protocol):
    """Says which of two journals holds; `journal.agree`."""

    def __call__(
        self, blue: Sequence[Record], green: Sequence[Record], known: int = 0
    ) -> Sequence[Record]:
        """The longer one; `known` records at the beginning are alike."""
        ...


class Twins:
    """What each side told when it was asked last.

    Args:
        agree: says which of two journals holds, or raises.

    Attributes:
        told: what each side told.
    """

    def __init__(self, agree: Agree) -> None:
        self._agree = agree
        self.told = {side: Records() for side in Side}
        self._alike: tuple[Record, Record, int] | None = None

    def read(self, database: Database) -> Records:
        """All that this side tells now.

        Raises:
            StepError: the side went away.
            ServerRefused: it cannot be reached.
        """
        told = read_on(database, self.told[database.side])
        self.told[database.side] = told
        return told

    def agreed(
        self, blue: Sequence[Record], green: Sequence[Record]
    ) -> Sequence[Record]:
        """The longer of two journals, where only what is new is compared.

        Raises:
            LeaseRefused: 8002; the journals disagree.
        """
        records = self._agree(blue, green, self._known(blue, green))
        if count := min(len(blue), len(green)):
            self._alike = blue[count - 1], green[count - 1], count
        return records

    def _known(self, blue: Sequence[Record], green: Sequence[Record]) -> int:
        """How many records are the very same that were compared before."""
        if self._alike is None:
            return 0
        here, there, count = self._alike
        if min(len(blue), len(green)) < count:
            return 0
        same = blue[count - 1] is here and green[count - 1] is there
        return count if same else 0


def read_on(database: Database, known: Records) -> Records:
    """What this side holds now, of which `known` was the beginning."""
    if not known:
        return Records(read_records(database))
    found = read_records(database, known[-1].seq - 1)
    if found[:1] != known[-1:]:
        return Records(read_records(database))
    return known.followed_by(found[1:]) if len(found) > 1 else known

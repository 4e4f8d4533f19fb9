"""What a statement locks, rewrites and scans, as data.

Every row was measured on PostgreSQL 13 to 18, and a test measures them again. `ROWS`
holds the statements with one answer; those whose answer hangs on the details are in
`of_operations.py`. Judging an effect is for the rules.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from bluegreen.sql.ops import Kind, Name


class Lock(IntEnum):
    """Table locks, weakest first, with the numbers of PostgreSQL's `lockdefs.h`."""

    ACCESS_SHARE = 1
    ROW_SHARE = 2
    ROW_EXCLUSIVE = 3
    SHARE_UPDATE_EXCLUSIVE = 4
    SHARE = 5
    SHARE_ROW_EXCLUSIVE = 6
    EXCLUSIVE = 7
    ACCESS_EXCLUSIVE = 8

    def __str__(self) -> str:
        return self.name.replace("_", " ")

    @property
    def blocks(self) -> str:
        """What other sessions cannot do meanwhile: reads, writes, or neither."""
        if self is Lock.ACCESS_EXCLUSIVE:
            return "reads and writes"
        return "writes" if self >= Lock.SHARE else ""


class Rewrite(IntEnum):
    """What is written again."""

    NONE = 0
    INDEXES = 1
    HEAP = 2

    def __str__(self) -> str:
        return ("no rewrite", "index rebuild", "table rewrite")[self]


class Effect(NamedTuple):
    """What one op does to other sessions and to the disk.

    Attributes:
        locks: tables and the strongest lock that each gets, to the end of the
            transaction.
        scan: tables read from end to end under those locks.
        sure: false where it hangs on something unknown, and the worst was taken.
        why: what decided, in words; empty where the statement alone does.
    """

    locks: tuple[tuple[Name, Lock], ...] = ()
    rewrite: Rewrite = Rewrite.NONE
    scan: tuple[Name, ...] = ()
    sure: bool = True
    why: str = ""

    def lock_on(self, name: Name) -> Lock | None:
        """The lock that a table gets."""
        return next((lock for table, lock in self.locks if table.key == name.key), None)

    def __str__(self) -> str:
        parts = [f"{lock} on {table}" for table, lock in self.locks]
        if self.rewrite:
            parts.append(str(self.rewrite))
        if self.scan:
            parts.append("scan of " + ", ".join(map(str, self.scan)))
        text = "; ".join(parts) or "no lock on a table"
        return text if self.sure else f"{text} (at worst)"


NO_EFFECT = Effect()
AX = Lock.ACCESS_EXCLUSIVE
SRX = Lock.SHARE_ROW_EXCLUSIVE
S = Lock.SHARE
SUX = Lock.SHARE_UPDATE_EXCLUSIVE
X = Lock.EXCLUSIVE
RS = Lock.ROW_SHARE
RX = Lock.ROW_EXCLUSIVE

# kind: (lock on the table, rewrite, whether it is scanned)
ROWS: dict[Kind, tuple[Lock, Rewrite, bool]] = {
    Kind.SET_DEFAULT: (AX, Rewrite.NONE, False),
    Kind.DROP_DEFAULT: (AX, Rewrite.NONE, False),
    Kind.DROP_NOT_NULL: (AX, Rewrite.NONE, False),
    Kind.SET_EXPRESSION: (AX, Rewrite.HEAP, True),
    Kind.DROP_EXPRESSION: (AX, Rewrite.NONE, False),
    Kind.ADD_IDENTITY: (AX, Rewrite.NONE, False),
    Kind.ALTER_IDENTITY: (AX, Rewrite.NONE, False),
    Kind.REPLICA_IDENTITY: (AX, Rewrite.NONE, False),
    Kind.SET_ACCESS_METHOD: (AX, Rewrite.HEAP, True),
    Kind.SET_STORAGE: (AX, Rewrite.NONE, False),
    Kind.TRIGGER_STATE: (SRX, Rewrite.NONE, False),
    Kind.ROW_SECURITY: (AX, Rewrite.NONE, False),
    Kind.ALTER_TABLE_OTHER: (AX, Rewrite.NONE, False),
    Kind.CREATE_TRIGGER: (SRX, Rewrite.NONE, False),
    Kind.CREATE_RULE: (AX, Rewrite.NONE, False),
    Kind.CREATE_POLICY: (AX, Rewrite.NONE, False),
    Kind.CLUSTER: (AX, Rewrite.HEAP, True),
    Kind.ANALYZE: (SUX, Rewrite.NONE, False),
    Kind.CREATE_STATISTICS: (SUX, Rewrite.NONE, False),
    Kind.COMMENT: (SUX, Rewrite.NONE, False),
    Kind.PUBLICATION: (SUX, Rewrite.NONE, False),
    Kind.INSERT: (RX, Rewrite.NONE, False),
    Kind.UPDATE: (RX, Rewrite.NONE, False),
    Kind.DELETE: (RX, Rewrite.NONE, False),
    Kind.MERGE: (RX, Rewrite.NONE, False),
    Kind.COPY_IN: (RX, Rewrite.NONE, False),
}

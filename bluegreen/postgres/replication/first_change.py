"""The transaction that a subscriber does not get past, read where it comes from.

Owns peeking at a publisher's slot and reading pgoutput's messages, of the protocol's
first version. A peek moves nothing, but holds the slot for its time, so it is for a
stream whose apply worker does not run. PostgreSQL tells the row of an apply error to
the subscriber's log alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from psycopg import sql

from bluegreen.model.clock import Clock
from bluegreen.model.lsn import Lsn
from bluegreen.postgres.database import Database, SqlError

_IN_USE = "55006"
_MOST_CHANGES = 1000
_TRIES = 20
_TRY_EVERY_S = 0.25
PEEKED_FOR = timedelta(seconds=20)

_OURS = "bluegreen"


@dataclass(frozen=True, slots=True)
class Change:
    """One row of the transaction.

    Attributes:
        what: `INSERT`, `UPDATE`, `DELETE` or `TRUNCATE`.
        table: schema and name.
        values: of the new row, of the key for a DELETE; as text. Values that were not
            sent are left out.
        key: names of the columns of the replica identity.
    """

    what: str
    table: tuple[str, str]
    values: Mapping[str, str | None]
    key: tuple[str, ...]

    @property
    def row(self) -> str:
        """`id=7`."""
        known = [name for name in self.key if name in self.values]
        return ", ".join(f"{name}={self.values[name]}" for name in known)


def read_first_changes(
    publisher: Database, name: str, clock: Clock, after: Lsn
) -> tuple[Change, ...]:
    """Changes of the first transaction behind a position; empty where none is seen.

    Args:
        publisher: the side whose slot it is.
        name: of slot and publication.
        clock: for the moments between which the worker holds the slot itself.
        after: up to where the subscriber has applied.
    """
    for most in (1, _MOST_CHANGES):
        for changes in transactions(_peek(publisher, name, most, clock), after):
            theirs = tuple(one for one in changes if one.table[0] != _OURS)
            if theirs:
                return theirs
    return ()


def _peek(publisher: Database, name: str, most: int, clock: Clock) -> list[bytes]:
    for left in reversed(range(_TRIES)):
        try:
            with publisher.limited(PEEKED_FOR):
                rows = publisher.rows(_PEEK, (name, most, f'"{name}"'))
            return [bytes(row[0]) for row in rows]
        except SqlError as error:
            if error.sqlstate != _IN_USE or not left:
                return []
            clock.sleep(_TRY_EVERY_S)
    return []


_PEEK = sql.SQL(
    "SELECT data FROM pg_catalog.pg_logical_slot_peek_binary_changes("
    "%s, NULL, %s, 'proto_version', '1', 'publication_names', %s)"
)


def transactions(messages: Iterable[bytes], after: Lsn) -> Iterator[list[Change]]:
    """The changes of each transaction that ends behind a position. Pure."""
    relations: dict[int, _Relation] = {}
    changes: list[Change] = []
    for message in messages:
        read = _Reader(message)
        match read.take(1):
            case b"B":
                changes = []
            case b"R":
                oid, relation = _relation(read)
                relations[oid] = relation
            case b"I" | b"U" | b"D" as kind:
                changes.append(_change(kind, read, relations))
            case b"T":
                count, _ = read.number(4), read.take(1)
                tables = [relations[read.number(4)] for _ in range(count)]
                changes += [Change("TRUNCATE", t.table, {}, ()) for t in tables]
            case b"C":
                read.take(9)
                if read.number(8) > after.bytes:
                    yield changes


@dataclass(frozen=True, slots=True)
class _Relation:
    table: tuple[str, str]
    columns: tuple[str, ...]
    key: tuple[str, ...]


class _Reader:
    def __init__(self, message: bytes) -> None:
        self._left = message

    def take(self, length: int) -> bytes:
        taken, self._left = self._left[:length], self._left[length:]
        return taken

    def number(self, length: int) -> int:
        return int.from_bytes(self.take(length), "big")

    def name(self) -> str:
        taken, _, self._left = self._left.partition(b"\0")
        return taken.decode(errors="replace")


def _relation(read: _Reader) -> tuple[int, _Relation]:
    oid, schema, name, _ = read.number(4), read.name(), read.name(), read.take(1)
    columns, key = [], []
    for _ in range(read.number(2)):
        flags, column, _ = read.number(1), read.name(), read.take(8)
        columns.append(column)
        key += [column] if flags & 1 else []
    return oid, _Relation((schema or "pg_catalog", name), tuple(columns), tuple(key))


_WHAT = {b"I": "INSERT", b"U": "UPDATE", b"D": "DELETE"}


def _change(kind: bytes, read: _Reader, relations: Mapping[int, _Relation]) -> Change:
    relation = relations[read.number(4)]
    which, values = read.take(1), _values(read, relation.columns)
    if kind == b"U" and which != b"N":
        read.take(1)
        values = _values(read, relation.columns)
    return Change(_WHAT[kind], relation.table, values, relation.key)


def _values(read: _Reader, columns: Iterable[str]) -> dict[str, str | None]:
    read.take(2)
    values: dict[str, str | None] = {}
    for column in columns:
        match read.take(1):
            case b"n":
                values[column] = None
            case b"t":
                values[column] = read.take(read.number(4)).decode(errors="replace")
    return values

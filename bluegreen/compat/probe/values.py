"""Whether values of two sides are one, where the types do not say it: servers do.

Owns the order of the questions. A value that arrived must be what the migration's own
cast makes of the one that was sent, and must still tell what that one was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import psycopg

from bluegreen.compat.probe.conversion import cast_rows, reads_as
from bluegreen.compat.rules.alike import alike, kept_by_reading
from bluegreen.compat.rules.same import Pair, family, form_is_lost, same
from bluegreen.compat.seen import Difference, Image
from bluegreen.compat.stream import Stream
from bluegreen.compat.verdict import Direction
from bluegreen.postgres.catalog.relations import Relation

Held = Callable[[int, str, str | None, str | None], bool]
"""Of the n-th row, a column, what was sent and what is stored: whether it is one."""


def pair_of(stream: Stream, left: Relation, right: Relation, column: str) -> Pair:
    """A shared column's types on both sides, domains resolved."""
    one, two = left.column(column), right.column(column)
    assert one is not None
    assert two is not None
    return Pair(
        stream.sender.base_type(one.plain_type),
        stream.receiver.base_type(two.plain_type),
        stream.zone_of(left.qualified, column),
        stream.direction is Direction.REVERSE,
    )


class ValueLaw:
    """The values of one table, judged with both servers at hand.

    Both sessions are inside transactions and print as values travel, in UTC.
    """

    def __init__(
        self,
        sender: psycopg.Connection,
        receiver: psycopg.Connection,
        stream: Stream,
        tables: tuple[Relation, Relation],
        pairs: Mapping[str, Pair],
        writes: Sequence[str] = (),
    ) -> None:
        self._sender = sender
        self._receiver = receiver
        self._stream = stream
        self._tables = tables
        self._pairs = pairs
        self._written = "\n".join(writes)

    def held(self, rows: Sequence[Image]) -> Held:
        """The test for these rows; all columns of the sender are in them.

        Raises:
            psycopg.Error: the connection broke.
        """
        cast: Sequence[Image] = [{} for _ in rows]
        if self._stream.direction is not Direction.REVERSE:
            cast = cast_rows(self._receiver, self._stream, *self._tables, rows)

        def held(
            number: int, column: str, sent: str | None, stored: str | None
        ) -> bool:
            made = cast[number]
            if sent is None or stored is None or column not in made:
                return self.one_value(column, sent, stored)
            wanted = made[column]
            if not alike(self._pairs[column].receiver, wanted, stored):
                return False
            return self._kept(column, sent, stored)

        return held

    def one_value(self, column: str, sent: str | None, stored: str | None) -> bool:
        """Where no cast is known: as both types print it, or by reading it back.

        Raises:
            psycopg.Error: the connection broke.
        """
        pair = self._pairs[column]
        if sent is None or stored is None:
            return sent is stored
        if same(pair, sent, stored):
            return True
        if form_is_lost(pair, sent):
            return pair.sender == "jsonb" and sent == stored and sent in self._written
        return pair.differ and self._reads_back(column, sent, stored)

    def _kept(self, column: str, sent: str, stored: str) -> bool:
        """Whether a value that is what the cast makes still tells what was sent."""
        pair = self._pairs[column]
        if sent == stored or same(pair, sent, stored) or kept_by_reading(pair, sent):
            return True
        return pair.differ and self._reads_back(column, sent, stored)

    def _reads_back(self, column: str, sent: str, stored: str) -> bool:
        """Whether the sender's type makes the same value of it again."""
        kinds = [table.column(column) for table in self._tables]
        one, two = (kind.type if kind else "" for kind in kinds)
        pair = self._pairs[column]
        if family(pair.sender) == family(pair.receiver) == "stamp":
            return False
        if pair.sender == "inet" and not pair.back:
            return False  # as a cidr it prints a netmask that it had not
        back = reads_as(self._sender, stored, one)
        if back is not None and alike(pair.sender, back, sent):
            return True
        # Text may be written otherwise by a cast; bits read as a number by chance only.
        if family(pair.sender) == "text" or pair.sender.startswith("bit"):
            return False
        if self._stream.direction is Direction.REVERSE:
            return False
        # A type that the migration made is on one side only.
        return any(
            (cast := reads_as(side, stored, one, through=two)) is not None
            and alike(pair.sender, cast, sent)
            for side in (self._receiver, self._sender)
        )


def not_one(
    sender: psycopg.Connection,
    receiver: psycopg.Connection,
    stream: Stream,
    tables: tuple[Relation, Relation],
    pairs: Mapping[str, Pair],
    found: Sequence[Difference],
) -> list[Difference]:
    """Leave out values that the servers themselves read as one, as `::1/128` and `::1`.

    For live servers: what is asked is rolled back.

    Raises:
        psycopg.Error: the connection broke.
    """
    if not any(difference.column for difference in found):
        return list(found)
    law = ValueLaw(sender, receiver, stream, tables, pairs)
    with (
        sender.transaction(force_rollback=True),
        receiver.transaction(force_rollback=True),
    ):
        return [
            one
            for one in found
            if not one.column or not law.one_value(one.column, one.sent, one.stored)
        ]

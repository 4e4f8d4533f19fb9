"""Reads the same tables on both sides and says what is not the same.

Owns which tables and columns are compared and how rows find each other; whether two
values are one is for `compat/rules/same.py`. Whole tables are read: this is for
scratch copies, not for production.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import psycopg
from psycopg import sql

from bluegreen.compat.probe.capture import row_filter, row_image
from bluegreen.compat.probe.values import Held, ValueLaw, pair_of
from bluegreen.compat.rules.same import Pair, same
from bluegreen.compat.seen import Difference, Image
from bluegreen.compat.stream import Stream
from bluegreen.postgres.catalog.relations import Relation
from bluegreen.postgres.catalog.scope import Name


def shared_tables(stream: Stream) -> list[tuple[Relation, Relation]]:
    """Tables of one name on both sides, partitions left to their roots."""
    return [
        (sender, receiver)
        for name, sender in sorted(stream.sender.relations.items())
        if (receiver := stream.receiver.relations.get(name))
        and sender.takes_rows
        and receiver.takes_rows
        and not (sender.is_partition and receiver.is_partition)
    ]


def compared_columns(
    stream: Stream, sender: Relation, receiver: Relation
) -> tuple[str, ...]:
    """Columns that must agree: shared, and stored by the receiver rather than computed.

    A column that a column list leaves out is the user's own loss and is not compared.
    """
    sent = stream.published_as(sender)
    names = []
    for column in sender.columns:
        other = receiver.column(column.name)
        if other is None or other.generated:
            continue
        if sent and column.name not in sent.columns and not column.generated:
            continue
        names.append(column.name)
    return tuple(names)


def compare(
    sender: psycopg.Connection,
    receiver: psycopg.Connection,
    stream: Stream,
    writes: Sequence[str] = (),
) -> list[Difference]:
    """Compare all shared tables, inside the transactions that hold the rehearsal.

    Args:
        sender: the side that sends.
        receiver: the other.
        stream: who sends what to whom.
        writes: what the application wrote, in its own words.

    Raises:
        psycopg.Error: a table could not be read; then nothing is known.
    """
    for session in (sender, receiver):
        session.execute("SET LOCAL TimeZone = 'UTC'")
        read_as_sent(session)
    found: list[Difference] = []
    for left, right in shared_tables(stream):
        columns = compared_columns(stream, left, right)
        if columns:
            pairs = {c: pair_of(stream, left, right, c) for c in columns}
            sent = read_rows(sender, left, [c.name for c in left.columns])
            law = ValueLaw(sender, receiver, stream, (left, right), pairs, writes)
            found += differing_rows(
                sent,
                read_rows(receiver, right, columns),
                left.qualified,
                pairs,
                _key(left, right, columns),
                law.held(sent),
            )
    return found


def read_as_sent(session: psycopg.Connection) -> None:
    """Take on a walsender's settings, whatever the database or its role has set.

    So that values have the text that travels (`libpqrcv_connect`).
    """
    session.execute("SET LOCAL DateStyle = 'ISO'")
    session.execute("SET LOCAL IntervalStyle = 'postgres'")
    session.execute("SET LOCAL extra_float_digits = 3")


def read_as_set(session: psycopg.Connection) -> None:
    """Go back to the settings of the database, which decide how texts are read."""
    for name in ("TimeZone", "DateStyle", "IntervalStyle", "extra_float_digits"):
        session.execute(sql.SQL("SET LOCAL {} TO DEFAULT").format(sql.Identifier(name)))


def read_rows(
    session: psycopg.Connection,
    table: Relation,
    columns: Sequence[str],
    filtered: str = "",
) -> list[Image]:
    """Rows of a table, without its inheritance children, as texts.

    All of them, or those that a publication's row filter lets through.
    """
    name = sql.Identifier(*table.qualified)
    source = name if table.kind == "partitioned" else sql.SQL("ONLY {}").format(name)
    row = sql.SQL("bluegreen_row")
    query = sql.SQL("SELECT {} FROM {} bluegreen_row WHERE {}").format(
        row_image(row, columns), source, row_filter(row, filtered)
    )
    return [
        dict(zip(columns, texts, strict=True))
        for (texts,) in session.execute(query).fetchall()
    ]


def _key(left: Relation, right: Relation, columns: Sequence[str]) -> tuple[str, ...]:
    """The first primary key, or unique index, whose columns are all compared."""
    for relation in (left, right):
        for index in sorted(relation.indexes, key=lambda i: not i.primary):
            names = tuple(c for c in index.columns if c)
            whole = (
                index.unique and not index.partial and len(names) == len(index.columns)
            )
            if whole and set(names) <= set(columns):
                return names
    return ()


def differing_rows(
    sent: list[Image],
    stored: list[Image],
    table: Name,
    pairs: Mapping[str, Pair],
    key: tuple[str, ...],
    held: Held | None = None,
) -> Iterator[Difference]:
    """Hold the rows of both sides against each other, by key or as whole rows.

    `held` says of a column of the n-th row sent whether both values are one; without
    it their texts and types alone do.
    """
    held = held or (lambda _, column, one, two: same(pairs[column], one, two))
    if not key:
        key = _natural_key(sent, stored, tuple(pairs))
    rest = _Rest(stored, pairs, key)
    for number, row in enumerate(sent):
        twin = rest.take(row)
        label = ", ".join(f"{c}={row[c]}" for c in key)
        if twin is None:
            yield Difference(table, "", label, "a row", None)
            continue
        for column in pairs:
            if not held(number, column, row[column], twin[column]):
                yield Difference(table, column, label, row[column], twin[column])
    for row in rest.left():
        label = ", ".join(f"{c}={row[c]}" for c in key)
        yield Difference(table, "", label, None, "a row")


def _natural_key(
    sent: list[Image], stored: list[Image], columns: tuple[str, ...]
) -> tuple[str, ...]:
    """A column that happens to be unique on both sides, else the whole row."""
    for column in columns:
        texts = [[row[column] for row in rows] for rows in (sent, stored)]
        if all(len(set(t)) == len(t) and None not in t for t in texts):
            return (column,)
    return columns


class _Rest:
    """Rows of the receiver that no row of the sender has been held against yet.

    Looked up by the key's texts first: a walk over all rows for each row would take
    minutes from some thousand rows on.
    """

    def __init__(
        self, rows: list[Image], pairs: Mapping[str, Pair], key: tuple[str, ...]
    ) -> None:
        self._pairs = pairs
        self._key = key
        self._rows = dict(enumerate(rows))
        self._places: dict[tuple[str | None, ...], list[int]] = {}
        for place, row in self._rows.items():
            self._places.setdefault(self._texts(row), []).append(place)
        self._by_text_only = not any(map(_has_other_texts, (pairs[c] for c in key)))

    def take(self, row: Image) -> Image | None:
        """The first row with the same key, which is then no longer here."""
        places = self._places.get(self._texts(row), [])
        for place in (*places, *(() if self._by_text_only else self._rows)):
            other = self._rows.get(place)
            if other is not None and self._alike(row, other):
                del self._rows[place]
                return other
        return None

    def left(self) -> list[Image]:
        """What was not taken."""
        return list(self._rows.values())

    def _texts(self, row: Image) -> tuple[str | None, ...]:
        return tuple(row[c] for c in self._key)

    def _alike(self, row: Image, other: Image) -> bool:
        return all(same(self._pairs[c], row[c], other[c]) for c in self._key)


def _has_other_texts(pair: Pair) -> bool:
    """Whether one value may have two texts: `1.0` and `1.00`, `ab` and `ab  `."""
    return pair.differ or pair.receiver.removesuffix("[]") in {"numeric", "character"}

"""Sees in rows what a migration filled and what nothing fills from then on.

Owns columns of the receiving side alone: those that hold values on a live pair, and
those of a scratch copy that rows then come without. Loops, functions and dynamic SQL
that no text tells of show here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import psycopg
from psycopg import sql

from bluegreen.compat.catalog import shown
from bluegreen.compat.rules import apply as laws
from bluegreen.compat.seen import Harm
from bluegreen.compat.stream import Stream
from bluegreen.compat.verdict import Direction
from bluegreen.postgres.catalog.columns import Column
from bluegreen.postgres.catalog.relations import Relation
from bluegreen.postgres.catalog.scope import Name

Filled = tuple[Name, str]

LOOKED_AT = 1_000
"""The oldest rows of a table by its key: those that a migration found."""


def left_behind(
    receiver: psycopg.Connection, stream: Stream, spared: Collection[str] = ()
) -> Iterator[Harm]:
    """Columns of the receiver alone that hold differing values, which no stream sends.

    Only a migration can have written them while no client writes there. A table with a
    row trigger that fires on apply may fill them, and is left to the trial writes.

    Args:
        receiver: only read, some rows of each such table.
        stream: who sends what to whom; forward.
        spared: columns, `schema.table.column`, that triggers keep in step.

    Raises:
        psycopg.Error: a table could not be read in time.
    """
    for name, column in _own_columns(stream):
        table = stream.receiver.relations[name]
        filling = any(t.fires_on_apply and t.row for t in table.triggers)
        place = f"{shown(name)}.{column.name}"
        known = stream.sender.relations[name].column(column.name)
        if filling or known is not None or place in spared:
            continue
        values = _oldest_values(receiver, table, column.name)
        if values > 1:
            why = (
                f"{column.name} holds values that the migration made, and rows that "
                "come from now on are without"
            )
            yield Harm("derived-stale", name, why)


def _oldest_values(session: psycopg.Connection, table: Relation, column: str) -> int:
    """How many differing values the oldest rows hold; 0 for a table without a key."""
    key = table.primary
    names = [name for name in key.columns if name] if key else []
    if not names:
        return 0
    query = sql.SQL(
        "SELECT pg_catalog.count(DISTINCT o.value) FROM (SELECT t.{c}::text AS value"
        " FROM {table} t ORDER BY {key} LIMIT {most}) o"
    ).format(
        c=sql.Identifier(column),
        table=sql.Identifier(*table.qualified),
        key=sql.SQL(", ").join(sql.Identifier("t", name) for name in names),
        most=LOOKED_AT,
    )
    row = session.execute(query).fetchone()
    return int(row[0]) if row else 0


def filled_columns(
    sender: psycopg.Connection, receiver: psycopg.Connection, stream: Stream
) -> list[Filled]:
    """Columns that are not sent, fill themselves by nothing and hold differing values.

    Only those that the sender has never had: one that it has dropped has a number in
    both tables.

    Raises:
        psycopg.Error: a table could not be read.
    """
    return [
        (table, column.name)
        for table, column in _own_columns(stream)
        if column.position > _numbers(sender, stream, table)
        and _holds_differing(receiver, table, column.name)
    ]


def no_longer_filled(
    session: psycopg.Connection, filled: Sequence[Filled]
) -> Iterator[Harm]:
    """Those that rows have come without.

    Raises:
        psycopg.Error: a table could not be read.
    """
    for table, column in filled:
        empty, _ = _counted(session, table, column)
        if empty:
            why = f"{column} was filled for all rows, and {empty} have come without it"
            yield Harm("derived-stale", table, why)


def _numbers(session: psycopg.Connection, stream: Stream, table: Name) -> int:
    """How many columns a table of the sender has had, dropped ones too."""
    query = "SELECT relnatts FROM pg_catalog.pg_class WHERE oid = %s::bigint"
    row = session.execute(query, [stream.sender.relations[table].oid]).fetchone()
    return int(row[0]) if row else 0


def _own_columns(stream: Stream) -> Iterator[tuple[Name, Column]]:
    if stream.direction is not Direction.FORWARD or stream.publication is None:
        return
    for sent in stream.publication.relations.values():
        decided = laws.fate(stream, sent)
        if not isinstance(decided, laws.Writes):
            continue
        for column in decided.target.columns:
            if column.name not in decided.columns and not column.fills_itself:
                yield sent.name, column


def _holds_differing(session: psycopg.Connection, table: Name, column: str) -> bool:
    empty, values = _counted(session, table, column)
    return not empty and values > 1


def _counted(session: psycopg.Connection, table: Name, column: str) -> tuple[int, int]:
    query = sql.SQL(
        "SELECT pg_catalog.count(*) FILTER (WHERE {c} IS NULL), "
        "pg_catalog.count(DISTINCT {c}::text) FROM {table}"
    ).format(c=sql.Identifier(column), table=sql.Identifier(*table))
    row = session.execute(query).fetchone()
    return (row[0], row[1]) if row else (0, 0)

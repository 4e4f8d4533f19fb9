"""Tables whose rows stay on the side that is left: which, why, and how many rows.

Owns the look: a table that no stream carries to the other side. What a row in one of
them means for a move is for those who ask.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from psycopg import sql

from bluegreen.model.bookkeeping import BOOKKEEPING
from bluegreen.model.clock import Clock
from bluegreen.postgres.catalog.scope import OURS_OR_SYSTEM, not_of_extension
from bluegreen.postgres.database import Database
from bluegreen.postgres.replication.publication import (
    read_publication,
    subscribed_tables,
)
from bluegreen.postgres.replication.stream import ReplicationStream, read_subscription

Name = tuple[str, str]

LONGEST = "5s"
"""One table is counted for this long at most; its rows are not known then."""

ALL_S = 60.0
"""Seconds for all counts of one look: an exclude list may name hundreds of tables."""


@dataclass(frozen=True, slots=True)
class TableThere:
    """A table with rows of its own.

    Attributes:
        persistence: `p` or `u`, unlogged.
        root: the topmost partitioned table above it; its own name where none is.
        ancestors: every table above it, by partitioning or INHERITS, nearest first.
    """

    schema: str
    name: str
    persistence: str
    root: Name
    ancestors: tuple[Name, ...] = ()
    partition: bool = False


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """A table that no stream carries to the other side.

    Attributes:
        parent: its nearest ancestor that the other side has; empty where none is.
        partition: a partition, not a child by INHERITS.
        there: the other side has a table of that name.
        logged: it is no unlogged table; those never travel.
        root: `schema.table` of the topmost partitioned table; its own name otherwise.
        rows: how many it holds; None where the count took too long or was not made.
    """

    schema: str
    name: str
    parent: str = ""
    partition: bool = False
    there: bool = False
    logged: bool = True
    root: str = ""
    rows: int | None = None

    @property
    def table(self) -> str:
        """`schema.table`."""
        return f"{self.schema}.{self.name}"


def read_left_behind(
    left: Database, to: Database, playbook: str
) -> tuple[LeftBehind, ...]:
    """The tables of `left` that do not travel to `to`, their rows not counted.

    Five catalog queries. A table travels when the publication names it, or a
    partitioned table above it, and the other side's subscription takes it. Where the
    stream is retired already, only tables that the other side lacks are told.
    """
    stream = ReplicationStream(playbook, left.side).name
    published = read_publication(left, stream)
    carried = None
    if published is not None and read_subscription(to, stream) is not None:
        taken = subscribed_tables(to, stream)
        carried = frozenset((t.schema, t.name) for t in published) & taken
    there = frozenset((s, n) for s, n in to.rows(_NAMES))
    return tuple(left_behind(_read_tables(left), there, carried))


def left_behind(
    tables: Iterable[TableThere],
    there: Collection[Name],
    carried: Collection[Name] | None,
) -> Iterator[LeftBehind]:
    """Those that do not travel. Pure.

    Args:
        tables: all of the side that is left.
        there: names of the other side's tables and partitioned tables.
        carried: names that the stream carries; None where there is no stream, so that
            what both sides have counts as carried.
    """
    for one in tables:
        own = (one.schema, one.name)
        above = one.ancestors if one.partition else ()
        through = carried is not None and any(name in carried for name in above)
        names = there if carried is None else carried
        if one.name in BOOKKEEPING or own in names or through:
            continue
        parents = [name for name in one.ancestors if name in there]
        yield LeftBehind(
            one.schema,
            one.name,
            ".".join(parents[0]) if parents else "",
            one.partition,
            own in there,
            one.persistence == "p",
            ".".join(one.root),
        )


def count_rows(
    left: Database, tables: Iterable[LeftBehind], clock: Clock, most: int | None = None
) -> tuple[LeftBehind, ...]:
    """The same with their rows counted, those of dropped tables left out.

    Args:
        left: the side that is left.
        tables: what stays behind.
        clock: for the time that all counts may take.
        most: count no further; None counts all rows.
    """
    since, found = clock.monotonic(), []
    with left.connect(statement_timeout=LONGEST) as own, left.translated():
        for one in tables:
            if clock.monotonic() - since > ALL_S:
                found.append(one)
                continue
            rows = _count(own, one, most)
            if rows != _DROPPED:
                found.append(replace(one, rows=rows))
    return tuple(found)


_DROPPED = -1


def _count(
    own: psycopg.Connection[tuple[Any, ...]], one: LeftBehind, most: int | None
) -> int | None:
    query = sql.SQL(
        "SELECT pg_catalog.count(*) FROM (SELECT FROM ONLY {} LIMIT {}) f"
    ).format(sql.Identifier(one.schema, one.name), sql.Literal(most))
    try:
        row = own.execute(query).fetchone()
    except psycopg.errors.UndefinedTable:
        return _DROPPED
    except (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable):
        return None
    return int(row[0]) if row else None


def _read_tables(database: Database) -> Iterator[TableThere]:
    rows = database.rows(_TABLES)
    above: dict[int, list[int]] = {}
    for child, parent in database.rows(_ABOVE):
        above.setdefault(child, []).append(parent)
    names = {oid: (schema, name) for oid, schema, name, *_ in rows}
    for oid, schema, name, kind, persistence, partition in rows:
        if kind != "r":
            continue
        ancestors = tuple(names[one] for one in _chain(oid, above) if one in names)
        root = ancestors[-1] if partition and ancestors else (schema, name)
        yield TableThere(schema, name, persistence, root, ancestors, partition)


def _chain(oid: int, above: dict[int, list[int]]) -> list[int]:
    found: list[int] = []
    ahead = list(above.get(oid, ()))
    while ahead:
        one = ahead.pop(0)
        if one not in found:
            found.append(one)
            ahead += above.get(one, ())
    return found


# Constant conditions only, no function that opens a relation: tables that are dropped
# meanwhile must not fail the look.
_TABLES = sql.SQL(
    """
    SELECT c.oid::bigint, n.nspname, c.relname, c.relkind::text,
        c.relpersistence::text, c.relispartition
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't' AND NOT {} AND {}
    ORDER BY n.nspname, c.relname
    """
).format(OURS_OR_SYSTEM, not_of_extension("pg_class", "c.oid"))
_NAMES = sql.SQL("SELECT t.nspname, t.relname FROM ({}) t").format(_TABLES)
_ABOVE = sql.SQL(
    "SELECT inhrelid::bigint, inhparent::bigint FROM pg_catalog.pg_inherits"
    " ORDER BY inhrelid, inhseqno"
)

"""Sequences: read all of one side, set all of the other, some hundred a statement.

Owns exactness: last_value and is_called are copied as they are. Logical replication
carries no sequences (PostgreSQL docs, "Logical Replication, Restrictions"). Not
max(column): that is wrong for descending, shared or gappy sequences and re-issues ids.

Who reads or sets a sequence keeps a lock on it until its transaction ends. All of them
in one transaction do not fit a server's lock table once there are some thousands
(53200), and clients that look for a place there fail too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from psycopg import sql
from psycopg.types.json import Jsonb

from bluegreen.model.bookkeeping import BOOKKEEPING
from bluegreen.postgres.database import Database

AT_ONCE = 1000
"""Sequences of one statement: a server as it is installed has 6,400 locks for all. By
1,000 reading takes a tenth more of the server's time than all at once."""

_READ = sql.SQL(
    "SELECT id::bigint, schema_name::text, sequence_name::text, last, called"
    " FROM bluegreen.sequence_values(%s, %s)"
)
_NEVER = 2**63 - 1
"""A number that no record has."""


class SequenceValue(NamedTuple):
    """A sequence, the value it stands at, and whether that value was given out.

    The value covers what sessions have cached: with CACHE 50 the first nextval gives 1
    and the sequence stands at 50.
    """

    schema: str
    name: str
    last: int
    called: bool


def read_sequences(database: Database) -> tuple[SequenceValue, ...]:
    """Every sequence of a side, those of identity columns included."""
    return tuple(SequenceValue(*row) for row in read_values(database))


def read_values(
    database: Database, query: sql.SQL = _READ
) -> Iterator[tuple[Any, ...]]:
    """Schema, name, value and whether it was given out, of every sequence.

    Args:
        database: the side.
        query: gives those four behind the sequence's OID, in that order, for those
            behind an OID and not more than a number.
    """
    after, full = 0, True
    while full:
        rows = database.rows(query, (after, AT_ONCE))
        yield from (tuple(value) for _, *value in rows)
        full = len(rows) == AT_ONCE
        after = rows[-1][0] if rows else 0


def set_sequences(
    database: Database,
    values: tuple[SequenceValue, ...],
    *,
    while_free: int | None = None,
) -> int:
    """Set every sequence that both sides have; returns how many were set.

    Those of migration tools' own tables stay: each side's tool counts for itself, and
    green's has counted on.

    Few statements: one setval a round trip took 254 ms for 1,000, this 8 ms.

    Args:
        database: the side that gets them.
        values: as the other side had them.
        while_free: number of the commit record to come. Once the journal has it,
            nothing is set: a tool that stood still for minutes must not set back the
            sequences of a side that serves by now.

    Raises:
        SqlError: 22003, the value does not fit the sequence's range on this side.
    """
    number = _NEVER if while_free is None else while_free
    # With nothing to set the statement is planned all the same.
    parts = range(0, max(1, len(values)), AT_ONCE)
    return sum(_set(database, values[n : n + AT_ONCE], number) for n in parts)


def _set(database: Database, values: tuple[SequenceValue, ...], while_free: int) -> int:
    wanted = [[one.schema, one.name, one.last, one.called] for one in values]
    parameters = (Jsonb(wanted), while_free, sorted(BOOKKEEPING))
    return int(database.value(_SET, parameters))


_SET = sql.SQL(
    "SELECT count(setval(c.oid, (w.v ->> 2)::bigint, (w.v ->> 3)::boolean))"
    " FROM jsonb_array_elements(%s) w(v)"
    " JOIN pg_namespace n ON n.nspname = w.v ->> 0"
    " JOIN pg_class c ON c.relnamespace = n.oid"
    " AND c.relname = w.v ->> 1 AND c.relkind = 'S'"
    " WHERE NOT EXISTS (SELECT FROM bluegreen.journal j WHERE j.seq >= %s)"
    " AND NOT EXISTS (SELECT FROM pg_depend d"
    "  JOIN pg_class t ON t.oid = d.refobjid"
    "  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid"
    "  AND d.refclassid = 'pg_class'::regclass"
    "  AND d.deptype IN ('a', 'i') AND t.relname = ANY (%s))"
)

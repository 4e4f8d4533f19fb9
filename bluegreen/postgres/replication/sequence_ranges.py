"""Would each sequence's value fit the other side's sequence? Reading, and a pure look.

Owns the ranges. A move sets every sequence of the side that traffic goes to, inside the
pause; a value out of its range is refused there (22003), so it is looked for before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from psycopg import sql

from bluegreen.model.bookkeeping import BOOKKEEPING
from bluegreen.model.side import Side
from bluegreen.postgres.database import Database
from bluegreen.postgres.quoting import quote_name
from bluegreen.postgres.replication.sequences import read_values

NEAR = 0.9
"""From this part of the narrower range on there is little time left to widen it."""


@dataclass(frozen=True, slots=True)
class SequenceRange:
    """A sequence, from where to where it goes, and where it stands.

    Attributes:
        last: the value that a move would set.
        called: it was given out already.
    """

    schema: str
    name: str
    type: str
    least: int
    most: int
    step: int
    cycles: bool
    last: int
    called: bool

    @property
    def full_name(self) -> str:
        """Quoted, for a statement and for a person."""
        return f"{quote_name(self.schema)}.{quote_name(self.name)}"

    @property
    def end(self) -> int:
        """The bound that it goes to."""
        return self.most if self.step > 0 else self.least


class Tightness(StrEnum):
    """How a value stands in the other side's range."""

    OUT = "out"
    NEAR = "near"
    NARROW = "narrow"


@dataclass(frozen=True, slots=True)
class SequenceMisfit:
    """A sequence whose value does not fit the other side's, or may come to it.

    Attributes:
        where: the sequence.
        how: out of the range, near its end, or with a narrower range ahead.
        says: values and ranges of both sides.
        repair: the ALTER SEQUENCE for the side `on`.
        on: the side that would get the value.
    """

    where: str
    how: Tightness
    says: str
    repair: str
    on: Side


def read_ranges(database: Database) -> tuple[SequenceRange, ...]:
    """All of a side, but those of migration tools' own tables, which no move sets."""
    known = database.value(
        sql.SQL(
            "SELECT coalesce(has_function_privilege("
            "to_regprocedure('bluegreen.sequence_values(oid, integer)'), 'EXECUTE'),"
            " false)"
        )
    )
    ranges = database.rows(_RANGES, (sorted(BOOKKEEPING),))
    told = read_values(database) if known else read_values(database, _BY_CATALOG)
    stands = {(schema, name): value for schema, name, *value in told}
    return tuple(
        # One that was dropped in between stands nowhere.
        SequenceRange(*row, *stands[row[:2]])
        for row in ranges
        if row[:2] in stands
    )


def compare_ranges(
    publisher: Iterable[SequenceRange], subscriber: Iterable[SequenceRange], on: Side
) -> list[SequenceMisfit]:
    """Hold the values of one side against the ranges of `on`, worst first. Pure.

    Sequences that only one side has are not set, so they cannot fail.
    """
    there = {(one.schema, one.name): one for one in subscriber}
    pairs = (
        (one, there[one.schema, one.name])
        for one in publisher
        if (one.schema, one.name) in there
    )
    found = [misfit for one, other in pairs for misfit in _misfit(one, other, on)]
    return sorted(found, key=lambda one: (list(Tightness).index(one.how), one.where))


def _misfit(
    one: SequenceRange, other: SequenceRange, on: Side
) -> Iterator[SequenceMisfit]:
    how = _how(one, other)
    if how is None:
        return
    ending = {
        Tightness.OUT: "",
        Tightness.NEAR: ", which is nearly used up",
        Tightness.NARROW: "",
    }[how]
    says = (
        f"sequence {one.full_name} stands at {one.last} on {on.other} and goes to "
        f"{one.end}; on {on} it goes from {other.least} to {other.most}{ending}"
    )
    yield SequenceMisfit(one.full_name, how, says, _repair(one, other), on)


def _how(one: SequenceRange, other: SequenceRange) -> Tightness | None:
    if not other.least <= one.last <= other.most:
        return Tightness.OUT
    # Where both go equally far, the end is the application's own matter.
    up = one.step > 0
    goes_on = one.most > other.most if up else one.least < other.least
    if not goes_on:
        # One that begins again does so at its own other end.
        inside = other.least <= one.least and one.most <= other.most
        return Tightness.NARROW if one.cycles and not inside else None
    used = _used(one, other)
    if used >= 1.0 and one.called and not other.cycles:
        return Tightness.OUT  # It fits, and no further value does.
    return Tightness.NEAR if used >= NEAR else Tightness.NARROW


def _used(one: SequenceRange, other: SequenceRange) -> float:
    """How much of the other's range lies behind the value, in this one's direction."""
    span = other.most - other.least
    behind = one.last - other.least if one.step > 0 else other.most - one.last
    return behind / span if span else 1.0


def _repair(one: SequenceRange, other: SequenceRange) -> str:
    """What makes the other's range hold this one's, its own values kept."""
    kind = f" AS {one.type}" if one.type != other.type and _is_wider(one, other) else ""
    least, most = min(one.least, other.least), max(one.most, other.most)
    return f"ALTER SEQUENCE {one.full_name}{kind} MINVALUE {least} MAXVALUE {most};"


def _is_wider(one: SequenceRange, other: SequenceRange) -> bool:
    sizes = ["smallint", "integer", "bigint"]
    return sizes.index(one.type) > sizes.index(other.type)


# A sequence that gave nothing yet stands at its start, unless it was restarted; so does
# one that our role may not read, which the missing right is named for.
_BY_CATALOG = sql.SQL(
    """
    SELECT o.seqrelid, o.nspname::text, o.relname::text,
        coalesce(l.last, o.seqstart), l.last IS NOT NULL
    FROM (
        SELECT s.seqrelid, n.nspname, c.relname, s.seqstart
        FROM pg_catalog.pg_sequence s
        JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE s.seqrelid > %s AND c.relpersistence <> 't' AND n.nspname <> 'bluegreen'
        ORDER BY s.seqrelid LIMIT %s
    ) o
    CROSS JOIN LATERAL (SELECT CASE
        WHEN pg_catalog.has_sequence_privilege(o.seqrelid, 'SELECT,USAGE')
        THEN pg_catalog.pg_sequence_last_value(o.seqrelid) END AS last) l
    ORDER BY 1
    """
)
_RANGES = sql.SQL(
    """
    SELECT n.nspname::text, c.relname::text,
        pg_catalog.format_type(s.seqtypid, NULL), s.seqmin, s.seqmax,
        s.seqincrement, s.seqcycle
    FROM pg_catalog.pg_sequence s
    JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
        JOIN pg_catalog.pg_class t ON t.oid = d.refobjid
        WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
            AND d.objid = c.oid
            AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
            AND d.deptype IN ('a', 'i') AND t.relname = ANY (%s))
    ORDER BY 1, 2
    """
)

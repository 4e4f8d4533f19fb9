"""Partitioned tables and their partitions, as the catalog has them.

Owns reading them. Which partition comes next is for `partition_pattern.py`, making it
for `make_partition.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from psycopg import sql

from bluegreen.postgres.catalog.scope import OURS_OR_SYSTEM
from bluegreen.postgres.database import Database
from bluegreen.postgres.schema.partition_pattern import (
    NoPattern,
    Pattern,
    Range,
    derive,
    is_number,
    is_time,
    ranges_of,
)

Name = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition as the catalog has it.

    Attributes:
        bound: as pg_get_expr prints it.
        plain: it holds rows itself, and they travel: neither partitioned nor unlogged.
    """

    schema: str
    name: str
    bound: str
    plain: bool = True


@dataclass(frozen=True, slots=True)
class Parent:
    """A partitioned table.

    Attributes:
        strategy: `r` range, `l` list, `h` hash.
        keys: types of its key's columns; empty for an expression.
    """

    schema: str
    name: str
    strategy: str
    keys: tuple[str, ...]
    partitions: tuple[Partition, ...] = ()

    @property
    def full_name(self) -> str:
        """`schema.table`."""
        return f"{self.schema}.{self.name}"

    @property
    def is_by_time(self) -> bool:
        """Cut by one column of time, in ranges."""
        return self.strategy == "r" and len(self.keys) == 1 and is_time(self.keys[0])

    @property
    def is_in_ranges(self) -> bool:
        """Cut by one column whose ranges can be continued."""
        return self.is_by_time or (
            self.strategy == "r" and len(self.keys) == 1 and is_number(self.keys[0])
        )


def read_parents(database: Database) -> dict[Name, Parent]:
    """Every partitioned table by its name, with its partitions."""
    partitions = defaultdict(list)
    for parent, schema, name, bound, plain in database.rows(_PARTITIONS):
        if bound:
            partitions[parent].append(Partition(schema, name, bound, plain))
    return {
        (schema, name): Parent(
            schema,
            name,
            strategy,
            tuple(keys) if all(keys) else (),
            tuple(partitions[oid]),
        )
        for oid, schema, name, strategy, keys in database.rows(_PARENTS)
    }


def pattern_of(parent: Parent, zone: tzinfo = UTC) -> Pattern:
    """How its partitions go on, cut by UTC or by the clock of a zone. Pure.

    Raises:
        NoPattern: they follow none that is known.
    """
    if not parent.is_in_ranges:
        raise NoPattern("it is not partitioned by ranges of one date, time or number")
    if not all(one.plain for one in parent.partitions):
        raise NoPattern("its partitions are partitioned or unlogged themselves")
    bounds = [(one.name, one.bound) for one in parent.partitions]
    try:
        return derive(ranges_of(bounds, parent.keys[0]))
    except NoPattern:
        if zone is UTC:
            raise
        return derive(ranges_of(bounds, parent.keys[0], zone), zone)


def zone_of(database: Database) -> tzinfo:
    """The zone whose midnights an application of this database means."""
    with database.connect(leave=("TimeZone",)) as own, database.translated():
        row = own.execute(sql.SQL("SHOW TimeZone")).fetchone()
    try:
        return ZoneInfo(str(row[0])) if row else UTC
    except (ValueError, OSError):
        return UTC  # a zone that only the server knows


def bound_of(one: Range, key: str, zone: tzinfo) -> str:
    """The bound of a partition in SQL, the same on every server. Pure."""
    ends = [_literal(value, key, zone) for value in (one.lower, one.upper)]
    return f"FOR VALUES FROM ({ends[0]}) TO ({ends[1]})"


def _literal(value: datetime | int, key: str, zone: tzinfo) -> str:
    if not isinstance(value, datetime):
        return f"'{value}'"
    if key == "date":
        return f"'{value.date().isoformat()}'"
    if key == "timestamp with time zone":
        value = value.replace(tzinfo=zone).astimezone(UTC)
    return f"'{value.isoformat(sep=' ')}'"


MOST_MADE = 1000
"""Partitions of one table that one call makes; more is a mistake."""


def lying_ahead(
    database: Database, parent: Parent, zone: tzinfo, count: int, *, named: bool
) -> Iterator[Range]:
    """The partitions that are to be made so that `count` lie ahead.

    Ahead of now, or of the last one that holds rows where the key is a number. A table
    whose partitions by time ended longer ago than the last one lasts is an archive, and
    is passed by unless a person `named` it.

    Raises:
        NoPattern: they follow none, or too many are missing.
    """
    pattern = pattern_of(parent, zone)
    bounds = [(one.name, one.bound) for one in parent.partitions]
    ranges = ranges_of(bounds, parent.keys[0], pattern.zone)
    start = _now(database, pattern.zone) if parent.is_by_time else None
    if start is None:
        yield from pattern.next(max(count - _empty(database, parent, ranges), 0))
        return
    if not named and _is_archive(pattern, start):
        return
    ahead = sum(_begins_after(one, start) for one in ranges)
    for one in pattern.next(MOST_MADE):
        if ahead >= count:
            return
        yield one
        ahead += _begins_after(one, start)
    raise NoPattern(f"more than {MOST_MADE} partitions are missing up to now")


def _now(database: Database, zone: tzinfo) -> datetime:
    now: datetime = database.value(sql.SQL("SELECT pg_catalog.now()"))
    return now.astimezone(zone).replace(tzinfo=None)


def _begins_after(one: Range, start: datetime) -> bool:
    return isinstance(one.lower, datetime) and one.lower > start


def _is_archive(pattern: Pattern, start: datetime) -> bool:
    following = pattern.after(pattern.newest.upper)
    return isinstance(following, datetime) and following < start


def _empty(database: Database, parent: Parent, ranges: Sequence[Range]) -> int:
    """How many of the last partitions hold no row."""
    names = {one.name: (one.schema, one.name) for one in parent.partitions}
    query = sql.SQL("SELECT EXISTS (SELECT FROM {})")
    for count, one in enumerate(reversed(ranges)):
        if database.value(query.format(sql.Identifier(*names[one.name]))):
            return count
    return len(ranges)


@dataclass(frozen=True, slots=True)
class PartitionsEnd:
    """Where a table's partitions by time end.

    Attributes:
        parent: `schema.table`.
        newest: the last partition.
        upper: its upper bound, in UTC.
        ahead_s: seconds from the server's clock to it; less than 0 where it is past.
        lasts_s: how long the last partition is.
    """

    parent: str
    newest: str
    upper: datetime
    ahead_s: float
    lasts_s: float


def read_ends(database: Database) -> tuple[PartitionsEnd, ...]:
    """The ends of all tables partitioned by time, open ends left out."""
    now = database.value(sql.SQL("SELECT pg_catalog.now()"))
    found = []
    for parent in read_parents(database).values():
        bounds = [(one.name, one.bound) for one in parent.partitions]
        if parent.is_by_time and not any(_is_open(bound) for _, bound in bounds):
            last = ranges_of(bounds, parent.keys[0])[-1:]
            found += [_end(parent, one, now) for one in last]
    return tuple(found)


def _is_open(bound: str) -> bool:
    return bound.endswith(("(MAXVALUE)", "('infinity')"))


def _end(parent: Parent, one: Range, now: datetime) -> PartitionsEnd:
    # Both are points in time: the key's type says so.
    lower, upper = (datetime.fromisoformat(str(end)) for end in (one.lower, one.upper))
    return PartitionsEnd(
        parent.full_name,
        one.name,
        upper,
        (upper.replace(tzinfo=UTC) - now).total_seconds(),
        (upper - lower).total_seconds(),
    )


_PARENTS = sql.SQL(
    """
    SELECT p.partrelid::bigint, n.nspname, c.relname, p.partstrat::text,
        array(SELECT coalesce(pg_catalog.format_type(a.atttypid, NULL), '')
            FROM unnest(p.partattrs::pg_catalog.int2[]) WITH ORDINALITY k (num, place)
            LEFT JOIN pg_catalog.pg_attribute a
                ON a.attrelid = p.partrelid AND a.attnum = k.num AND k.num > 0
            ORDER BY k.place)
    FROM pg_catalog.pg_partitioned_table p
    JOIN pg_catalog.pg_class c ON c.oid = p.partrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relpersistence <> 't' AND NOT {} ORDER BY 2, 3
    """
).format(OURS_OR_SYSTEM)
_PARTITIONS = sql.SQL(
    """
    SELECT h.inhparent::bigint, n.nspname, c.relname,
        coalesce(pg_catalog.pg_get_expr(c.relpartbound, c.oid), ''),
        c.relkind = 'r' AND c.relpersistence = 'p'
    FROM pg_catalog.pg_inherits h
    JOIN pg_catalog.pg_class c ON c.oid = h.inhrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relispartition AND NOT {} ORDER BY c.oid
    """
).format(OURS_OR_SYSTEM)

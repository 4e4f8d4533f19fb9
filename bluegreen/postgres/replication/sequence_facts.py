"""Sequences as a side has them: range, what draws from them, where they stand.

Owns reading them while clients are served; in the pause `sequences.py` reads values
alone. What a move makes of them is in `sequence_values.py`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from bluegreen.model.bookkeeping import BOOKKEEPING
from bluegreen.postgres.database import Database
from bluegreen.postgres.quoting import quote_name
from bluegreen.postgres.replication.sequences import read_values


@dataclass(frozen=True, slots=True)
class SequenceRange:
    """A sequence, from where to where it goes, and where it stands.

    Attributes:
        start: where it began.
        last: the value that it stands at.
        called: it was given out already.
        columns: what draws from it, as `schema.table.column`, by an identity or a
            default; of a partition that alone does, its parent's column too.
    """

    schema: str
    name: str
    type: str
    least: int
    most: int
    step: int
    cycles: bool
    start: int
    last: int
    called: bool
    columns: frozenset[str] = frozenset()

    @property
    def full_name(self) -> str:
        """Quoted, for a statement and for a person."""
        return f"{quote_name(self.schema)}.{quote_name(self.name)}"

    @property
    def end(self) -> int:
        """The bound that it goes to."""
        return self.most if self.step > 0 else self.least


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
    columns = _read_columns(database)
    found: list[tuple[Any, ...]] = [
        # One that was dropped in between stands nowhere.
        (*row, *stands[row[0], row[1]], columns.get(oid, frozenset()))
        for oid, *row in ranges
        if (row[0], row[1]) in stands
    ]
    return tuple(SequenceRange(*one) for one in found)


def _read_columns(database: Database) -> dict[int, frozenset[str]]:
    """By the sequence's OID."""
    rows = database.rows(_COLUMNS)
    own = {(*table, column) for _, table, column, _ in rows}
    found: dict[int, set[str]] = defaultdict(set)
    for oid, table, column, parents in rows:
        # What is written through a parent draws from the parent's own.
        free = [(*one, column) for one in parents if (*one, column) not in own]
        found[oid].update(quote_name(*one) for one in [(*table, column), *free])
    return {oid: frozenset(columns) for oid, columns in found.items()}


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
    SELECT s.seqrelid::bigint, n.nspname::text, c.relname::text,
        pg_catalog.format_type(s.seqtypid, NULL), s.seqmin, s.seqmax,
        s.seqincrement, s.seqcycle, s.seqstart
    FROM pg_catalog.pg_sequence s
    JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
        JOIN pg_catalog.pg_class t ON t.oid = d.refobjid
        WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
            AND d.objid = c.oid
            AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
            AND d.deptype IN ('a', 'i') AND t.relname = ANY (%s))
    ORDER BY 2, 3
    """
)
# An identity's sequence belongs to its column; a default depends on what it draws from.
_COLUMNS = sql.SQL(
    """
    SELECT o.seq::bigint, ARRAY[n.nspname, t.relname]::text[],
        a.attname::text,
        ARRAY(SELECT ARRAY[m.nspname, p.relname]::text[]
            FROM pg_catalog.pg_partition_ancestors(t.oid) u(relid)
            JOIN pg_catalog.pg_class p ON p.oid = u.relid AND p.oid <> t.oid
            JOIN pg_catalog.pg_namespace m ON m.oid = p.relnamespace)
    FROM (
        SELECT d.objid AS seq, d.refobjid AS rel, d.refobjsubid AS num
        FROM pg_catalog.pg_depend d
        WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
            AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
            AND d.deptype = 'i' AND d.refobjsubid > 0
        UNION ALL
        SELECT d.refobjid, f.adrelid, f.adnum
        FROM pg_catalog.pg_attrdef f JOIN pg_catalog.pg_depend d
            ON d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
            AND d.objid = f.oid
            AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    ) o
    JOIN pg_catalog.pg_sequence s ON s.seqrelid = o.seq
    JOIN pg_catalog.pg_class t ON t.oid = o.rel
    JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = o.rel AND a.attnum = o.num
    """
)

"""Foreign keys of a database, and rows that break one.

Owns reading them and the anti-join. The stream applies rows without checking foreign
keys, so one that only green has, or that is NOT VALID, may be broken in silence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg import sql

from bluegreen.postgres.catalog.scope import OURS_OR_SYSTEM
from bluegreen.postgres.database import Database


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """One foreign key.

    Attributes:
        key: `constraint public.lines.order_fkey`, as the schema comparison says.
        definition: as `pg_get_constraintdef` prints it.
        valid: existing rows were checked.
        child: schema and name of the referencing table.
        columns: its columns.
        parent: schema and name of the referenced table.
        referenced: its columns, in the same order.
    """

    key: str
    definition: str
    valid: bool
    child: tuple[str, str]
    columns: tuple[str, ...]
    parent: tuple[str, str]
    referenced: tuple[str, ...]


def read_foreign_keys(database: Database) -> dict[str, ForeignKey]:
    """All foreign keys by name, those of partitions left to their parents."""
    keys = {}
    for name, definition, valid, cs, cn, columns, ps, pn, referenced in database.rows(
        _FOREIGN_KEYS
    ):
        keys[name] = ForeignKey(
            name, definition, valid, (cs, cn), tuple(columns), (ps, pn),
            tuple(referenced),
        )  # fmt: skip
    return keys


def unproved(
    blue: Mapping[str, ForeignKey], green: Mapping[str, ForeignKey]
) -> list[ForeignKey]:
    """Green's foreign keys that blue's rows do not prove by being alike. Pure."""
    return [
        one
        for key, one in green.items()
        if not one.valid
        or (twin := blue.get(key)) is None
        or not twin.valid
        or twin.definition != one.definition
    ]


def orphans(database: Database, one: ForeignKey) -> int:
    """How many rows of the child name a parent that is not there.

    A row with a NULL in the key refers to nothing (MATCH SIMPLE).
    """
    return int(database.value(_anti_join(one)))


def _anti_join(one: ForeignKey) -> sql.Composed:
    return sql.SQL(
        "SELECT count(*) FROM {} AS c WHERE {}"
        " AND NOT EXISTS (SELECT FROM {} AS p WHERE {})"
    ).format(
        sql.Identifier(*one.child),
        _all([sql.SQL("{} IS NOT NULL").format(_of("c", c)) for c in one.columns]),
        sql.Identifier(*one.parent),
        _all(
            [
                sql.SQL("{} = {}").format(_of("p", there), _of("c", here))
                for here, there in zip(one.columns, one.referenced, strict=True)
            ]
        ),
    )


def _of(table: str, column: str) -> sql.Identifier:
    return sql.Identifier(table, column)


def _all(parts: Sequence[sql.Composed]) -> sql.Composed:
    return sql.SQL(" AND ").join(parts)


_FOREIGN_KEYS = sql.SQL(
    """
    SELECT format('constraint %I.%I.%I', n.nspname, c.relname, o.conname),
        pg_get_constraintdef(o.oid), o.convalidated,
        n.nspname, c.relname,
        (SELECT array_agg(a.attname ORDER BY k.place)::text[]
            FROM unnest(o.conkey) WITH ORDINALITY k (attnum, place)
            JOIN pg_attribute a ON a.attrelid = o.conrelid AND a.attnum = k.attnum),
        pn.nspname, p.relname,
        (SELECT array_agg(a.attname ORDER BY k.place)::text[]
            FROM unnest(o.confkey) WITH ORDINALITY k (attnum, place)
            JOIN pg_attribute a ON a.attrelid = o.confrelid AND a.attnum = k.attnum)
    FROM pg_constraint o
    JOIN pg_class c ON c.oid = o.conrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_class p ON p.oid = o.confrelid
    JOIN pg_namespace pn ON pn.oid = p.relnamespace
    WHERE o.contype = 'f' AND o.conparentid = 0 AND NOT {}
    ORDER BY 1
    """
).format(OURS_OR_SYSTEM)

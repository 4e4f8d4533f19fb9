"""Foreign keys of a database, and rows that break one.

Owns which of them count, and the anti-join. The stream applies rows without checking
any, so one that only green has, or that is NOT VALID, may be broken in silence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from psycopg import sql

from bluegreen.postgres.catalog.constraints import Constraint, read_constraints
from bluegreen.postgres.database import Database
from bluegreen.postgres.quoting import quote_name

_OWN = sql.SQL("k.contype = 'f' AND k.conparentid = 0")


def read_foreign_keys(database: Database) -> dict[str, Constraint]:
    """Foreign keys by name, as the schema comparison says it.

    Those of partitions are left to their parents, and no row has to fit one that is NOT
    ENFORCED.
    """
    return {
        f"constraint {quote_name(*one.table, one.name)}": one
        for _, one in read_constraints(database.rows, _OWN)
        if one.enforced
    }


def unproved(
    blue: Mapping[str, Constraint], green: Mapping[str, Constraint]
) -> dict[str, Constraint]:
    """Green's foreign keys that blue's rows do not prove by being alike. Pure."""
    return {
        key: one
        for key, one in sorted(green.items())
        if not one.valid
        or (twin := blue.get(key)) is None
        or not twin.valid
        or twin.definition != one.definition
    }


def orphans_of(one: Constraint) -> sql.Composed:
    """Counts rows of the child that name a parent which is not there.

    A row with a NULL in the key refers to nothing (MATCH SIMPLE).
    """
    return sql.SQL("SELECT pg_catalog.count(*) {}").format(orphans(one))


def orphans(one: Constraint) -> sql.Composed:
    """FROM and WHERE of those rows; the child is `c` in it."""
    assert one.other is not None
    pairs = list(zip(one.columns, one.other_columns, strict=True))
    return sql.SQL(
        "FROM {} AS c WHERE {} AND NOT EXISTS (SELECT FROM {} AS p WHERE {})"
    ).format(
        sql.Identifier(*one.table),
        _all([sql.SQL("{} IS NOT NULL").format(_of("c", c)) for c in one.columns]),
        sql.Identifier(*one.other),
        _all([sql.SQL("{} = {}").format(_of("c", c), _of("p", p)) for c, p in pairs]),
    )


def _of(table: str, column: str) -> sql.Identifier:
    return sql.Identifier(table, column)


def _all(parts: Sequence[sql.Composed]) -> sql.Composed:
    return sql.SQL(" AND ").join(parts)

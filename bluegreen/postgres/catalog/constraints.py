"""The constraints of a database's tables. Owns reading them."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from bluegreen.postgres.catalog.scope import ALL, OURS_OR_SYSTEM, Ask, Name, frozen


@dataclass(frozen=True, slots=True)
class Constraint:
    """A constraint of a table, in the words of pg_constraint.

    Attributes:
        kind: `c`, `f`, `n` (18), `p`, `u` or `x`.
        definition: as `pg_get_constraintdef` prints it; empty where not asked for.
        other: the table that a foreign key refers to.
        valid: existing rows were checked.
        enforced: false for NOT ENFORCED (18), which nothing checks.
        inherited: it follows a parent's, and so is not dumped by itself.
        of_partition: PostgreSQL made this foreign key beside the real one of the same
            table, for one partition of the referenced table: no row has to fit it.
    """

    name: str
    kind: str
    definition: str = ""
    columns: tuple[str, ...] = ()
    other: Name | None = None
    other_columns: tuple[str, ...] = ()
    valid: bool = True
    enforced: bool = True
    deferrable: bool = False
    deferred: bool = False
    inherited: bool = False
    of_partition: bool = False
    table: Name = ("", "")


def read_constraints(
    ask: Ask, only: sql.Composable = ALL, *, definitions: bool = True
) -> list[tuple[int, Constraint]]:
    """Constraints of tables with the table's OID, in order of their names.

    Args:
        ask: runs the query.
        only: a condition on `k`, pg_constraint, and `c`, the table's pg_class.
        definitions: read them, for which PostgreSQL takes an ACCESS SHARE lock on the
            table of a CHECK.
    """
    definition = _DEFINITION if definitions else sql.Literal("")
    rows = ask(_CONSTRAINTS.format(definition, only, OURS_OR_SYSTEM))
    return [(oid, Constraint(*map(frozen, values))) for oid, *values in rows]


_DEFINITION = sql.SQL("pg_catalog.pg_get_constraintdef(k.oid)")

# What is NOT ENFORCED is never valid.
_CONSTRAINTS = sql.SQL(
    """
    SELECT k.conrelid::bigint, k.conname, k.contype::text, {},
        ARRAY(SELECT a.attname::text
            FROM unnest(k.conkey) WITH ORDINALITY u (attnum, place)
            JOIN pg_catalog.pg_attribute a
                ON a.attrelid = k.conrelid AND a.attnum = u.attnum
            ORDER BY u.place),
        CASE WHEN k.confrelid <> 0 THEN ARRAY[pn.nspname, p.relname]::text[] END,
        ARRAY(SELECT a.attname::text
            FROM unnest(k.confkey) WITH ORDINALITY u (attnum, place)
            JOIN pg_catalog.pg_attribute a
                ON a.attrelid = k.confrelid AND a.attnum = u.attnum
            ORDER BY u.place),
        k.convalidated, k.convalidated
            OR coalesce((to_jsonb(k) ->> 'conenforced')::boolean, true),
        k.condeferrable, k.condeferred,
        k.conparentid <> 0 OR (NOT k.conislocal AND k.coninhcount > 0),
        k.conparentid <> 0 AND EXISTS (SELECT FROM pg_catalog.pg_constraint up
            WHERE up.oid = k.conparentid AND up.conrelid = k.conrelid),
        ARRAY[n.nspname, c.relname]::text[]
    FROM pg_catalog.pg_constraint k
    JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_class p ON p.oid = k.confrelid
    LEFT JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
    WHERE k.contype IN ('c', 'f', 'n', 'p', 'u', 'x') AND c.relpersistence <> 't'
        AND {} AND NOT {}
    ORDER BY k.conname, 2
    """
)

"""The types that are no built-in ones of a database. Owns reading them."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from bluegreen.postgres.catalog.scope import OURS_OR_SYSTEM, Ask, Name, frozen


@dataclass(frozen=True, slots=True)
class Type:
    """An enum, domain, range or composite type.

    Attributes:
        name: as `format_type` prints it.
        kind: pg_type.typtype: `e`, `d`, `r` or `c`.
        labels: of an enum, in order.
        base: the type under a domain.
        checks: definitions of a domain's constraints.
        attributes: names and types of a composite's columns.
    """

    name: str
    kind: str
    labels: tuple[str, ...] = ()
    base: str = ""
    not_null: bool = False
    checks: tuple[str, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()
    qualified: Name = ("", "")


def read_types(ask: Ask) -> tuple[Type, ...]:
    """All of them, those of extensions too: columns may have such a type."""
    return tuple(Type(*map(frozen, row)) for row in ask(_TYPES))


_TYPES = sql.SQL(
    """
    SELECT pg_catalog.format_type(t.oid, NULL), t.typtype::text,
        ARRAY(SELECT e.enumlabel::text FROM pg_catalog.pg_enum e
            WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder),
        CASE WHEN t.typbasetype <> 0
            THEN pg_catalog.format_type(t.typbasetype, NULL) ELSE '' END,
        t.typnotnull,
        ARRAY(SELECT pg_catalog.pg_get_constraintdef(k.oid)
            FROM pg_catalog.pg_constraint k
            WHERE k.contypid = t.oid AND k.contype = 'c' ORDER BY 1),
        ARRAY(SELECT ARRAY[a.attname::text,
                pg_catalog.format_type(a.atttypid, a.atttypmod)]
            FROM pg_catalog.pg_attribute a
            WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
            ORDER BY a.attnum),
        ARRAY[n.nspname, t.typname]::text[]
    FROM pg_catalog.pg_type t
    JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
    LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
    WHERE (t.typtype IN ('e', 'd', 'r') OR (t.typtype = 'c' AND c.relkind = 'c'))
        AND NOT {}
    """
).format(OURS_OR_SYSTEM)

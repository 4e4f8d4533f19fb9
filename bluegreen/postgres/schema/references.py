"""What an object of a schema refers to, as the server's own dependencies say.

Owns the question. Two servers print one definition in different words; which functions,
operators and types it was resolved to has one form on all of them. Relations always
have their schema in a dump.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from psycopg import sql

from bluegreen.postgres.database import Row

Ask = Callable[[sql.SQL, Sequence[Any]], list[Row]]
"""Runs a query with parameters and fetches everything; the server quotes every name."""

Address = tuple[str, list[str], list[str]]
"""Type, names and arguments, as `pg_get_object_address` takes them."""

Referred = frozenset[tuple[str, str, str]]

_ADDRESS = sql.SQL(
    "SELECT a.type, a.object_names, a.object_args"
    " FROM pg_catalog.pg_identify_object_as_address("
    "%s::pg_catalog.oid, %s::pg_catalog.oid, 0) a WHERE a.type IS NOT NULL"
)
_FOUND = sql.SQL(
    "SELECT a.classid::bigint, a.objid::bigint"
    " FROM pg_catalog.pg_get_object_address(%s, %s::text[], %s::text[]) a"
)

# With an object go the rule of a view, and a table's defaults and its own checks: what
# its CREATE makes. Objects that every database has are in no dependency, or left out.
_REFERRED = sql.SQL(
    """
    WITH RECURSIVE whole (classid, objid) AS (
        SELECT %s::pg_catalog.oid, %s::pg_catalog.oid
        UNION
        SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
        JOIN whole w ON w.classid = d.refclassid AND w.objid = d.refobjid
        WHERE d.deptype IN ('a', 'i') AND (
            d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
            OR d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND EXISTS (
                SELECT FROM pg_catalog.pg_rewrite r
                WHERE r.oid = d.objid AND r.rulename = '_RETURN')
            OR d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND EXISTS (
                SELECT FROM pg_catalog.pg_constraint c
                WHERE c.oid = d.objid AND c.contype = 'c' AND c.convalidated))
    )
    SELECT DISTINCT i.type, i.object_names::text, i.object_args::text
    FROM whole w
    JOIN pg_catalog.pg_depend d ON d.classid = w.classid AND d.objid = w.objid
    CROSS JOIN LATERAL pg_catalog.pg_identify_object_as_address(
        d.refclassid, d.refobjid, 0) i
    WHERE d.deptype IN ('n', 'a') AND d.refclassid IN (
        'pg_catalog.pg_proc'::pg_catalog.regclass,
        'pg_catalog.pg_operator'::pg_catalog.regclass,
        'pg_catalog.pg_type'::pg_catalog.regclass,
        'pg_catalog.pg_collation'::pg_catalog.regclass,
        'pg_catalog.pg_ts_config'::pg_catalog.regclass,
        'pg_catalog.pg_ts_dict'::pg_catalog.regclass)
      AND i.object_names[1] NOT IN ('pg_catalog', 'information_schema')
      AND NOT EXISTS (SELECT FROM whole o
          WHERE (o.classid, o.objid) = (d.refclassid, d.refobjid))
    """
)


def address_of(ask: Ask, catalog: int, oid: int) -> Address | None:
    """An object's name on any server; None where it is gone or a grant or a comment."""
    rows = ask(_ADDRESS, (catalog, oid)) if catalog else []
    return (rows[0][0], rows[0][1], rows[0][2]) if rows else None


def referred(ask: Ask, catalog: int, oid: int) -> Referred:
    """What an object refers to outside of itself and of pg_catalog."""
    return frozenset(
        (str(k), str(n), str(a)) for k, n, a in ask(_REFERRED, (catalog, oid))
    )


def referred_by_name(ask: Ask, address: Address) -> Referred:
    """The same for an object of another server's name.

    Raises:
        psycopg.Error: there is none of that name.
    """
    [(catalog, oid)] = ask(_FOUND, address)
    return referred(ask, catalog, oid)

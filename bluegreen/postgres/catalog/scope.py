"""What every reading of a catalog here shares: how it asks, and which schemas count."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from psycopg import sql

from bluegreen.postgres.database import Query, Row

Ask = Callable[[Query], list[Row]]
"""Runs a query and fetches everything: `Database.rows`, or a session's transaction.

The search_path must be `pg_catalog, pg_temp`, so that every text names its schemas.
"""

_Thing = TypeVar("_Thing")

Name = tuple[str, str]
"""A schema and a name in it."""

OURS_OR_SYSTEM = sql.SQL(
    "(n.nspname IN ('information_schema', 'bluegreen')"
    r" OR n.nspname LIKE 'pg\_%%')"
)
"""True for schemas that are never copied, those of temporary objects among them; `n`
must be pg_namespace."""


ALL = sql.SQL("true")
"""No further condition."""


def not_of_extension(catalog: str, oid: str) -> sql.Composed:
    """True for what belongs to no extension, and so is neither dumped nor streamed.

    Args:
        catalog: `pg_class`, `pg_proc` and so on.
        oid: the column with the OID, as `c.oid`.
    """
    return sql.SQL(
        "NOT EXISTS (SELECT FROM pg_catalog.pg_depend ext"
        " WHERE ext.classid = {}::pg_catalog.regclass"
        " AND ext.objid = {} AND ext.deptype = 'e')"
    ).format(sql.Literal(catalog), sql.Identifier(*oid.split(".")))


def by_table(found: Iterable[tuple[int, _Thing]]) -> Mapping[int, tuple[_Thing, ...]]:
    """Things by the OID of their table; of a table without any, none."""
    grouped: dict[int, list[_Thing]] = defaultdict(list)
    for oid, thing in found:
        grouped[oid].append(thing)
    return defaultdict(tuple, {oid: tuple(things) for oid, things in grouped.items()})


def frozen(value: Any) -> Any:
    """A field of a row as a frozen value holds it: arrays become tuples."""
    return tuple(map(frozen, value)) if isinstance(value, list) else value

"""What an object is called in messages and in a playbook, whatever kind it is.

Owns the one form: a kind, then the name with its schema and its table, arguments behind
it. `items.py` puts the keys of what is compared in the same form.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from psycopg import sql

from bluegreen.postgres.database import Database
from bluegreen.postgres.quoting import fewer_quotes, quote_name

Place = tuple[int, int]
"""An object's catalog and oid on one server."""

_NAMES = sql.SQL(
    """
    SELECT p.catalog::bigint, p.oid::bigint,
        CASE t.typtype WHEN 'd' THEN 'domain' WHEN 'e' THEN 'enum' WHEN 'r' THEN 'range'
            WHEN 'm' THEN 'multirange' ELSE a.type END,
        a.object_names, a.object_args
    FROM unnest(%s::oid[], %s::oid[]) p (catalog, oid)
    CROSS JOIN LATERAL pg_identify_object_as_address(p.catalog, p.oid, 0) a
    LEFT JOIN pg_type t ON p.catalog = 'pg_type'::regclass AND t.oid = p.oid
    WHERE a.type IS NOT NULL
    """
)

_WORDS = {
    "composite type": "type",
    "server": "foreign server",
    "statistics object": "statistics",
    "table constraint": "constraint",
}
_TYPES = frozenset({"domain", "enum", "range", "multirange", "type"})
_ROUTINES = frozenset({"function", "procedure", "aggregate"})


def names_of(database: Database, places: Collection[Place]) -> Mapping[Place, str]:
    """`view mon.bg`, `function public.plain(text)`; none for what is gone."""
    known = [place for place in places if place[0]]
    if not known:
        return {}
    given = [catalog for catalog, _ in known], [oid for _, oid in known]
    return {
        (catalog, oid): _name(kind, names, args)
        for catalog, oid, kind, names, args in database.quoted_rows(_NAMES, given)
    }


def _name(kind: str, names: Sequence[str], args: Sequence[str]) -> str:
    word = _WORDS.get(kind, kind)
    types = ", ".join(map(_type, args))
    if kind in _TYPES:
        # The server gives the whole name of a type in one piece.
        return f"{word} {'.'.join(map(fewer_quotes, names))}"
    if kind in _ROUTINES:
        return f"{word} {quote_name(*names)}({types})"
    if kind == "operator":
        *schemas, operator = names
        return f"{word} {'.'.join([*map(quote_name, schemas), operator])}({types})"
    if kind == "cast":
        return f"{word} ({_type(names[0])} AS {types})"
    if kind in ("operator class", "operator family"):
        method, *rest = names
        return f"{word} {quote_name(*rest)} USING {quote_name(method)}"
    return f"{word} {quote_name(*names)}"


def _type(printed: str) -> str:
    """Without the schema that is left out everywhere else."""
    return fewer_quotes(printed).removeprefix("pg_catalog.")

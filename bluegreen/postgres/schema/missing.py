"""Which objects of a dump one side has and the other lacks.

Owns matching objects across two servers. What pg_dump lists decides, whatever catalogs
its objects stand in; names are those that `pg_identify_object_as_address` gives with
every type's name quoted, so that they depend on no version's key words.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator

from psycopg import sql

from bluegreen.postgres.database import Database
from bluegreen.postgres.schema.dump import Entry
from bluegreen.postgres.schema.object_names import Place

_Named = tuple[str, tuple[str, ...], tuple[str, ...]]

_CATALOGS = sql.SQL(
    "SELECT c.oid::bigint, c.relname FROM pg_class c WHERE c.oid = ANY (%s::oid[])"
)
_ALL = sql.SQL(
    "SELECT o.oid::bigint, a.type, a.object_names, a.object_args"
    " FROM pg_catalog.{} o, pg_identify_object_as_address(o.tableoid, o.oid, 0) a"
    " WHERE a.type IS NOT NULL"
)
_SOME = sql.SQL(" AND o.oid = ANY (%s::oid[])")

_FENCE = "bluegreen_fence"
"""Our own trigger, which each side has as it needs it."""


def missing_of(
    publisher: Database, subscriber: Database, entries: Collection[Entry]
) -> set[Place]:
    """Objects of a dump of the publisher that the subscriber lacks."""
    wanted: dict[int, set[int]] = defaultdict(set)
    for entry in entries:
        if entry.catalog:
            wanted[entry.catalog].add(entry.oid)
    catalogs: dict[int, str] = dict(publisher.rows(_CATALOGS, (list(wanted),)))
    missing = set()
    for catalog, name in catalogs.items():
        there = {named for _, named in _named(subscriber, name)}
        for oid, named in _named(publisher, name, wanted[catalog]):
            if named not in there and _FENCE not in named[1]:
                missing.add((catalog, oid))
    return missing


def _named(
    database: Database, catalog: str, oids: Collection[int] | None = None
) -> Iterator[tuple[int, _Named]]:
    query = _ALL.format(sql.Identifier(catalog))
    rows = (
        database.quoted_rows(query)
        if oids is None
        else database.quoted_rows(query + _SOME, (list(oids),))
    )
    return ((oid, (kind, tuple(names), tuple(args))) for oid, kind, names, args in rows)

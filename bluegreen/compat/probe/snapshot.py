"""Reads a database's catalog into the picture of it that `compat` has.

Owns the queries, which run on 13 to 18; what the picture means is for
`compat`. Schemas of the system and of this tool are left out, and so are tables
of extensions' own.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row, tuple_row

from bluegreen.compat.catalog import Catalog, Publication, Published, Role
from bluegreen.postgres.catalog.relations import Relation, read_whole_relations
from bluegreen.postgres.catalog.scope import Name
from bluegreen.postgres.catalog.types import read_types

Row = Any

_PUBLICATIONS = """
SELECT p.pubname, p.puballtables, p.pubviaroot, p.pubinsert, p.pubupdate, p.pubdelete,
       p.pubtruncate
  FROM pg_catalog.pg_publication p"""

_PUBLISHED = """
SELECT t.pubname, t.schemaname, t.tablename,
       pg_catalog.to_jsonb(t) -> 'attnames' AS columns,
       pg_catalog.to_jsonb(t) ->> 'rowfilter' AS row_filter
  FROM pg_catalog.pg_publication_tables t"""

_ROLES = "SELECT r.rolname, r.rolsuper, r.rolbypassrls FROM pg_catalog.pg_roles r"

_GENERATED_SENT = 18
"""From this major a publication may send stored generated columns."""

_ACTIONS = ("insert", "update", "delete", "truncate")


def read_snapshot(session: psycopg.Connection) -> Catalog:
    """Read the whole picture. Reads only; takes a few milliseconds per 100 tables.

    The session's search_path must not hold the user's schemas, for `format_type` and
    `pg_get_expr` leave out what is on it; it is set for the length of the reading.

    Raises:
        psycopg.Error: a query failed, in which case nothing is known.
    """
    with session.transaction(), session.cursor(row_factory=namedtuple_row) as made:
        cursor: psycopg.Cursor[Row] = made
        cursor.execute("SHOW TimeZone")
        zone = cursor.fetchall()[0][0]
        cursor.execute("SET LOCAL search_path = pg_catalog, pg_temp")
        with session.cursor(row_factory=tuple_row) as plain:
            found = read_whole_relations(lambda asked: plain.execute(asked).fetchall())
            types = read_types(lambda asked: plain.execute(asked).fetchall())
        relations = {one.qualified: one for one in found if not one.extension}
        return Catalog(
            major=session.info.server_version // 10000,
            zone=zone,
            relations=relations,
            types={one.name: one for one in types},
            publications=_publications(cursor, relations),
            roles=_roles(cursor),
            subscribed=_subscribed(cursor),
        )


def _roles(cursor: psycopg.Cursor[Row]) -> dict[str, Role]:
    rows = cursor.execute(_ROLES).fetchall()
    return {row.rolname: Role(row.rolsuper, row.rolbypassrls) for row in rows}


def _publications(
    cursor: psycopg.Cursor[Row], relations: dict[Name, Relation]
) -> dict[str, Publication]:
    listed: dict[str, dict[Name, Published]] = defaultdict(dict)
    major = cursor.connection.info.server_version // 10000
    for row in cursor.execute(_PUBLISHED).fetchall():
        name = (row.schemaname, row.tablename)
        if name in relations:
            columns = _sent(relations[name], row.columns, major)
            listed[row.pubname][name] = Published(name, columns, row.row_filter or "")
    return {
        row.pubname: Publication(
            name=row.pubname,
            all_tables=row.puballtables,
            via_root=row.pubviaroot,
            actions=frozenset(a for a in _ACTIONS if getattr(row, f"pub{a}")),
            relations=listed[row.pubname],
        )
        for row in cursor.execute(_PUBLICATIONS).fetchall()
    }


def _sent(relation: Relation, listed: list[str] | None, major: int) -> tuple[str, ...]:
    """The columns that travel, which 13 and 14 do not say and 15 to 17 overstate.

    Before 18 no generated column is ever sent, though the view may name it.
    """
    stored = [c.name for c in relation.columns if not c.generated]
    if listed is None:
        return tuple(stored)
    return tuple(c for c in listed if major >= _GENERATED_SENT or c in stored)


def _subscribed(cursor: psycopg.Cursor[Row]) -> frozenset[int]:
    query = "SELECT r.srrelid::bigint AS oid FROM pg_catalog.pg_subscription_rel r"
    return frozenset(row.oid for row in cursor.execute(query).fetchall())

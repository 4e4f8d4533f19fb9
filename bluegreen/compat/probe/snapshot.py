"""Reads a database's catalog into the judge's picture of it.

Owns the queries, which run on 13 to 18; what the picture means is for
`compat`. Schemas of the system and of this tool are left out, and so are tables
of extensions' own.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from bluegreen.compat.catalog import (
    Catalog,
    Column,
    Constraint,
    Index,
    Name,
    Publication,
    Published,
    Relation,
    Role,
    Trigger,
    Type,
)

Row = Any

_RELATIONS = """
SELECT c.oid::bigint AS oid, n.nspname, c.relname, c.relkind::text,
       c.relpersistence::text, c.relreplident::text,
       pg_catalog.pg_get_userbyid(c.relowner) AS owner, c.relrowsecurity,
       c.relforcerowsecurity, c.relispartition
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_'
   AND n.nspname NOT IN ('information_schema', 'bluegreen')
   AND NOT EXISTS (
     SELECT FROM pg_catalog.pg_depend d
      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        AND d.objid = c.oid AND d.objsubid = 0 AND d.deptype = 'e')"""

_ANCESTORS = """
SELECT i.inhrelid::bigint AS child, i.inhparent::bigint AS parent
  FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
 WHERE c.relispartition"""

_COLUMNS = """
SELECT a.attrelid::bigint AS oid, a.attname, a.attnum, a.attnotnull,
       pg_catalog.format_type(a.atttypid, NULL) AS type,
       pg_catalog.format_type(a.atttypid, a.atttypmod)
         || coalesce(' COLLATE ' || pg_catalog.quote_ident(l.collname), '')
         AS full_type,
       a.attgenerated::text, a.attidentity::text,
       CASE WHEN a.attgenerated = '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END
         AS expr
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
  LEFT JOIN pg_catalog.pg_collation l
    ON l.oid = a.attcollation AND a.attcollation <> y.typcollation
  LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid = ANY(%(oids)s::oid[])
 ORDER BY a.attrelid, a.attnum"""

_INDEXES = """
SELECT i.indrelid::bigint AS oid, c.relname, i.indisunique, i.indisprimary,
       i.indisexclusion, i.indisvalid, i.indimmediate, i.indisreplident,
       i.indpred IS NOT NULL AS partial,
       pg_catalog.pg_get_indexdef(i.indexrelid) AS definition,
       ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(i.indkey::int2[])
               WITH ORDINALITY k(attnum, ord)
               LEFT JOIN pg_catalog.pg_attribute a
                 ON a.attrelid = i.indrelid AND a.attnum = k.attnum AND k.attnum > 0
              WHERE k.ord <= i.indnkeyatts ORDER BY k.ord) AS columns
  FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
 WHERE i.indrelid = ANY(%(oids)s::oid[]) ORDER BY c.relname"""

_CONSTRAINTS = """
SELECT k.conrelid::bigint AS oid, k.conname, k.contype::text, k.condeferred,
       pg_catalog.pg_get_constraintdef(k.oid) AS definition,
       coalesce((pg_catalog.to_jsonb(k) ->> 'conenforced')::boolean, true) AS enforced,
       fn.nspname AS other_schema, fc.relname AS other_name,
       ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(k.conkey)
               WITH ORDINALITY x(attnum, ord) JOIN pg_catalog.pg_attribute a
                 ON a.attrelid = k.conrelid AND a.attnum = x.attnum ORDER BY ord)
         AS columns,
       ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(k.confkey)
               WITH ORDINALITY x(attnum, ord) JOIN pg_catalog.pg_attribute a
                 ON a.attrelid = k.confrelid AND a.attnum = x.attnum ORDER BY ord)
         AS other_columns
  FROM pg_catalog.pg_constraint k
  LEFT JOIN pg_catalog.pg_class fc ON fc.oid = k.confrelid
  LEFT JOIN pg_catalog.pg_namespace fn ON fn.oid = fc.relnamespace
 WHERE k.conrelid = ANY(%(oids)s::oid[]) ORDER BY k.conname"""

_TRIGGERS = """
SELECT t.tgrelid::bigint AS oid, t.tgname, t.tgenabled::text,
       (t.tgtype::int & 1) <> 0 AS is_row, (t.tgtype::int & 4) <> 0 AS on_insert,
       (t.tgtype::int & 16) <> 0 AS on_update, (t.tgtype::int & 8) <> 0 AS on_delete,
       n.nspname || '.' || p.proname AS function, p.prosrc
  FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE NOT t.tgisinternal AND t.tgrelid = ANY(%(oids)s::oid[])
   AND n.nspname <> 'bluegreen' ORDER BY t.tgname"""

_TYPES = """
SELECT pg_catalog.format_type(t.oid, NULL) AS name, t.typtype::text, t.typnotnull,
       CASE WHEN t.typbasetype <> 0
            THEN pg_catalog.format_type(t.typbasetype, NULL) ELSE '' END AS base,
       ARRAY(SELECT e.enumlabel::text FROM pg_catalog.pg_enum e
              WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) AS labels,
       ARRAY(SELECT pg_catalog.pg_get_constraintdef(k.oid)
               FROM pg_catalog.pg_constraint k
              WHERE k.contypid = t.oid AND k.contype = 'c' ORDER BY 1) AS checks,
       ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
              WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
              ORDER BY a.attnum) AS attributes,
       ARRAY(SELECT pg_catalog.format_type(a.atttypid, a.atttypmod)
               FROM pg_catalog.pg_attribute a
              WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
              ORDER BY a.attnum) AS attribute_types
  FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
  LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
 WHERE (t.typtype IN ('e', 'd', 'r') OR (t.typtype = 'c' AND c.relkind = 'c'))
   AND n.nspname !~ '^pg_'
   AND n.nspname NOT IN ('information_schema', 'bluegreen')"""

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
        relations = _relations(cursor)
        return Catalog(
            major=session.info.server_version // 10000,
            zone=zone,
            relations=relations,
            types={kind.name: kind for kind in _types(cursor)},
            publications=_publications(cursor, relations),
            roles=_roles(cursor),
            subscribed=_subscribed(cursor),
        )


def _relations(cursor: psycopg.Cursor[Row]) -> dict[Name, Relation]:
    found = cursor.execute(_RELATIONS).fetchall()
    oids = {"oids": [row.oid for row in found]}
    names = {row.oid: (row.nspname, row.relname) for row in found}
    above = {row.child: row.parent for row in cursor.execute(_ANCESTORS).fetchall()}
    columns = _by_table(cursor.execute(_COLUMNS, oids).fetchall(), _column)
    indexes = _by_table(cursor.execute(_INDEXES, oids).fetchall(), _index)
    constraints = _by_table(cursor.execute(_CONSTRAINTS, oids).fetchall(), _constraint)
    triggers = _by_table(cursor.execute(_TRIGGERS, oids).fetchall(), _trigger)
    return {
        names[row.oid]: Relation(
            oid=row.oid,
            name=names[row.oid],
            kind=row.relkind,
            persistence=row.relpersistence,
            identity=row.relreplident,
            owner=row.owner,
            rls=row.relrowsecurity,
            forced_rls=row.relforcerowsecurity,
            leaf=row.relispartition,
            parents=_chain(row.oid, above, names),
            columns=columns[row.oid],
            indexes=indexes[row.oid],
            constraints=constraints[row.oid],
            triggers=triggers[row.oid],
        )
        for row in found
    }


def _by_table(rows: list[Row], make: Any) -> dict[int, tuple[Any, ...]]:
    grouped: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        grouped[row.oid].append(make(row))
    return defaultdict(tuple, {oid: tuple(made) for oid, made in grouped.items()})


def _chain(oid: int, above: dict[int, int], names: dict[int, Name]) -> tuple[Name, ...]:
    chain = []
    while (parent := above.get(oid)) is not None:
        chain.append(names[parent])
        oid = parent
    return tuple(chain)


def _column(row: Row) -> Column:
    return Column(
        name=row.attname,
        type=row.type,
        full_type=row.full_type,
        not_null=row.attnotnull,
        default=row.expr or "",
        generated=row.attgenerated,
        identity=row.attidentity,
        position=row.attnum,
    )


def _index(row: Row) -> Index:
    return Index(
        name=row.relname,
        columns=tuple(row.columns),
        unique=row.indisunique,
        primary=row.indisprimary,
        exclusion=row.indisexclusion,
        valid=row.indisvalid,
        immediate=row.indimmediate,
        identity=row.indisreplident,
        partial=row.partial,
        definition=row.definition,
    )


def _constraint(row: Row) -> Constraint:
    return Constraint(
        name=row.conname,
        kind=row.contype,
        definition=row.definition,
        columns=tuple(row.columns),
        other=(row.other_schema, row.other_name) if row.other_name else None,
        other_columns=tuple(row.other_columns),
        enforced=row.enforced,
        deferred=row.condeferred,
    )


def _trigger(row: Row) -> Trigger:
    return Trigger(
        row.tgname,
        row.tgenabled,
        row.is_row,
        row.on_insert,
        row.function,
        row.prosrc,
        row.on_update,
        row.on_delete,
    )


def _roles(cursor: psycopg.Cursor[Row]) -> dict[str, Role]:
    rows = cursor.execute(_ROLES).fetchall()
    return {row.rolname: Role(row.rolsuper, row.rolbypassrls) for row in rows}


def _types(cursor: psycopg.Cursor[Row]) -> list[Type]:
    return [_type(row) for row in cursor.execute(_TYPES).fetchall()]


def _type(row: Row) -> Type:
    return Type(
        name=row.name,
        kind=row.typtype,
        labels=tuple(row.labels),
        base=row.base,
        not_null=row.typnotnull,
        checks=tuple(row.checks),
        attributes=tuple(zip(row.attributes, row.attribute_types, strict=True)),
    )


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

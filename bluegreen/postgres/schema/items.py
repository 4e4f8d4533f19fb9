"""A database's schema as a list of named things with their definitions.

Owns the queries: the server puts each definition together, all of one moment, so they
are none of `postgres/catalog`. What a difference means is for `compare.py`.

Left out: our own schema and fence triggers, members of extensions, publications and
subscriptions, comments, statistics targets, and what each version of the catalog keeps
for itself (NOT NULL as constraints in 18, the privilege MAINTAIN from 17 on). Names are
quoted as PostgreSQL quotes them. The session's search_path must be `pg_catalog,
pg_temp`, so that every definition names its schemas.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from bluegreen.postgres.catalog.scope import OURS_OR_SYSTEM, not_of_extension
from bluegreen.postgres.database import (
    DROPPED_MEANWHILE,
    DROPPED_TRIES,
    Database,
    SqlError,
)


@dataclass(frozen=True, slots=True)
class Item:
    """One thing of a schema.

    Attributes:
        kind: `table`, `column`, `grant` and so on.
        name: with its schema and, where it has one, its table.
        parent: key of the thing that it goes with; empty where it stands alone.
        definition: what must be the same on both sides; may be empty.
    """

    kind: str
    name: str
    parent: str
    definition: str

    @property
    def key(self) -> str:
        """`column public.orders.note`, as a playbook's `differs` names it."""
        return f"{self.kind} {self.name}"


_GONE = {DROPPED_MEANWHILE, "42P01", "42704"}
"""What a look says of a thing that was dropped a moment ago."""


def read_items(database: Database, tries: int = DROPPED_TRIES) -> dict[str, Item]:
    """Everything that is compared, by key, in a stable order.

    All of one moment: a table that comes or goes meanwhile is there with all its parts
    or not at all.
    """
    try:
        found = {item.key: item for item in _read(database)}
    except SqlError as error:
        if tries <= 1 or error.sqlstate not in _GONE:
            raise
        return read_items(database, tries - 1)
    return dict(sorted(found.items()))


def _read(database: Database) -> list[Item]:
    with database.transaction() as own:
        own.execute(_ONE_MOMENT)
        rows = [row for query in _QUERIES for row in own.execute(query).fetchall()]
    # A definition is NULL where the thing was dropped while it was read.
    return [Item(*row) for row in rows if row[3] is not None]


_ONE_MOMENT = sql.SQL("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")


_OURS = {"ours": OURS_OR_SYSTEM}
_CLASS = {**_OURS, "plain": not_of_extension("pg_class", "c.oid")}
_PROC = {**_OURS, "plain": not_of_extension("pg_proc", "p.oid")}
_TYPE = {**_OURS, "plain": not_of_extension("pg_type", "t.oid")}

# What a relation is called in keys.
_WORD = sql.SQL(
    "CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'"
    " WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table' ELSE 'table' END"
)
_REL = {**_CLASS, "word": _WORD}

_SCHEMAS = sql.SQL(
    "SELECT 'schema', quote_ident(n.nspname), '', '' FROM pg_namespace n WHERE NOT {}"
).format(OURS_OR_SYSTEM)

_EXTENSIONS = sql.SQL(
    "SELECT 'extension', quote_ident(extname), '', '' FROM pg_extension"
)

_TABLES = sql.SQL(
    """
    SELECT {word}, format('%I.%I', n.nspname, c.relname), '', concat_ws('; ',
        CASE WHEN c.relkind = 'p' THEN 'PARTITION BY ' || pg_get_partkeydef(c.oid) END,
        (SELECT 'CHILD OF ' || string_agg(h.inhparent::regclass::text, ', '
                ORDER BY h.inhseqno)
            FROM pg_inherits h WHERE h.inhrelid = c.oid),
        pg_get_expr(c.relpartbound, c.oid),
        CASE WHEN c.relpersistence = 'u' THEN 'UNLOGGED' END,
        CASE WHEN c.relrowsecurity THEN 'ROW LEVEL SECURITY' END,
        CASE WHEN c.relforcerowsecurity THEN 'FORCED' END)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't'
      AND NOT {ours} AND {plain}
    """
).format(**_REL)

_VIEWS = sql.SQL(
    """
    SELECT {word}, format('%I.%I', n.nspname, c.relname), '', pg_get_viewdef(c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('v', 'm') AND c.relpersistence <> 't' AND NOT {ours} AND {plain}
    """
).format(**_REL)

_OPTIONS = sql.SQL(
    """
    SELECT 'options of ' || {word}, format('%I.%I', n.nspname, c.relname),
        format('%s %I.%I', {word}, n.nspname, c.relname),
        (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(c.reloptions) o)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm') AND c.relpersistence <> 't'
      AND c.reloptions <> '{{}}' AND NOT {ours} AND {plain}
    """
).format(**_REL)

# A partition's identity is its parent's since 17; before that it had none. DEFAULT NULL
# is no default, but for a domain; pg_dump writes it where only the parent has one.
_COLUMNS = sql.SQL(
    """
    SELECT 'column', format('%I.%I.%I', n.nspname, c.relname, a.attname),
        format('%s %I.%I', {word}, n.nspname, c.relname),
        concat_ws(' ', format_type(a.atttypid, a.atttypmod),
            CASE WHEN a.attcollation <> t.typcollation
                THEN 'COLLATE ' || a.attcollation::regcollation::text END,
            CASE WHEN a.attnotnull THEN 'NOT NULL' END,
            CASE WHEN c.relispartition THEN NULL
                WHEN a.attidentity = 'a' THEN 'GENERATED ALWAYS AS IDENTITY'
                WHEN a.attidentity = 'd' THEN 'GENERATED BY DEFAULT AS IDENTITY' END,
            CASE a.attgenerated WHEN 's' THEN 'GENERATED STORED'
                WHEN 'v' THEN 'GENERATED VIRTUAL'
                ELSE CASE WHEN d.adbin IS NOT NULL THEN 'DEFAULT' END END,
            pg_get_expr(d.adbin, d.adrelid))
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum AND (
        t.typtype = 'd' OR a.attgenerated <> ''
        OR pg_get_expr(d.adbin, d.adrelid) !~ '^NULL(::.*)?$')
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'f')
      AND c.relpersistence <> 't' AND NOT {ours} AND {plain}
    """
).format(**_REL)

# Inherited ones and those of partitions follow their parent; 18 lists NOT NULL too.
_CONSTRAINTS = sql.SQL(
    """
    SELECT 'constraint', format('%I.%I.%I', n.nspname, c.relname, o.conname),
        format('%s %I.%I', {word}, n.nspname, c.relname), pg_get_constraintdef(o.oid)
    FROM pg_constraint o
    JOIN pg_class c ON c.oid = o.conrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE o.contype IN ('c', 'f', 'p', 'u', 'x') AND o.conparentid = 0
      AND (o.conislocal OR o.coninhcount = 0) AND c.relpersistence <> 't'
      AND NOT {ours} AND {plain}
    """
).format(**_REL)

_INDEXES = sql.SQL(
    """
    SELECT 'index', format('%I.%I', n.nspname, x.relname),
        format('%s %I.%I', {word}, n.nspname, c.relname),
        pg_get_indexdef(i.indexrelid)
            || CASE WHEN i.indisvalid THEN '' ELSE ' (INVALID)' END
    FROM pg_index i
    JOIN pg_class x ON x.oid = i.indexrelid
    JOIN pg_class c ON c.oid = i.indrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relpersistence <> 't' AND NOT x.relispartition
      AND NOT EXISTS (SELECT FROM pg_constraint o
        WHERE o.conindid = i.indexrelid AND o.contype IN ('p', 'u', 'x'))
      AND NOT {ours} AND {plain}
    """
).format(**_REL)

_STATISTICS = sql.SQL(
    """
    SELECT 'statistics', format('%I.%I', n.nspname, s.stxname),
        format('table %s', s.stxrelid::regclass), pg_get_statisticsobjdef(s.oid)
    FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace
    WHERE NOT {ours}
    """
).format(**_OURS)

_TRIGGERS = sql.SQL(
    """
    SELECT 'trigger', format('%I.%I.%I', n.nspname, c.relname, g.tgname),
        format('%s %I.%I', {word}, n.nspname, c.relname),
        pg_get_triggerdef(g.oid) || CASE g.tgenabled WHEN 'D' THEN ' (DISABLED)'
            WHEN 'R' THEN ' (REPLICA)' WHEN 'A' THEN ' (ALWAYS)' ELSE '' END
    FROM pg_trigger g
    JOIN pg_class c ON c.oid = g.tgrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT g.tgisinternal AND g.tgparentid = 0 AND g.tgname <> 'bluegreen_fence'
      AND NOT {ours} AND {plain}
    """
).format(**_REL)

_RULES = sql.SQL(
    """
    SELECT 'rule', format('%I.%I.%I', n.nspname, c.relname, r.rulename),
        format('%s %I.%I', {word}, n.nspname, c.relname), pg_get_ruledef(r.oid)
    FROM pg_rewrite r
    JOIN pg_class c ON c.oid = r.ev_class
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE r.rulename <> '_RETURN' AND NOT {ours} AND {plain}
    """
).format(**_REL)

_POLICIES = sql.SQL(
    """
    SELECT 'policy', format('%I.%I.%I', n.nspname, c.relname, p.polname),
        format('%s %I.%I', {word}, n.nspname, c.relname),
        concat_ws(' ', CASE WHEN NOT p.polpermissive THEN 'RESTRICTIVE' END,
            'FOR ' || p.polcmd::text, 'TO',
            (SELECT string_agg(CASE role WHEN 0 THEN 'PUBLIC'
                    ELSE role::regrole::text END, ', ' ORDER BY role::regrole::text)
                FROM unnest(p.polroles) role),
            'USING (' || pg_get_expr(p.polqual, p.polrelid) || ')',
            'WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')')
    FROM pg_policy p
    JOIN pg_class c ON c.oid = p.polrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT {ours} AND {plain}
    """
).format(**_REL)

_SEQUENCES = sql.SQL(
    """
    SELECT 'sequence', format('%I.%I', n.nspname, c.relname),
        coalesce((SELECT format('table %I.%I', m.nspname, o.relname)
            FROM pg_depend d JOIN pg_class o ON o.oid = d.refobjid
            JOIN pg_namespace m ON m.oid = o.relnamespace
            WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
              AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
              AND o.relpersistence = 'u'), ''),
        format('AS %s START %s INCREMENT %s MINVALUE %s MAXVALUE %s CACHE %s%s%s',
            format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement, s.seqmin,
            s.seqmax, s.seqcache, CASE WHEN s.seqcycle THEN ' CYCLE' ELSE '' END,
            (SELECT format(' OWNED BY %s.%I', d.refobjid::regclass, a.attname)
                FROM pg_depend d JOIN pg_attribute a
                    ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
                WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                  AND d.refclassid = 'pg_class'::regclass
                  AND d.deptype IN ('a', 'i')))
    FROM pg_sequence s
    JOIN pg_class c ON c.oid = s.seqrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relpersistence <> 't' AND NOT {ours} AND {plain}
    """
).format(**_CLASS)

_FUNCTIONS = sql.SQL(
    """
    SELECT CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate'
            ELSE 'function' END,
        format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)), '',
        CASE WHEN p.prokind = 'a' THEN '' ELSE pg_get_functiondef(p.oid) END
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE NOT {ours} AND {plain}
      AND NOT EXISTS (SELECT FROM pg_depend d
        WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'i')
    """
).format(**_PROC)

_ENUMS = sql.SQL(
    """
    SELECT 'enum', format('%I.%I', n.nspname, t.typname), '', ''
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE t.typtype = 'e' AND NOT {ours} AND {plain}
    UNION ALL
    SELECT 'label', format('%I.%I.%I', n.nspname, t.typname, e.enumlabel),
        format('enum %I.%I', n.nspname, t.typname), ''
    FROM pg_enum e
    JOIN pg_type t ON t.oid = e.enumtypid
    JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE NOT {ours} AND {plain}
    """
).format(**_TYPE)

_TYPES = sql.SQL(
    """
    SELECT CASE t.typtype WHEN 'd' THEN 'domain' WHEN 'r' THEN 'range' ELSE 'type' END,
        format('%I.%I', n.nspname, t.typname), '',
        CASE t.typtype
            WHEN 'd' THEN concat_ws(' ', format_type(t.typbasetype, t.typtypmod),
                CASE WHEN t.typnotnull THEN 'NOT NULL' END, 'DEFAULT ' || t.typdefault,
                (SELECT string_agg(format('CONSTRAINT %I %s', o.conname,
                        pg_get_constraintdef(o.oid)), ' ' ORDER BY o.conname)
                    FROM pg_constraint o
                    WHERE o.contypid = t.oid AND o.contype = 'c'))
            WHEN 'r' THEN (SELECT format_type(r.rngsubtype, NULL) FROM pg_range r
                WHERE r.rngtypid = t.oid)
            ELSE (SELECT string_agg(format('%I %s', a.attname,
                        format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum)
                FROM pg_attribute a WHERE a.attrelid = t.typrelid
                  AND a.attnum > 0 AND NOT a.attisdropped) END
    FROM pg_type t
    JOIN pg_namespace n ON n.oid = t.typnamespace
    LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE (t.typtype IN ('d', 'r') OR t.typtype = 'c' AND c.relkind = 'c')
      AND NOT {ours} AND {plain}
    """
).format(**_TYPE)

_OTHERS = sql.SQL(
    """
    SELECT 'event trigger', quote_ident(e.evtname), '', format('ON %s %s %s EXECUTE %s',
        e.evtevent, e.evttags, e.evtenabled, e.evtfoid::regprocedure)
    FROM pg_event_trigger e
    WHERE {event}
    UNION ALL
    SELECT 'foreign server', quote_ident(s.srvname), '', ''
    FROM pg_foreign_server s
    UNION ALL
    SELECT 'collation', format('%I.%I', n.nspname, l.collname), '', l.collprovider::text
    FROM pg_collation l JOIN pg_namespace n ON n.oid = l.collnamespace WHERE NOT {ours}
    UNION ALL
    SELECT 'text search configuration', format('%I.%I', n.nspname, f.cfgname), '', ''
    FROM pg_ts_config f JOIN pg_namespace n ON n.oid = f.cfgnamespace WHERE NOT {ours}
    """
).format(**_OURS, event=not_of_extension("pg_event_trigger", "e.oid"))

# Everything that has an owner and privileges, in one form.
_OWNED = sql.SQL(
    """
    WITH owned (key, owner, acl, letter) AS (
        SELECT format('%s %I.%I', {word}, n.nspname, c.relname), c.relowner, c.relacl,
            CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't'
          AND NOT {ours} AND {plain}
        UNION ALL
        SELECT format('%s %I.%I(%s)', CASE p.prokind WHEN 'p' THEN 'procedure'
                WHEN 'a' THEN 'aggregate' ELSE 'function' END,
            n.nspname, p.proname, oidvectortypes(p.proargtypes)),
            p.proowner, p.proacl, 'f'
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE NOT {ours} AND {plain_proc}
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass
            AND d.objid = p.oid AND d.deptype = 'i')
        UNION ALL
        SELECT format('%s %I.%I', CASE t.typtype WHEN 'd' THEN 'domain'
                WHEN 'r' THEN 'range' WHEN 'e' THEN 'enum' ELSE 'type' END,
            n.nspname, t.typname), t.typowner, t.typacl, 'T'
        FROM pg_type t
        JOIN pg_namespace n ON n.oid = t.typnamespace
        LEFT JOIN pg_class c ON c.oid = t.typrelid
        WHERE (t.typtype IN ('d', 'r', 'e') OR t.typtype = 'c' AND c.relkind = 'c')
          AND NOT {ours} AND {plain_type}
        UNION ALL
        SELECT format('schema %I', n.nspname), n.nspowner, n.nspacl, 'n'
        FROM pg_namespace n WHERE NOT {ours}
    )
    """
)
_OWNED_PARTS = {
    **_REL,
    "plain_proc": _PROC["plain"],
    "plain_type": _TYPE["plain"],
}

# 15 gave schema public to pg_database_owner and took CREATE from PUBLIC.
_OWNERS = sql.SQL(
    """
    {owned} SELECT 'owner of', key, key, pg_get_userbyid(owner)::text FROM owned
    WHERE key <> 'schema public'
    """
).format(owned=_OWNED.format(**_OWNED_PARTS))

_GRANTS = sql.SQL(
    """
    {owned}
    SELECT 'grant', format('%s on %s to %s', x.privilege_type, o.key,
            CASE x.grantee WHEN 0 THEN 'PUBLIC'
                ELSE quote_ident(pg_get_userbyid(x.grantee)) END),
        o.key, CASE WHEN bool_or(x.is_grantable) THEN 'WITH GRANT OPTION' ELSE '' END
    FROM owned o
    CROSS JOIN aclexplode(coalesce(o.acl, acldefault(o.letter::"char", o.owner))) x
    WHERE x.grantee <> o.owner AND x.privilege_type <> 'MAINTAIN'
      AND NOT (o.key = 'schema public' AND x.grantee IN (0, 10))
    GROUP BY x.privilege_type, o.key, x.grantee
    UNION ALL
    SELECT 'grant', format('%s on column %I.%I.%I to %s', x.privilege_type, n.nspname,
            c.relname, a.attname, CASE x.grantee WHEN 0 THEN 'PUBLIC'
                ELSE quote_ident(pg_get_userbyid(x.grantee)) END),
        format('column %I.%I.%I', n.nspname, c.relname, a.attname), ''
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN aclexplode(a.attacl) x
    WHERE x.grantee <> c.relowner AND c.relkind IN ('r', 'p', 'f')
      AND NOT a.attisdropped AND NOT {ours} AND {plain}
    UNION ALL
    SELECT 'default grant', format('%s on %s%s by %s to %s', x.privilege_type,
            d.defaclobjtype, ' in schema ' || quote_ident(n.nspname),
            pg_get_userbyid(d.defaclrole), CASE x.grantee WHEN 0 THEN 'PUBLIC'
                ELSE quote_ident(pg_get_userbyid(x.grantee)) END), '', ''
    FROM pg_default_acl d
    LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
    CROSS JOIN aclexplode(d.defaclacl) x
    WHERE x.privilege_type <> 'MAINTAIN' AND x.grantee <> d.defaclrole
      AND n.nspname IS DISTINCT FROM 'bluegreen'
    """
).format(owned=_OWNED.format(**_OWNED_PARTS), **_CLASS)

_QUERIES = (
    _SCHEMAS,
    _EXTENSIONS,
    _TABLES,
    _VIEWS,
    _OPTIONS,
    _COLUMNS,
    _CONSTRAINTS,
    _INDEXES,
    _STATISTICS,
    _TRIGGERS,
    _RULES,
    _POLICIES,
    _SEQUENCES,
    _FUNCTIONS,
    _ENUMS,
    _TYPES,
    _OTHERS,
    _OWNERS,
    _GRANTS,
)

"""The queries by which a server tells owners and grants, as items of a schema.

Owns these two; what else a schema has is in `item_queries.py`, which says what a row
is.
"""

from __future__ import annotations

from psycopg import sql

from bluegreen.postgres.catalog.scope import OURS_OR_SYSTEM, not_of_extension

# What a relation is called in keys.
RELATION_WORD = sql.SQL(
    "CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'"
    " WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table' ELSE 'table' END"
)

_PARTS = {
    "ours": OURS_OR_SYSTEM,
    "plain": not_of_extension("pg_class", "c.oid"),
    "plain_proc": not_of_extension("pg_proc", "p.oid"),
    "plain_type": not_of_extension("pg_type", "t.oid"),
    "word": RELATION_WORD,
}

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

# 15 gave schema public to pg_database_owner and took CREATE from PUBLIC.
OWNERS = sql.SQL(
    """
    {owned} SELECT 'owner of', key, key, pg_get_userbyid(owner)::text FROM owned
    WHERE key <> 'schema "public"'
    """
).format(owned=_OWNED.format(**_PARTS))

GRANTS = sql.SQL(
    """
    {owned}
    SELECT 'grant', format('%s on %s to %s', x.privilege_type, o.key,
            CASE x.grantee WHEN 0 THEN 'PUBLIC'
                ELSE quote_ident(pg_get_userbyid(x.grantee)) END),
        o.key, CASE WHEN bool_or(x.is_grantable) THEN 'WITH GRANT OPTION' ELSE '' END
    FROM owned o
    CROSS JOIN aclexplode(coalesce(o.acl, acldefault(o.letter::"char", o.owner))) x
    WHERE x.grantee <> o.owner AND x.privilege_type <> 'MAINTAIN'
      AND NOT (o.key = 'schema "public"' AND x.grantee IN (0, 10))
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
).format(owned=_OWNED.format(**_PARTS), **_PARTS)

"""Materialized views: which were never filled, and filling them in order."""

from __future__ import annotations

from psycopg import sql

from bluegreen.postgres.database import Database

# A view's rule depends on the relations that it reads.
_BY_DEPTH = """
    WITH RECURSIVE reads AS (
        SELECT DISTINCT r.ev_class AS view, d.refobjid AS relation
        FROM pg_rewrite r JOIN pg_depend d ON d.objid = r.oid
            AND d.classid = 'pg_rewrite'::regclass
            AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class
    ), depths AS (
        SELECT c.oid, 0 AS depth FROM pg_class c WHERE c.relkind IN ('v', 'm')
        UNION
        SELECT r.view, p.depth + 1 FROM depths p JOIN reads r ON r.relation = p.oid
        WHERE p.depth < 100
    )
    SELECT n.nspname, c.relname FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN (SELECT oid, max(depth) AS depth FROM depths GROUP BY oid) d ON d.oid = c.oid
    WHERE c.relkind = 'm' AND NOT c.relispopulated
    ORDER BY d.depth, 1, 2
"""


def unfilled_views(database: Database) -> tuple[str, ...]:
    """Views that were never filled, those that others read first."""
    return tuple(f"{s}.{n}" for s, n in database.rows(sql.SQL(_BY_DEPTH)))


def refresh_views(database: Database) -> tuple[str, ...]:
    """Fill them, each in its own transaction; returns their names."""
    filled = []
    for schema, name in database.rows(sql.SQL(_BY_DEPTH)):
        database.run(
            sql.SQL("REFRESH MATERIALIZED VIEW {}").format(sql.Identifier(schema, name))
        )
        filled.append(f"{schema}.{name}")
    return tuple(filled)

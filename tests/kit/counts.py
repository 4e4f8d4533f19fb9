"""Rows of every table, as a server counts them."""

from __future__ import annotations

from tests.kit.databases import Database

_TABLES = """
    SELECT format('SELECT %L, count(*) FROM %I.%I', c.oid::regclass, n.nspname,
        c.relname)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname NOT IN
        ('pg_catalog', 'information_schema', 'bluegreen')
"""


def counts(database: Database) -> list[tuple[object, ...]]:
    """Name and number of rows of each table of the user, sorted."""
    queries = " UNION ALL ".join(str(query) for (query,) in database.rows(_TABLES))
    return sorted(database.rows(queries))

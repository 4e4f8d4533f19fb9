"""The planner's statistics: which tables have none, and making them."""

from __future__ import annotations

from psycopg import sql

from bluegreen.postgres.database import Database

# reltuples is -1 until the first VACUUM or ANALYZE (since 14).
_NEVER = """
    SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.reltuples < 0 AND c.relpersistence = 'p'
      AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'bluegreen')
"""


def tables_never_analyzed(database: Database) -> int:
    """How many tables the planner knows nothing of."""
    return int(database.value(sql.SQL(_NEVER)))


def analyze(database: Database) -> None:
    """ANALYZE the whole database; takes no lock that stops reads or writes."""
    database.run(sql.SQL("ANALYZE"))

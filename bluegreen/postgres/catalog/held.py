"""What a database holds of its own, by name, to tell whether it is empty."""

from __future__ import annotations

from psycopg import sql

from bluegreen.postgres.catalog.scope import not_of_extension
from bluegreen.postgres.database import Database

_OWN = sql.SQL(
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND {}"
).format(not_of_extension("pg_class", "c.oid"))
"""Our own schema too: a database that has it is a side."""


def names_of_relations(database: Database) -> list[str]:
    """Every relation that belongs to no extension, also those of our schema."""
    query = sql.SQL(
        "SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) {} ORDER BY 1"
    )
    return [str(name) for (name,) in database.rows(query.format(_OWN))]


def count_tables(database: Database) -> int:
    """How many tables can hold rows: partitioned ones are not counted."""
    query = sql.SQL("SELECT count(*) {} AND c.relkind = 'r'")
    return int(database.value(query.format(_OWN)))

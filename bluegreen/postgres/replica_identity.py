"""Setting a table's replica identity. Owns the statement and its short lock."""

from __future__ import annotations

from psycopg import sql

from bluegreen.postgres.database import Database


def set_identity_full(database: Database, schema: str, table: str) -> None:
    """Let the whole row be the key. Catalog only; ACCESS EXCLUSIVE for a moment.

    Raises:
        SqlError: 55P03 when the table stayed locked for 2 s.
    """
    _set(database, schema, table, sql.SQL("FULL"))


def set_identity_default(database: Database, schema: str, table: str) -> None:
    """Back to the primary key, or none."""
    _set(database, schema, table, sql.SQL("DEFAULT"))


def _set(database: Database, schema: str, table: str, what: sql.SQL) -> None:
    with database.transaction() as session:
        session.execute(sql.SQL("SET LOCAL lock_timeout = '2s'"))
        session.execute(
            sql.SQL("ALTER TABLE ONLY {} REPLICA IDENTITY {}").format(
                sql.Identifier(schema, table), what
            )
        )

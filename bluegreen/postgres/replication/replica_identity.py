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


def set_identity_nothing(database: Database, schema: str, table: str) -> None:
    """No identity at all."""
    _set(database, schema, table, sql.SQL("NOTHING"))


def set_identity_index(database: Database, schema: str, table: str, index: str) -> None:
    """Let a unique index be the key. Catalog only, the same lock."""
    what = sql.SQL("USING INDEX {}").format(sql.Identifier(index))
    _set(database, schema, table, what)


def make_key_index(
    database: Database, schema: str, table: str, index: str, columns: tuple[str, ...]
) -> None:
    """Make a unique index for a replica identity, where no one writes: SHARE lock."""
    database.run(
        sql.SQL("CREATE UNIQUE INDEX IF NOT EXISTS {} ON {} ({})").format(
            sql.Identifier(index),
            sql.Identifier(schema, table),
            sql.SQL(", ").join(map(sql.Identifier, columns)),
        )
    )


def drop_key_index(database: Database, schema: str, index: str) -> None:
    """Drop an index of `make_key_index`; a table that rests on it has no identity."""
    database.run(
        sql.SQL("DROP INDEX IF EXISTS {}").format(sql.Identifier(schema, index))
    )


def _set(
    database: Database, schema: str, table: str, what: sql.SQL | sql.Composed
) -> None:
    with database.transaction() as session:
        session.execute(sql.SQL("SET LOCAL lock_timeout = '2s'"))
        session.execute(
            sql.SQL("ALTER TABLE ONLY {} REPLICA IDENTITY {}").format(
                sql.Identifier(schema, table), what
            )
        )

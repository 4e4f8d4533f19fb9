"""Which migrations were applied to a database, remembered in that database.

Owns the table `bluegreen.migration`. It stands on green only and is written in the
transaction of the statements it speaks of, so that a kill never parts the two; a green
that is made again starts without it. The journal says the same to people.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from bluegreen.postgres.database import Database
from bluegreen.postgres.user_session import UserSession

_CREATE = sql.SQL(
    """
    CREATE TABLE IF NOT EXISTS bluegreen.migration (
        place integer GENERATED ALWAYS AS IDENTITY,
        name text PRIMARY KEY,
        digest text NOT NULL,
        done integer NOT NULL,
        done_digest text NOT NULL,
        begun integer NOT NULL,
        finished timestamptz
    )
    """
)

_SAVE = sql.SQL(
    """
    INSERT INTO bluegreen.migration (name, digest, done, done_digest, begun, finished)
    VALUES (%(name)s, %(digest)s, %(done)s, %(done_digest)s, %(begun)s,
        CASE WHEN %(finished)s THEN pg_catalog.clock_timestamp() END)
    ON CONFLICT (name) DO UPDATE SET digest = excluded.digest, done = excluded.done,
        done_digest = excluded.done_digest, begun = excluded.begun,
        finished = excluded.finished
    """
)


@dataclass(frozen=True, slots=True)
class AppliedRow:
    """One migration that was applied, or a part of it.

    Attributes:
        name: as the tool calls it.
        digest: SHA-256 of the whole, as it was then.
        done: how many statements are done.
        done_digest: SHA-256 over those, as a half-applied file may be fixed behind.
        begun: number of a statement that was begun outside a transaction and not seen
            to end; 0 where there is none.
        finished: whether it is applied to its end.
    """

    name: str
    digest: str
    done: int
    done_digest: str
    begun: int
    finished: bool


def read_applied(database: Database) -> list[AppliedRow]:
    """All rows in the order in which they were begun; none before the first."""
    if database.value(sql.SQL("SELECT to_regclass('bluegreen.migration') IS NULL")):
        return []
    rows = database.rows(
        sql.SQL(
            "SELECT name, digest, done, done_digest, begun, finished IS NOT NULL"
            " FROM bluegreen.migration ORDER BY place"
        )
    )
    return [AppliedRow(*row) for row in rows]


def make_table(database: Database) -> None:
    """Make the table where it is missing."""
    database.run(_CREATE)


def remember(session: UserSession, row: AppliedRow) -> None:
    """Write a row in the transaction that is open in the session, as ourselves.

    The user's SQL may have changed the role; SET LOCAL gives it back at the end.
    """
    own = session.connection
    with session.database.translated():
        own.execute(sql.SQL("SET LOCAL SESSION AUTHORIZATION DEFAULT"))
        own.execute(sql.SQL("SET LOCAL ROLE NONE"))
        own.execute(_SAVE, {name: getattr(row, name) for name in AppliedRow.__slots__})


def find_index(
    session: UserSession, schema: str, table: str, index: str
) -> tuple[str, bool] | None:
    """An index of a table: the schema it stands in, and whether it is valid.

    The table is looked for as the session's search_path says where `schema` is empty.
    """
    name = sql.Identifier(schema, table) if schema else sql.Identifier(table)
    with session.database.translated():
        rows = session.connection.execute(
            sql.SQL(
                "SELECT n.nspname, i.indisvalid FROM pg_catalog.pg_index i"
                " JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid"
                " JOIN pg_catalog.pg_namespace n ON n.oid = x.relnamespace"
                " WHERE x.relname = %s"
                " AND i.indrelid = pg_catalog.to_regclass(%s)"
            ),
            (index, name.as_string(session.connection)),
        ).fetchall()
    return (rows[0][0], rows[0][1]) if rows else None


def drop_invalid_index(session: UserSession, schema: str, index: str) -> None:
    """Drop what a failed CREATE INDEX CONCURRENTLY left."""
    with session.database.translated():
        session.connection.execute(
            sql.SQL("DROP INDEX CONCURRENTLY {}").format(sql.Identifier(schema, index))
        )

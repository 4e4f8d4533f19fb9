"""A schema means the same on green, however blue's server writes its text."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from psycopg import sql

from bluegreen.postgres.schema.copy import copy_rest, copy_tables
from tests.kit import databases
from tests.kit.databases import DatabasePair
from tests.kit.steps import handles

MADE = (
    r"""CREATE TABLE notes (id int PRIMARY KEY, path text DEFAULT 'C:\tmp',
    CHECK (path <> 'a\b'))""",
    """CREATE TABLE "Caf\u00e9" (id int PRIMARY KEY, said text DEFAULT '\u00fc')""",
    r"CREATE INDEX no_share ON notes (id) WHERE path <> '\\host\share'",
)


def make_in_latin1(database: databases.Database) -> None:
    name = sql.Identifier(database.name)
    with database.server.connect() as session:
        session.execute(sql.SQL("DROP DATABASE {}").format(name))
        session.execute(
            sql.SQL(
                "CREATE DATABASE {} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'"
            ).format(name)
        )


@pytest.mark.parametrize("odd", ["blue", "green"])
def test_backslashes_and_letters_of_another_encoding_come_over(
    database_pair: Callable[[int, int], DatabasePair], odd: str
) -> None:
    pair = database_pair(16, 18)
    for side in (pair.blue, pair.green):
        make_in_latin1(side)
    with pair.blue.connect(client_encoding="UTF8") as session:
        for statement in MADE:
            session.execute(statement.encode())
    theirs = getattr(pair, odd)
    with theirs.connect() as session:
        session.execute(
            sql.SQL("ALTER DATABASE {} SET standard_conforming_strings = off").format(
                sql.Identifier(theirs.name)
            )
        )
    with handles(pair) as (blue, green):
        copy_tables(blue, green)
        copy_rest(blue, green, workers=1, done=lambda done, total: None)
    assert told(pair.green) == told(pair.blue)


def told(database: databases.Database) -> list[tuple[object, ...]]:
    """Expressions as one kind of session writes them, and what a default gives."""
    options = "-c standard_conforming_strings=on -c client_encoding=UTF8"
    with database.connect(options=options) as session:
        given = [
            *session.execute("INSERT INTO notes VALUES (1) RETURNING path").fetchall(),
            *session.execute(
                'INSERT INTO "Caf\u00e9" VALUES (1) RETURNING said'
            ).fetchall(),
        ]
        kept = session.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE contype = 'c' UNION ALL"
            " SELECT indexdef FROM pg_indexes WHERE tablename = 'notes' ORDER BY 1"
        ).fetchall()
    return [*given, *kept]

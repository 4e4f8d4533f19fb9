"""The tables in which migration tools remember what they ran.

Owns bringing their rows to green once. They travel in no stream: the
tool's own rows on green would tell blue that it was migrated (golang-migrate's
TRUNCATE and INSERT did), and blue's would tell green the opposite.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from psycopg import sql

from bluegreen.model.bookkeeping import BOOKKEEPING
from bluegreen.postgres.catalog.relations import Relation
from bluegreen.postgres.database import Database
from bluegreen.postgres.user_session import user_session

LOCK_WAIT = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class BookkeepingTable:
    """One that both sides have, and how many rows it holds there."""

    schema: str
    name: str
    blue: int
    green: int

    @property
    def full_name(self) -> str:
        """`schema.table`."""
        return f"{self.schema}.{self.name}"


def is_bookkeeping(relation: Relation) -> bool:
    """Whether a migration tool owns the table."""
    return relation.holds_rows and relation.name in BOOKKEEPING


def names_of_bookkeeping(relations: Iterable[Relation]) -> tuple[str, ...]:
    """`schema.table` of each. Pure."""
    return tuple(r.full_name for r in relations if is_bookkeeping(r))


def read_bookkeeping(
    blue: Database,
    green: Database,
    on_blue: Iterable[Relation],
    on_green: Iterable[Relation],
) -> tuple[BookkeepingTable, ...]:
    """The tables that both sides have, with their rows counted."""
    there = {r.full_name for r in on_green if is_bookkeeping(r)}
    return tuple(
        BookkeepingTable(
            r.schema,
            r.name,
            _count(blue, r.schema, r.name),
            _count(green, r.schema, r.name),
        )
        for r in on_blue
        if is_bookkeeping(r) and r.full_name in there
    )


def copy_bookkeeping(
    blue: Database, green: Database, tables: Iterable[BookkeepingTable]
) -> int:
    """Bring the rows of empty tables to green, in one transaction; how many.

    Their sequences come with them, as no cutover sets those.
    """
    rows = 0
    with user_session(green, lock_timeout=LOCK_WAIT) as session, session.transaction():
        for table in tables:
            name = sql.Identifier(table.schema, table.name)
            giving, taking = blue.session.cursor(), session.connection.cursor()
            with (
                blue.translated(),
                green.translated(),
                giving.copy(sql.SQL("COPY {} TO STDOUT").format(name)) as out,
                taking.copy(sql.SQL("COPY {} FROM STDIN").format(name)) as into,
            ):
                for block in out:
                    into.write(block)
            rows += taking.rowcount
            for sequence, last, called in _owned(blue, table):
                with green.translated():
                    session.connection.execute(
                        sql.SQL("SELECT pg_catalog.setval(%s, %s, %s)"),
                        (sequence, last, called),
                    )
    return rows


def _owned(database: Database, table: BookkeepingTable) -> list[tuple[str, int, bool]]:
    """Sequences that the table's columns own, and where they stand."""
    names = database.rows(
        sql.SQL(
            "SELECT n.nspname, s.relname FROM pg_depend d"
            " JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'"
            " JOIN pg_namespace n ON n.oid = s.relnamespace"
            " WHERE d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')"
            " AND d.refobjid = pg_catalog.to_regclass(%s)"
        ),
        (sql.Identifier(table.schema, table.name).as_string(None),),
    )
    found = []
    for schema, name in names:
        own = sql.Identifier(schema, name)
        [(last, called)] = database.rows(
            sql.SQL("SELECT last_value, is_called FROM {}").format(own)
        )
        found.append((own.as_string(None), last, called))
    return found


def _count(database: Database, schema: str, name: str) -> int:
    return int(
        database.value(
            sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, name))
        )
    )

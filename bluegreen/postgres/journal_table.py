"""The journal as a table of one database: reading it and adding to it.

Owns the SQL only. That both sides tell the same story is for `engine/journal.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb

from bluegreen.model.errors import LeaseRefused
from bluegreen.model.record import Kind, Record
from bluegreen.postgres.database import Database

_COLUMNS = sql.SQL("seq, at, kind, epoch, run, action, body, writer, follows")

LOCK_WAIT = "1s"
"""A record is written in milliseconds; a tool that was stopped in the middle of one
holds its lock for longer, and has paused nothing then."""


def has_journal(database: Database) -> bool:
    """Whether the table is there at all."""
    return bool(
        database.value(sql.SQL("SELECT to_regclass('bluegreen.journal') IS NOT NULL"))
    )


def read_records(database: Database, after: int = 0) -> list[Record]:
    """All records with a number above `after`, oldest first.

    A database without our schema has none.

    Raises:
        LeaseRefused: 8004, a record is of a kind that only a newer version knows.
    """
    if not has_journal(database):
        return []
    rows = database.rows(
        sql.SQL("SELECT {} FROM bluegreen.journal WHERE seq > %s ORDER BY seq").format(
            _COLUMNS
        ),
        (after,),
    )
    try:
        return [_record(row) for row in rows]
    except ValueError as error:
        raise LeaseRefused(
            8004,
            f"{database.side} was set up by a newer bluegreen",
            seen=f"its journal has a record that this one does not know: {error}",
            wanted="records of kinds that this bluegreen knows; nothing was touched",
            hint="use the bluegreen that wrote it, or a newer one; "
            "`bluegreen --version`",
        ) from None


def has_moved(database: Database) -> bool:
    """Whether it knows of a committed move of traffic, in either direction."""
    return has_journal(database) and bool(
        database.value(
            sql.SQL("SELECT EXISTS (SELECT FROM bluegreen.journal WHERE epoch > 0)")
        )
    )


def add_record(database: Database, record: Record) -> None:
    """Store one record under its number, flushed to disk before this returns.

    Raises:
        SqlError: 23505 when another writer took the number.
    """
    with database.transaction() as session:
        session.execute(sql.SQL("SET LOCAL synchronous_commit = on"))
        session.execute(
            sql.SQL(
                "INSERT INTO bluegreen.journal ({})"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
            ).format(_COLUMNS),
            _values(record),
        )


@contextmanager
def no_new_records(database: Database) -> Iterator[None]:
    """Let nobody add a record while the block runs; what is there can be read.

    Raises:
        SqlError: 55P03, a record is being written for longer than that takes.
    """
    with database.connect(lock_timeout=LOCK_WAIT) as own, database.translated():
        own.execute(sql.SQL("BEGIN"))
        own.execute(sql.SQL("LOCK TABLE bluegreen.journal IN SHARE MODE"))
        yield


def server_time(database: Database) -> Any:
    """The server's clock, as an aware datetime in UTC."""
    return database.value(sql.SQL("SELECT clock_timestamp()"))


def _values(record: Record) -> Sequence[Any]:
    return (
        record.seq,
        record.at,
        str(record.kind),
        record.epoch,
        record.run,
        record.action,
        Jsonb(dict(record.body)),
        record.writer,
        record.follows,
    )


def _record(row: tuple[Any, ...]) -> Record:
    seq, at, kind, epoch, run, action, body, writer, follows = row
    return Record(seq, at, Kind(kind), epoch, run, action, body, writer, follows)

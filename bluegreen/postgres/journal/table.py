"""The journal as a table of one database: reading it and adding to it.

Owns the SQL only. That both sides hold the same records is for `engine/journal.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb

from bluegreen.model.codes import Code
from bluegreen.model.errors import LeaseRefused
from bluegreen.model.record import Kind, Record
from bluegreen.postgres.database import (
    Database,
    ServerGoneError,
    SqlError,
)
from bluegreen.postgres.hang_up import hung_up_after
from bluegreen.postgres.journal.lease import HOLDS
from bluegreen.postgres.sync_wait import name_standby

NOT_NEWEST = "BG001"
"""How a command of ours says on the server that others have moved on. No SQLSTATE of
PostgreSQL begins so."""

_COLUMNS = sql.SQL("seq, at, kind, epoch, run, action, body, writer, follows")

LOCK_WAIT = "1s"
"""A record is written in milliseconds; a tool that was stopped in the middle of one
holds its lock for longer, and has paused nothing then."""


STORED_WITHIN = timedelta(seconds=20)
"""Longer than a disk stands still under a checkpoint. A commit that waits for a
synchronous standby never gives up by itself, and no timeout of the server ends it."""


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
            Code.JOURNAL_NOT_WRITABLE,
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


def newest_pause(database: Database) -> Record | None:
    """The record that announced the last pause; None where no pause was announced.

    One row, however long the journal is.
    """
    return _newest_of(database, Kind.PAUSING)


def open_pause(database: Database) -> Record | None:
    """The record of the newest pause while none tells that it has ended."""
    record = _newest_of(database, Kind.PAUSING, Kind.MOVED, Kind.BACKED_OUT)
    return record if record and record.kind is Kind.PAUSING else None


def _newest_of(database: Database, *kinds: Kind) -> Record | None:
    if not has_journal(database):
        return None
    rows = database.rows(
        sql.SQL(
            "SELECT {} FROM bluegreen.journal WHERE kind IN ({})"
            " ORDER BY seq DESC LIMIT 1"
        ).format(_COLUMNS, sql.SQL(", ").join(map(sql.Literal, map(str, kinds))))
    )
    return _record(rows[0]) if rows else None


def add_record(
    database: Database, record: Record, lease_session: int | None = None
) -> bool:
    """Store one record under its number, flushed to disk before this returns.

    Args:
        database: the side that gets it.
        record: what is stored.
        lease_session: the process on that server that holds the writer's lease; the
            same statement asks for it. None for who writes without a lease.

    Returns:
        False when that process does not hold the lease any more: nothing was stored.

    Raises:
        SqlError: 23505 when another writer took the number.
        ServerGoneError: unknown whether it was stored. A commit that waits for a
            synchronous standby is not waited for any longer than `STORED_WITHIN`; it is
            stored once the wait ends, and until then no other record gets its number.
    """
    held, holder = (
        (sql.SQL("true"), ()) if lease_session is None else (HOLDS, (lease_session,))
    )
    with _in_time(database), database.transaction() as session:
        session.execute(sql.SQL("SET LOCAL synchronous_commit = on"))
        stored = session.execute(
            sql.SQL(
                "INSERT INTO bluegreen.journal ({})"
                " SELECT %s, %s, %s::text, %s, %s::text, %s::text, %s, %s::text,"
                " %s::text WHERE {} RETURNING seq"
            ).format(_COLUMNS, held),
            (*_values(record), *holder),
        ).fetchone()
    return stored is not None


@contextmanager
def _in_time(database: Database) -> Iterator[None]:
    try:
        with hung_up_after(STORED_WITHIN, database):
            yield
    except ServerGoneError as error:
        name_standby(error, database)
        raise


def run_while_newest(database: Database, command: sql.Composable, pause: int) -> bool:
    """Run a command unless a pause newer than `pause` was announced on this side.

    Question and command are one transaction, in which no record can be added: a tool
    that was stopped for minutes right before it changes nothing.

    Returns:
        False when a newer pause was announced: the command was not run.
    """
    return _run_while(
        database, command, sql.SQL("kind = 'pausing' AND seq > {}"), pause
    )


def run_while_free(database: Database, command: sql.Composable, number: int) -> bool:
    """The same, unless a record of that number or a later one is there."""
    return _run_while(database, command, sql.SQL("seq >= {}"), number)


def _run_while(
    database: Database, command: sql.Composable, unless: sql.SQL, number: int
) -> bool:
    statement = command.as_string(None)
    body = sql.SQL(
        "BEGIN LOCK TABLE bluegreen.journal IN SHARE MODE;"
        " IF EXISTS (SELECT FROM bluegreen.journal WHERE {})"
        " THEN RAISE EXCEPTION USING ERRCODE = {}; END IF;"
        " EXECUTE {}; END"
    ).format(unless.format(sql.Literal(number)), NOT_NEWEST, sql.Literal(statement))
    try:
        database.run(sql.SQL("DO {}").format(sql.Literal(body.as_string(None))))
    except SqlError as error:
        if error.sqlstate != NOT_NEWEST:
            raise
        return False
    return True


@contextmanager
def no_new_records(database: Database) -> Iterator[None]:
    """Let no record be added while the block runs; what is there can be read.

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

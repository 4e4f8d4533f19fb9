"""A session that runs the user's own SQL on green.

Owns its settings: search_path and TimeZone as the database and role have them, the
pass through green's fence, and the timeouts. What runs in it is for `migrators/` and
the validation queries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import psycopg
from psycopg import Connection, sql
from psycopg.pq import TransactionStatus

from bluegreen.postgres.catalog.identity import issue_pass, withdraw_pass
from bluegreen.postgres.catalog.locks import held_locks
from bluegreen.postgres.database import Database, Row

THEIRS = frozenset(
    {
        "search_path",
        "DateStyle",
        "IntervalStyle",
        "TimeZone",
        "client_min_messages",
        "default_transaction_isolation",
        "default_transaction_deferrable",
    }
)
"""Settings on which the meaning of the user's SQL rests; not pinned by us."""


class RefusedBySql(Exception):
    """The server refused a statement of the user.

    Attributes:
        sqlstate: five letters.
        message: the server's words, detail and hint included.
        at: character in the statement, from 0; None where the server named none.
    """

    def __init__(self, error: psycopg.Error) -> None:
        diag = error.diag
        parts = [
            f"{diag.message_primary or str(error).strip()} (SQLSTATE {error.sqlstate})",
            diag.message_detail,
            f"hint: {diag.message_hint}" if diag.message_hint else None,
            diag.context,
        ]
        self.sqlstate = error.sqlstate or ""
        self.message = "\n".join(part for part in parts if part)
        position = diag.statement_position
        self.at = int(position) - 1 if position else None
        super().__init__(self.message)


@dataclass(frozen=True, slots=True)
class UserSession:
    """One session. Make it with `user_session`."""

    connection: Connection[Row]
    database: Database

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, a failed one too."""
        return self.connection.info.transaction_status != TransactionStatus.IDLE

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction of ours around what runs inside."""
        with self._refusals(), self.connection.transaction():
            yield

    def run(self, text: str) -> None:
        """Run one statement of the user as it is written.

        Raises:
            RefusedBySql: the server refused it.
            ServerGoneError: the connection broke.
        """
        with self._refusals():
            self.connection.execute(verbatim(text))

    def first_rows(self, text: str, count: int) -> list[Row]:
        """The first rows of a query, read through a cursor on the server.

        A cursor takes nothing but a query, and never more than it is asked for.

        Raises:
            RefusedBySql: the server refused it.
            ServerGoneError: the connection broke.
        """
        with (
            self._refusals(),
            self.connection.transaction(),
            self.connection.cursor(name="bluegreen_rows") as cursor,
        ):
            cursor.execute(verbatim(text.rstrip().rstrip(";")))
            return cursor.fetchmany(count)

    def locks(self) -> Mapping[str, str]:
        """Telling locks held now; empty outside a transaction."""
        if not self.in_transaction:
            return {}
        with self.database.translated():
            return held_locks(self.connection, self.database)

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            if error.sqlstate is None or error.sqlstate.startswith(("57P", "08")):
                with self.database.translated():
                    raise
            raise RefusedBySql(error) from error


@contextmanager
def user_session(
    database: Database,
    *,
    lock_timeout: timedelta = timedelta(0),
    statement_timeout: timedelta = timedelta(0),
    read_only: bool = False,
) -> Iterator[UserSession]:
    """Open a session for the user's SQL; its pass is withdrawn when it ends.

    Args:
        database: green.
        lock_timeout: 0 waits for ever.
        statement_timeout: 0 waits for ever.
        read_only: every transaction of it is, and it gets no pass.
    """
    settings = {
        "lock_timeout": _ms(lock_timeout),
        "statement_timeout": _ms(statement_timeout),
        "default_transaction_read_only": "on" if read_only else "off",
    }
    with database.connect(leave=THEIRS, **settings) as connection:
        with database.translated():
            _keep_out_of_our_schema(connection)
        has_pass = not read_only and _carry_pass(connection, database)
        try:
            yield UserSession(connection, database)
        finally:
            if has_pass:
                withdraw_pass(database)


def verbatim(text: str) -> sql.SQL:
    """SQL that the user wrote, to be run as it stands and never put together."""
    return sql.SQL(text)


def _carry_pass(connection: Connection[Row], database: Database) -> bool:
    if database.value(sql.SQL("SELECT to_regclass('bluegreen.identity') IS NULL")):
        return False
    token = issue_pass(database)
    with database.translated():
        connection.execute(
            sql.SQL("SELECT pg_catalog.set_config('bluegreen.pass', %s, false)"),
            (token.reveal(),),
        )
    return True


def _keep_out_of_our_schema(connection: Connection[Row]) -> None:
    """A role named bluegreen finds our schema by `"$user"`: it must not write there."""
    connection.execute(
        sql.SQL(
            "SELECT pg_catalog.set_config('search_path', (SELECT"
            " pg_catalog.string_agg(pg_catalog.quote_ident(s), ', ' ORDER BY place)"
            " FROM pg_catalog.unnest(pg_catalog.current_schemas(false))"
            " WITH ORDINALITY AS found (s, place) WHERE s <> 'bluegreen'), false)"
            " WHERE 'bluegreen' = ANY (pg_catalog.current_schemas(false))"
        )
    )


def _ms(span: timedelta) -> str:
    return str(int(span.total_seconds() * 1000))

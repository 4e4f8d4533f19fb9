"""One side's database: how sessions to it are opened and statements run.

Owns the DSN, the warm session, and the one place where psycopg's exceptions become
ours. How a session is opened is in `session.py`; what is asked of a database lives in
the neighbouring files.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any
from weakref import WeakSet

import psycopg
from psycopg import pq, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bluegreen.model.codes import Code
from bluegreen.model.errors import StepError
from bluegreen.model.secret import Secret
from bluegreen.model.side import Side
from bluegreen.postgres import tls
from bluegreen.postgres.quoting import QUOTE_ALL
from bluegreen.postgres.session import open_session
from bluegreen.postgres.statement_text import shown, statement_of

Query = sql.SQL | sql.Composed
Row = tuple[Any, ...]


class SqlError(StepError):
    """A server refused a statement.

    Args:
        error: what psycopg raised.
        side: where it happened.
        thing: what was to be made, e.g. `VIEW shop totals`; empty where the statement
            says it.
        statement: what we ran; as the cursor knows it where it is empty.

    Attributes:
        sqlstate: PostgreSQL's five-letter code, e.g. `55P03`.
        side: where it happened.
        refusal: what psycopg raised.
    """

    def __init__(
        self, error: psycopg.Error, side: str, *, thing: str = "", statement: str = ""
    ) -> None:
        diag = error.diag
        seen = [f"on {side}: {diag.message_primary or str(error).strip()}"]
        seen += [diag.message_detail] if diag.message_detail else []
        seen += [f"object: {thing}"] if thing else []
        statement = shown(statement) or statement_of(error)
        seen += [f"statement: {statement}"] if statement else []
        # It names the functions that were running; values of rows may be in it too.
        seen += [f"context: {diag.context}"] if thing and diag.context else []
        super().__init__(
            Code.STATEMENT_REFUSED,
            f"{side} refused a statement ({error.sqlstate})",
            seen="\n".join(seen),
            hint=diag.message_hint or "fix what the server names, then run again",
        )
        self.sqlstate = error.sqlstate or ""
        self.side = side
        self.refusal = error

    def about(self, thing: str, statement: str = "") -> SqlError:
        """The same, naming what was to be made and the statement that was to do it."""
        return SqlError(self.refusal, self.side, thing=thing, statement=statement)


class ServerGoneError(StepError):
    """The connection to a server broke; what it was doing is unknown."""

    def __init__(self, error: psycopg.Error, side: str) -> None:
        super().__init__(
            Code.SERVER_WENT_AWAY,
            f"the connection to {side} broke",
            seen=str(error).strip(),
            wanted="a server that stays up while bluegreen works",
            hint=f"see that {side} is up, then run `bluegreen status`",
        )
        self.side = side


LOCK_NOT_FREE = frozenset({"55P03", "40P01"})
"""A lock was not had: `lock_timeout`, or a deadlock. Asking again may do."""

DROPPED_MEANWHILE = "XX000"
"""What the server's functions say of a relation that was dropped since their snapshot:
they know no state of their own for it."""

DROPPED_TRIES = 10
"""Looks in a row; each takes milliseconds, and so does making and dropping a table."""


class Database:
    """A side's database, reached directly and never through a pooler.

    Args:
        side: blue or green.
        dsn: libpq key words and values, or a URL, without a password.
        password: kept out of every printed form.
        seen_from_peer: key words in which the other side's server must reach this one
            differently, e.g. another host.
        label: shows in its sessions' names.
        called: what messages call it where it is none of the two sides.
    """

    def __init__(
        self,
        side: Side,
        dsn: str,
        *,
        password: Secret | None = None,
        seen_from_peer: Mapping[str, str] | None = None,
        label: str = "bluegreen",
        called: str = "",
    ) -> None:
        self.side = side
        self.called = called or str(side)
        self.label = label
        self._password = password
        self._peer = dict(seen_from_peer or {})
        self._given: dict[str, Any] = conninfo_to_dict(dsn)
        self._params = tls.pinned(self._given, password=password is not None)
        self._dsn = dsn
        self._session: psycopg.Connection[Row] | None = None
        self._opened: WeakSet[psycopg.Connection[Row]] = WeakSet()

    def spec(self) -> dict[str, Any]:
        """All that `of_spec` needs, the password in clear.

        For a pipe to a process of our own; never for a file, an argument or a log.
        """
        return {
            "side": str(self.side),
            "dsn": self._dsn,
            "password": self._password.reveal() if self._password else None,
            "seen_from_peer": self._peer,
            "label": self.label,
        }

    @classmethod
    def of_spec(
        cls, spec: Mapping[str, Any], *, connect_timeout_s: int | None = None
    ) -> Database:
        """The same database for another process, which may have less patience."""
        password = spec["password"]
        # A key word that is None is left out.
        dsn = make_conninfo(spec["dsn"], connect_timeout=connect_timeout_s)
        return cls(
            Side(spec["side"]),
            dsn,
            password=Secret(password) if password is not None else None,
            seen_from_peer=spec["seen_from_peer"],
            label=spec["label"],
        )

    def beside(self, dbname: str) -> Database:
        """Another database of the same server, reached the same way."""
        return Database(
            self.side,
            make_conninfo("", **{**self._params, "dbname": dbname}),
            password=self._password,
            label=self.label,
        )

    @property
    def major(self) -> int:
        """The server's major version, 13 to 18."""
        with self.translated():
            return self.session.info.server_version // 10_000

    @property
    def dbname(self) -> str:
        """The database's name as the server tells it."""
        return str(self.value(sql.SQL("SELECT current_database()")))

    @property
    def address(self) -> str:
        """Host, port and database, for messages."""
        return _address(self._params)

    @property
    def endpoint(self) -> tuple[str, int]:
        """Host and port as the DSN has them; the host is empty for a local socket."""
        host = self._params.get("host") or self._params.get("hostaddr") or ""
        return str(host), int(self._params.get("port") or 5432)

    @property
    def address_for_peer(self) -> str:
        """The same as the other side's server reaches it."""
        return _address({**self._params, **self._peer})

    @property
    def unverified(self) -> list[str]:
        """Where less than a verified server was asked for: `blue: sslmode=require`."""
        ways = {
            str(self.side): self._given,
            f"{self.side} seen from {self.side.other}": {**self._given, **self._peer},
        }
        found = {way: tls.weakness(words) for way, words in ways.items()}
        return [f"{way}: {said}" for way, said in found.items() if said]

    def describe(self) -> str:
        """`blue (10.0.0.5:5432/app)`."""
        return f"{self.called} ({self.address})"

    def conninfo_for_tools(self) -> tuple[str, dict[str, str]]:
        """A DSN for pg_dump and friends, and the environment with the password.

        The password goes by environment, so that it is not in the process list.
        """
        env = {"PGPASSWORD": self._password.reveal()} if self._password else {}
        return make_conninfo("", **self._params), env

    def conninfo_for_peer(self) -> Secret:
        """What the other side's server puts into its subscription."""
        params = {**self._given, **self._peer}
        with_password = self._password is not None and "passfile" not in params
        params = tls.pinned(params, password=with_password)
        if self._password and with_password:
            params["password"] = self._password.reveal()
        return Secret(make_conninfo("", **params))

    def connect(
        self, *, leave: Collection[str] = (), **settings: str
    ) -> psycopg.Connection[Row]:
        """Open a session of its own, autocommit, with our settings pinned.

        Args:
            leave: settings that stay as database and role have them; the user's own
                SQL wants its search_path and TimeZone.
            settings: pinned in addition, or to another value.

        Raises:
            ServerRefused: 3001; libpq gives no SQLSTATE for a refused connect, so its
                words are passed on and not read.
        """
        session = open_session(
            self._params, self._password, self, leave=leave, settings=settings
        )
        self._opened.add(session)
        return session

    @property
    def session(self) -> psycopg.Connection[Row]:
        """The warm session, opened at first use and again when it has broken."""
        if self._session is None or self._session.closed or self._session.broken:
            self._session = self.connect()
        return self._session

    def rows(self, query: Query, params: Sequence[Any] | None = None) -> list[Row]:
        """Run a query on the warm session and fetch everything.

        A look at the catalog that met a table which was dropped at that moment is made
        again, outside of a transaction: applications drop tables all day.

        Raises:
            SqlError: the server refused it.
            ServerGoneError: the connection broke.
        """
        return self._outlast_drops(
            lambda: self.session.execute(query, params).fetchall()
        )

    def quoted_rows(
        self, query: Query, params: Sequence[Any] | None = None
    ) -> list[Row]:
        """The same with every name quoted that the server prints, as all versions do.

        Not inside of a transaction.

        Raises:
            SqlError: the server refused it.
            ServerGoneError: the connection broke.
        """

        def asked() -> list[Row]:
            with self.session.transaction():
                self.session.execute(QUOTE_ALL)
                return self.session.execute(query, params).fetchall()

        return self._outlast_drops(asked)

    def _outlast_drops(self, ask: Callable[[], list[Row]]) -> list[Row]:
        for _ in range(DROPPED_TRIES - 1):
            try:
                with self.translated():
                    return ask()
            except SqlError as error:
                if error.sqlstate != DROPPED_MEANWHILE or not self._is_idle():
                    raise
        with self.translated():
            return ask()

    def _is_idle(self) -> bool:
        status = self.session.info.transaction_status
        return status is psycopg.pq.TransactionStatus.IDLE

    def value(self, query: Query, params: Sequence[Any] | None = None) -> Any:
        """The first column of the one row.

        Raises:
            StepError: no row came; nothing is never taken for an answer.
        """
        rows = self.rows(query, params)
        if len(rows) != 1:
            raise StepError(
                Code.STATEMENT_REFUSED,
                f"{self.side} gave {len(rows)} rows where one was asked for",
                hint="run `bluegreen status` and look at the server's log",
            )
        return rows[0][0]

    def run(self, query: Query, params: Sequence[Any] | None = None) -> None:
        """Run a statement on the warm session.

        Raises:
            SqlError: the server refused it.
            ServerGoneError: the connection broke.
        """
        with self.translated():
            self.session.execute(query, params)

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection[Row]]:
        """A transaction on the warm session."""
        with self.translated(), self.session.transaction():
            yield self.session

    @contextmanager
    def limited(self, most: timedelta) -> Iterator[None]:
        """Let no statement of the warm session run longer than `most`.

        After an error the session is closed: one that fell silent would not hear that
        the limit is over.
        """
        set_timeout = sql.SQL("SELECT set_config('statement_timeout', %s, false)")
        self.rows(set_timeout, (str(int(most.total_seconds() * 1000)),))
        try:
            yield
        except BaseException:
            self.close()
            raise
        if self._session is not None and not self._session.closed:
            self.rows(set_timeout, ("0",))

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn psycopg's errors into ours, by class and SQLSTATE."""
        try:
            yield
        except psycopg.Error as error:
            if error.sqlstate is None or error.sqlstate.startswith(("57P", "08")):
                raise ServerGoneError(error, self.called) from error
            raise SqlError(error, self.called) from error

    def close(self) -> None:
        """Close the warm session."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def require_alive(self) -> None:
        """Notice, without asking anything, that the server closed the warm session.

        Raises:
            ServerGoneError: it did.
        """
        with self.translated():
            self.session.pgconn.consume_input()

    def hang_up(self) -> None:
        """Close the socket under every session that waits for an answer.

        For another thread: the one that waits gets ServerGoneError. Sessions that wait
        for nothing, such as the lease's, go on.
        """
        for session in list(self._opened):
            with suppress(psycopg.Error, OSError):
                if session.pgconn.transaction_status == pq.TransactionStatus.ACTIVE:
                    with socket.socket(fileno=os.dup(session.fileno())) as line:
                        line.shutdown(socket.SHUT_RDWR)


def _address(params: Mapping[str, Any]) -> str:
    get = params.get
    host = get("host") or get("hostaddr") or get("service") or "local socket"
    return f"{host}:{get('port') or 5432}/{get('dbname') or ''}"

"""One side's database: how sessions to it are opened and statements run.

Owns connection settings, the warm session, and the one place where psycopg's
exceptions become ours. What is asked of a database lives in the neighbouring files.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from threading import Timer
from typing import Any
from weakref import WeakSet

import psycopg
from psycopg import pq, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bluegreen.model.codes import Code
from bluegreen.model.errors import ServerRefused, StepError
from bluegreen.model.secret import Secret
from bluegreen.model.side import Side
from bluegreen.postgres import tls
from bluegreen.postgres.quoting import QUOTE_ALL
from bluegreen.postgres.statement_text import NamingCursor, shown, statement_of

Query = sql.SQL | sql.Composed
Row = tuple[Any, ...]

CONNECT_TIMEOUT_S = 5
"""A server that has not answered a connect after this is treated as away."""

_TIMEOUTS = {
    140_000: sql.SQL("SET idle_session_timeout = 0"),
    170_000: sql.SQL("SET idle_session_timeout = 0; SET transaction_timeout = 0"),
}
"""By the version that brought them. A role may have them; our sessions wait for hours
in a copy, and a proof of all rows is one transaction."""

UNACKNOWLEDGED_MS = 10_000
"""The kernel gives a connection up when sent data is not acknowledged for this long;
psycopg alone waits for ever on a server whose packets vanish."""

QUICK_LOCKS = "10ms"
"""A waiter cancels a blocking autovacuum after deadlock_timeout: 1,001 ms at the
default, 11 ms with this."""

_SESSION = {
    # A fenced side may be read-only by default; our sessions must still write.
    "default_transaction_read_only": "off",
    # Our statements are written for it: each one sees what was committed before it.
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    # A role or database may have it off; a few of our sessions ask for less.
    "synchronous_commit": "on",
    "search_path": "pg_catalog, pg_temp",
    "lock_timeout": "0",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "DateStyle": "ISO",
    "IntervalStyle": "postgres",
    # Names of objects are compared as the servers write them.
    "quote_all_identifiers": "off",
    "TimeZone": "UTC",
    "client_min_messages": "warning",
}


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


class PoolerRefused(ServerRefused):
    """A pooler answered where the server itself was meant; code 3001."""


class Database:
    """A side's database, reached directly and never through a pooler.

    Args:
        side: blue or green.
        dsn: libpq key words and values, or a URL, without a password.
        password: kept out of every printed form.
        seen_from_peer: key words in which the other side's server must reach this one
            differently, e.g. another host.
    """

    def __init__(
        self,
        side: Side,
        dsn: str,
        *,
        password: Secret | None = None,
        seen_from_peer: Mapping[str, str] | None = None,
        label: str = "bluegreen",
    ) -> None:
        self.side = side
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
        return f"{self.side} ({self.address})"

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
        wanted = {**_SESSION, **settings}
        options = " ".join(
            f"-c {k}={_escape(v)}" for k, v in wanted.items() if k not in leave
        )
        params = {
            "connect_timeout": CONNECT_TIMEOUT_S,
            # psycopg gives bytes for the text of a SQL_ASCII database otherwise.
            "client_encoding": "UTF8",
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "tcp_user_timeout": UNACKNOWLEDGED_MS,
            **self._params,
            "options": f"{self._params.get('options') or ''} {options}".strip(),
            "application_name": holder(self.label),
        }
        if self._password:
            params["password"] = self._password.reveal()
        try:
            session = psycopg.connect(
                **params,
                autocommit=True,
                prepare_threshold=2,
                cursor_factory=NamingCursor,
            )
            _require_direct(session, self)
            # Not known to every version, so not among the start-up options.
            version = session.info.server_version
            known = [since for since in _TIMEOUTS if since <= version]
            if known:
                session.execute(_TIMEOUTS[max(known)])
        except psycopg.Error as error:
            raise ServerRefused(
                Code.SERVER_UNREACHABLE,
                f"{self.side} cannot be reached",
                seen=str(error).strip(),
                wanted=f"a session on {self.address}",
                hint="try the same with psql; is the address right, the server up, "
                "the password given by ${env:…}, ${file:…} or pgpass?"
                + tls.advice(self._params),
            ) from None
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
                raise ServerGoneError(error, str(self.side)) from error
            raise SqlError(error, str(self.side)) from error

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


@contextmanager
def hung_up_after(span: timedelta, *databases: Database) -> Iterator[None]:
    """Let nothing in the block wait for a server any longer than until `span` is over.

    psycopg has no deadline of its own, a statement_timeout is the server's, and the
    kernel at the other end may acknowledge what no server reads.
    """

    def hang_up_all() -> None:
        for database in databases:
            database.hang_up()

    timer = Timer(span.total_seconds(), hang_up_all)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def wait_briefly_for_locks(session: psycopg.Connection[Row]) -> None:
    """Cancel an autovacuum that is in the way after QUICK_LOCKS, where our role may.

    `deadlock_timeout` is a superuser's to set, from 15 on also that of a role with
    GRANT SET; for any other one `check` says what it costs.
    """
    with suppress(psycopg.errors.InsufficientPrivilege):
        session.execute(
            sql.SQL("SELECT set_config('deadlock_timeout', %s, false)"), (QUICK_LOCKS,)
        )


def _require_direct(session: psycopg.Connection[Row], database: Database) -> None:
    """Refuse a session that a pooler has answered in the server's place.

    A server says its own process id when it lets us in; a pooler makes one up. Behind a
    pooler our locks belong to one of its connections, and our settings are not there.

    Raises:
        PoolerRefused: 3001.
    """
    said = session.info.backend_pid
    row = session.execute("SELECT pg_catalog.pg_backend_pid()").fetchone()
    if row == (said,):
        return
    session.close()
    raise PoolerRefused(
        Code.SERVER_UNREACHABLE,
        f"{database.side} was reached through a pooler: this is a pooler",
        seen=f"{database.address} let us in as process {said}, and process "
        f"{row[0] if row else '(none)'} answers",
        wanted=f"a session on the server of {database.side} itself; nothing was "
        "touched",
        hint="give the host and port of PostgreSQL itself in the DSN; the pooler "
        "belongs under `pointers`",
    )


def _address(params: Mapping[str, Any]) -> str:
    get = params.get
    host = get("host") or get("hostaddr") or get("service") or "local socket"
    return f"{host}:{get('port') or 5432}/{get('dbname') or ''}"


def holder(label: str) -> str:
    """Who we are, for `application_name`: the lease tells it to the next operator.

    PostgreSQL cuts application_name at 63 bytes.
    """
    return f"{label} {socket.gethostname()[:30]} {os.getpid()}"[:63]


def _escape(value: str) -> str:
    """Escape a value for libpq's `options`: spaces and backslashes need a backslash."""
    return value.replace("\\", "\\\\").replace(" ", "\\ ")

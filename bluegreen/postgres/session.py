"""One session on a server: how it is opened, and what is pinned in it.

Owns the settings of our sessions and the proof that a server itself has answered.
Which statements run in a session is for `database.py`.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any, Protocol

import psycopg
from psycopg import sql

from bluegreen.model.codes import Code
from bluegreen.model.errors import ServerRefused
from bluegreen.model.secret import Secret
from bluegreen.postgres import tls
from bluegreen.postgres.statement_text import NamingCursor

Connection = psycopg.Connection[tuple[Any, ...]]

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


class PoolerRefused(ServerRefused):
    """A pooler answered where the server itself was meant; code 3001."""


class Target(Protocol):
    """Whose session it is, for messages."""

    called: str
    label: str

    @property
    def address(self) -> str:
        """Host, port and database."""
        ...


def open_session(
    params: Mapping[str, Any],
    password: Secret | None,
    target: Target,
    *,
    leave: Collection[str] = (),
    settings: Mapping[str, str],
) -> Connection:
    """Open one, autocommit; see `Database.connect`.

    Raises:
        ServerRefused: 3001.
    """
    wanted = {**_SESSION, **settings}
    options = " ".join(
        f"-c {k}={_escape(v)}" for k, v in wanted.items() if k not in leave
    )
    given = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        # psycopg gives bytes for the text of a SQL_ASCII database otherwise.
        "client_encoding": "UTF8",
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": UNACKNOWLEDGED_MS,
        **tls.pinned(params, password=password is not None),
        "options": f"{params.get('options') or ''} {options}".strip(),
        "application_name": holder(target.label),
    }
    if password:
        given["password"] = password.reveal()
    try:
        session = psycopg.connect(
            **given,
            autocommit=True,
            prepare_threshold=2,
            cursor_factory=NamingCursor,
        )
        _require_direct(session, target)
        # Not known to every version, so not among the start-up options.
        version = session.info.server_version
        known = [since for since in _TIMEOUTS if since <= version]
        if known:
            session.execute(_TIMEOUTS[max(known)])
    except psycopg.Error as error:
        raise ServerRefused(
            Code.SERVER_UNREACHABLE,
            f"{target.called} cannot be reached",
            seen=str(error).strip(),
            wanted=f"a session on {target.address}",
            hint="try the same with psql; is the address right, the server up, "
            "the password given by ${env:…}, ${file:…} or pgpass?" + tls.advice(params),
        ) from None
    return session


def wait_briefly_for_locks(session: Connection) -> None:
    """Cancel an autovacuum that is in the way after QUICK_LOCKS, where our role may.

    `deadlock_timeout` is a superuser's to set, from 15 on also that of a role with
    GRANT SET; for any other one `check` says what it costs.
    """
    with suppress(psycopg.errors.InsufficientPrivilege):
        session.execute(
            sql.SQL("SELECT set_config('deadlock_timeout', %s, false)"), (QUICK_LOCKS,)
        )


def _require_direct(session: Connection, target: Target) -> None:
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
        f"{target.called} was reached through a pooler: this is a pooler",
        seen=f"{target.address} let us in as process {said}, and process "
        f"{row[0] if row else '(none)'} answers",
        wanted=f"a session on the server of {target.called} itself; "
        "nothing was touched",
        hint="give the host and port of PostgreSQL itself in the DSN; the pooler "
        "belongs under `pointers`",
    )


def holder(label: str) -> str:
    """Who we are, for `application_name`: the lease tells it to the next operator.

    PostgreSQL cuts application_name at 63 bytes.
    """
    return f"{label} {socket.gethostname()[:30]} {os.getpid()}"[:63]


def _escape(value: str) -> str:
    """Escape a value for libpq's `options`: spaces and backslashes need a backslash."""
    return value.replace("\\", "\\\\").replace(" ", "\\ ")

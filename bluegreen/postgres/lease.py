"""The lease as a session advisory lock of one database.

Owns the session that holds it and the SQL. That both sides are held, and what a
refusal says, is for `engine/lease.py`.

An advisory lock lives as long as its session, so a dead operator holds nothing: no
clean-up, no expiry to guess.
"""

from __future__ import annotations

import select
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
from psycopg import pq, sql

from bluegreen.postgres.database import Database, Row

LOCK = (7331, 1)
"""The two keys of the lock. (7331, 0) is taken while our schema is built."""

_DEAD_PEER = {
    # The server must let go when the operator's machine is gone without a word; its
    # own default is two hours. 10 s of silence, then three unanswered probes.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}

_HOLDER = sql.SQL(
    "SELECT a.application_name, pg_catalog.host(a.client_addr), a.backend_start,"
    " clock_timestamp() - a.backend_start"
    " FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a USING (pid)"
    " WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2"
    " AND (l.classid, l.objid) = (%s::oid, %s::oid)"
    " AND l.database = (SELECT oid FROM pg_catalog.pg_database"
    " WHERE datname = current_database())"
)
_MINE = (
    b"SELECT count(*) FROM pg_catalog.pg_locks"
    b" WHERE locktype = 'advisory' AND granted AND objsubid = 2"
    b" AND classid = 7331 AND objid = 1 AND pid = pg_catalog.pg_backend_pid()"
)
HOLDS = sql.SQL(
    "EXISTS (SELECT FROM pg_catalog.pg_locks"
    " WHERE locktype = 'advisory' AND granted AND objsubid = 2"
    " AND classid = 7331 AND objid = 1 AND pid = %s)"
)
"""Whether the session of this process id holds the lock. It goes into the statement
that writes, so that no time passes between the question and the writing."""

_RELEASE = b"SELECT pg_catalog.pg_advisory_unlock_all()"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lease.

    Attributes:
        name: `bluegreen run host pid`, as its session calls itself.
        address: where it comes from; None for a local socket.
        since: when its session began, by the server's clock; None where our role may
            not see it.
        age: the same as a span.
    """

    name: str
    address: str | None
    since: datetime | None
    age: timedelta | None


class LockSession:
    """A session of its own that holds the lock on one side while it is open."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._session: psycopg.Connection[Row] = database.connect(**_DEAD_PEER)

    def try_lock(self) -> bool:
        """Take the lock if nobody has it; never waits."""
        with self.database.translated():
            # A role may have an idle_session_timeout (14 and later), which would end
            # this session in the middle of a long copy.
            self._session.execute(
                "SELECT set_config(name, '0', false) FROM pg_catalog.pg_settings"
                " WHERE name = 'idle_session_timeout'"
            )
            found = self._session.execute(
                "SELECT pg_try_advisory_lock(%s, %s)", LOCK
            ).fetchone()
        return found == (True,)

    @property
    def pid(self) -> int:
        """The session's process on the server."""
        return self._session.info.backend_pid

    def still_held(self, within: timedelta) -> bool:
        """Ask the server whether this very session still holds the lock.

        No answer within the time is a no: a network that swallows packets must not
        hold up the pause.
        """
        return _ask(self._session.pgconn, _MINE, within) == b"1"

    def close(self) -> None:
        """Let go, and be seen to: a closed session holds its locks a little longer."""
        _ask(self._session.pgconn, _RELEASE, timedelta(seconds=1))
        self._session.close()


def read_holder(database: Database) -> Holder | None:
    """Who holds the lease on this side; None when nobody does."""
    found = database.rows(_HOLDER, LOCK)
    return Holder(*found[0]) if found else None


def _ask(connection: pq.abc.PGconn, query: bytes, within: timedelta) -> bytes | None:
    """One value over libpq without psycopg's wait, which has no deadline."""
    deadline = time.monotonic() + within.total_seconds()
    try:
        connection.send_query(query)
        while connection.is_busy():
            if not _readable(connection.socket, deadline - time.monotonic()):
                return None
            connection.consume_input()
        return _first_value(connection)
    except psycopg.OperationalError:
        return None


def _readable(socket: int, seconds: float) -> bool:
    waiter = select.poll()
    waiter.register(socket, select.POLLIN)
    return bool(waiter.poll(max(0.0, seconds) * 1000))


def _first_value(connection: pq.abc.PGconn) -> bytes | None:
    value = None
    while (result := connection.get_result()) is not None:
        if result.status == pq.ExecStatus.TUPLES_OK:
            value = result.get_value(0, 0)
    return value

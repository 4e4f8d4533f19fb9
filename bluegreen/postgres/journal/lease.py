"""The lease as a session advisory lock of one database.

Owns the session that holds it and the SQL. That both sides are held, and what a
refusal says, is for `engine/lease.py`.

An advisory lock lives as long as its session, so a dead operator holds nothing: no
clean-up, no expiry to guess. Anybody may take one, though, by chance or on purpose, and
keys made of something random show in `pg_locks` as well. So a holder counts only when
its role could write our schema. Over a stranger's the lease is a lock of the table
`bluegreen.lease`, which takes a right that strangers lack. That lock lives in an open
transaction, without snapshot or transaction id, so nothing is held back by it; still it
is not the rule, as a planned tool may well end sessions that are idle in one.
Who takes the advisory lock asks whether the table is locked, who locks the table asks
for the advisory lock once more: of two at once, one sees the other.
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

_HOLDERS = sql.SQL(
    """
    SELECT coalesce(a.application_name, ''), pg_catalog.host(a.client_addr),
        a.backend_start, clock_timestamp() - a.backend_start,
        a.pid, a.usename::text, coalesce(
            pg_catalog.pg_has_role(a.usesysid, me.oid, 'MEMBER')
            OR pg_catalog.has_table_privilege(
                a.usesysid, to_regclass('bluegreen.lease')::oid, 'TRUNCATE'), false)
    FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a USING (pid),
        pg_catalog.pg_roles me
    WHERE me.rolname = current_user AND l.granted
        AND (l.locktype = 'advisory' AND l.objsubid = 2
            AND (l.classid, l.objid) = (%s::oid, %s::oid)
            OR l.locktype = 'relation' AND l.mode = 'ExclusiveLock'
            AND l.relation = to_regclass('bluegreen.lease')::oid)
        AND l.database = (SELECT oid FROM pg_catalog.pg_database
            WHERE datname = current_database())
    ORDER BY 7 DESC, l.locktype
    """
)
_LEASE_OF = """
    SELECT FROM pg_catalog.pg_locks
    WHERE granted AND pid = {pid}
        AND (locktype = 'advisory' AND objsubid = 2 AND classid = 7331 AND objid = 1
            OR locktype = 'relation' AND mode = 'ExclusiveLock'
            AND relation = to_regclass('bluegreen.lease')::oid)
"""
_MINE = f"SELECT EXISTS ({_LEASE_OF})::int".format(
    pid="pg_catalog.pg_backend_pid()"
).encode()
HOLDS = sql.SQL("EXISTS ({})").format(sql.SQL(_LEASE_OF).format(pid=sql.SQL("%s")))
"""Whether the session of this process id holds the lock. It goes into the statement
that writes, so that no time passes between the question and the writing."""

_RELEASE = b"SELECT pg_catalog.pg_advisory_unlock_all()"
_HAS_TABLE = sql.SQL("SELECT to_regclass('bluegreen.lease') IS NOT NULL")
_LOCK_TABLE = sql.SQL("LOCK TABLE bluegreen.lease IN EXCLUSIVE MODE NOWAIT")


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lease.

    Attributes:
        name: `bluegreen run host pid`, as its session calls itself.
        address: where it comes from; None for a local socket.
        since: when its session began, by the server's clock; None where our role may
            not see it.
        age: the same as a span.
        pid: its process on the server.
        role: as whom it is connected.
        ours: its role could write our schema, so its lock counts.
    """

    name: str
    address: str | None
    since: datetime | None
    age: timedelta | None
    pid: int | None = None
    role: str = ""
    ours: bool = True


class LockSession:
    """A session of its own that holds the lock on one side while it is open."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._session: psycopg.Connection[Row] = database.connect(**_DEAD_PEER)
        self._by_table = False

    def try_lock(self) -> bool:
        """Take the lock if no session has it whose role could; never waits."""
        with self.database.translated():
            # A role may have an idle_session_timeout (14 and later), which would end
            # this session in the middle of a long copy.
            self._session.execute(
                "SELECT set_config(name, '0', false) FROM pg_catalog.pg_settings"
                " WHERE name = 'idle_session_timeout'"
            )
            if self._try_advisory():
                return self._table_is_free()
            if read_holder(self.database) is not None or not self._try_table():
                return False
            # One of ours may have come between, when the stranger let go.
            free = self._try_advisory()
            # The portal of a statement with parameters would keep its snapshot, and
            # hold back vacuum and CREATE INDEX CONCURRENTLY; a plain one ends it.
            self._session.execute("SELECT", prepare=False)
            return free or read_holder(self.database, self.pid) is None

    @property
    def pid(self) -> int:
        """Its process on the server."""
        return self._session.info.backend_pid

    def _try_advisory(self) -> bool:
        found = self._session.execute(
            "SELECT pg_try_advisory_lock(%s, %s)", LOCK
        ).fetchone()
        return found == (True,)

    def _table_is_free(self) -> bool:
        """Whether the lease is free by the table; a schema before it has none."""
        if not self._has_table():
            return True
        try:
            with self._session.transaction():
                self._session.execute(_LOCK_TABLE)
        except psycopg.errors.LockNotAvailable:
            return False
        return True

    def _try_table(self) -> bool:
        if not self._has_table():
            return False
        try:
            self._session.execute("BEGIN")
            self._session.execute(_LOCK_TABLE)
        except psycopg.errors.LockNotAvailable:
            self._session.execute("ROLLBACK")
            return False
        self._by_table = True
        return True

    def _has_table(self) -> bool:
        return self._session.execute(_HAS_TABLE).fetchone() == (True,)

    def still_held(self, within: timedelta) -> bool:
        """Ask the server whether this very session still holds the lock.

        No answer within the time is a no: a network that swallows packets must not
        hold up the pause.
        """
        return _ask(self._session.pgconn, _MINE, within) == b"1"

    def close(self) -> None:
        """Let go, and be seen to: a closed session holds its locks a little longer."""
        if self._by_table:
            _ask(self._session.pgconn, b"ROLLBACK", timedelta(seconds=1))
        _ask(self._session.pgconn, _RELEASE, timedelta(seconds=1))
        self._session.close()


def read_holder(database: Database, but: int = 0) -> Holder | None:
    """Who holds the lease on this side, but that process; None when none does."""
    held = [one for one in read_holders(database) if one.ours and one.pid != but]
    return held[0] if held else None


def read_holders(database: Database) -> list[Holder]:
    """All who hold one of its locks, strangers last."""
    return [Holder(*found) for found in database.rows(_HOLDERS, LOCK)]


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

"""A connection to a simulated server, as psycopg's is to our code.

Owns its life, its transactions and its locks. Transactions are whole: nobody looks
between their statements. What a statement means is in `simulated_sql.py` and the
modules that it names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import pq, sql

from tests.kit.simulated_actors import Actor
from tests.kit.simulated_data import Subscription
from tests.kit.simulated_server import Server

Rows = list[tuple[Any, ...]]
Handler = Callable[[Any, str, Sequence[Any]], Rows | None]
Meanings = tuple[tuple[str, Handler], ...]
"""By a part of the statement that no other has; the first that fits counts."""

JOURNAL, SWITCH = (0, 0), (0, 1)
"""Stand for the locks on the journal and on the fence's table among the advisory ones.
"""


class Answer:
    """What a cursor is to our code."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.rowcount = len(rows)

    def fetchall(self) -> Rows:
        return self._rows

    def fetchone(self) -> tuple[Any, ...] | None:
        return self._rows[0] if self._rows else None


class Info:
    server_version = 180000

    def __init__(self, pid: int) -> None:
        self.backend_pid = pid


class Found:
    """A result of libpq."""

    status = pq.ExecStatus.TUPLES_OK

    def __init__(self, value: bytes) -> None:
        self._value = value

    def get_value(self, _row: int, _column: int) -> bytes:
        return self._value


class Session:
    """A connection to a simulated server.

    Attributes:
        meaning: finds what a statement means.
        lost: the server has ended it; `broken`, as psycopg notices at its next use.
        closing: a running statement waits for writers, to shut the side.
        lock_until: when that statement gives up waiting for a lock.
    """

    meaning: Callable[[str], Handler]

    def __init__(self, actor: Actor, server: Server, settings: dict[str, Any]) -> None:
        self.actor, self.server = actor, server
        self.closed = self.broken = self.lost = False
        self.info = Info(server.world.number())
        self.closing = False
        self.lock_until = float("inf")
        self._lock_timeout = float("inf")
        self._synchronous = settings.get("synchronous_commit", "on") != "off"
        self._inside = False
        self._before = server.data
        self.pgconn = self
        self._answer: bytes | None = None
        server.sessions.append(self)

    def execute(self, query: Any, params: Any = None) -> Answer:
        text = _text(query)
        if not self._inside:
            self.actor.effect()
        self._require()
        before = self.server.data
        self.actor.has_asked = False
        rows = type(self).meaning(text)(self, text, params or ())
        if not self._inside and self.server.data is not before:
            self._commit(self._synchronous)
        return Answer(rows or [])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.actor.effect()
        self._require()
        self._before = self.server.data
        self._inside = True
        try:
            yield
        except BaseException:
            self.server.data = self._before
            raise
        finally:
            self._inside = False
            self.end_transaction()
        self._commit(self._synchronous)

    def _commit(self, synchronous: bool) -> None:
        server = self.server
        server.commit(synchronous=synchronous)
        if synchronous and server.says_nothing:
            server.says_nothing = False
            server.crash(lose=True)
            self._require()

    def _require(self) -> None:
        cut = self.server.side in self.actor.cut
        if self.lost or self.closed or cut or not self.server.answers:
            self.broken = True
            raise psycopg.OperationalError("the connection is lost")

    def close(self) -> None:
        if not self.actor.dead and not self.closed:
            self.closed = True
            if self.server.side not in self.actor.cut:
                self.server.terminate(self)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # libpq as the lease uses it.
    socket = 0

    def send_query(self, query: bytes) -> None:
        self._answer = str(self.execute(query.decode()).fetchall()[0][0]).encode()

    def is_busy(self) -> bool:
        return False

    def consume_input(self) -> None:
        self._require()

    def get_result(self) -> Any:
        found, self._answer = self._answer, None
        return None if found is None else Found(found)

    # What several kinds of statements need.

    def end_transaction(self, *_: Any) -> None:
        """Locks on tables end with it."""
        held = self.server.locks
        if held.get(SWITCH) is self:
            self.server.locks = {k: s for k, s in held.items() if k != SWITCH}

    def await_journal(self) -> None:
        """Whatever writes to it comes first in its transaction."""
        while self.server.locks.get(JOURNAL, self) is not self:
            self.actor.sleep(0.2)
            self._require()
        self._before = self.server.data

    def subscription_of(self, name: str) -> Subscription | None:
        return self.server.data.subscription(name)

    # Answers that are always the same.

    def nothing(self, *_: Any) -> None:
        """It changes nothing that anybody looks at here."""

    def none(self, *_: Any) -> Rows:
        return []

    def yes(self, *_: Any) -> Rows:
        return [(True,)]

    def no(self, *_: Any) -> Rows:
        return [(False,)]

    def zero(self, *_: Any) -> Rows:
        return [(0,)]

    def name(self, *_: Any) -> Rows:
        return [("sim",)]


def lsn(position: int) -> str:
    """As the server writes a position."""
    return f"0/{position:X}"


def position_of(text: str) -> int:
    """Back from it."""
    return int(text[2:], 16)


def _text(query: Any) -> str:
    if isinstance(query, sql.SQL):
        return query._obj
    return query if isinstance(query, str) else query.as_string(None)

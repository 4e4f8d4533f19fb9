"""Sessions that speak the simple query protocol only, with deadlines that hold.

Owns opening, asking and closing within a time of ours. psycopg's own `execute` waits
for ever on a server that does not answer, and PgBouncer's console knows nothing but
the simple protocol. What is asked, and what an answer means, is for the callers, as is
turning these errors into the house's.
"""

from __future__ import annotations

import math
import select
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

from bluegreen.postgres.tls import pinned

Row = dict[str, str | None]

_SLICE_S = 0.05  # how soon a session notices that it should give up
_FAILED = (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE)


class SessionBrokenError(Exception):
    """There is no connection, or no longer one; the text is libpq's."""


class SessionTimeoutError(Exception):
    """No answer came in time; the session is closed, for its state is unknown."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one statement brought.

    Attributes:
        status: the command status, e.g. `PAUSE`; empty when it was refused.
        rows: the rows by column name, all values as text.
        refusal: the server's words when it refused, empty otherwise.
        sqlstate: five letters when it refused.
    """

    status: str
    rows: list[Row]
    refusal: str = ""
    sqlstate: str = ""


class SimpleSession:
    """One connection. Make it with `SimpleSession.open`."""

    def __init__(self, pgconn: Any, give_up: threading.Event | None) -> None:
        self._pgconn = pgconn
        self._give_up = give_up

    @classmethod
    def open(
        cls,
        params: Mapping[str, Any],
        within_s: float,
        give_up: threading.Event | None = None,
    ) -> SimpleSession:
        """Connect.

        Args:
            params: libpq key words, the password included; what leaves this machine
                is held to TLS as `postgres/tls.py` says.
            within_s: seconds until it is given up. Looking up a host name is done by
                libpq beforehand and is not covered.
            give_up: when set, every wait ends with SessionTimeoutError.

        Raises:
            SessionBrokenError: refused; libpq gives no SQLSTATE here.
            SessionTimeoutError: no answer in time.
        """
        conninfo = make_conninfo("", **pinned(params, pooled=True))
        pgconn = pq.PGconn.connect_start(conninfo.encode())
        session = cls(pgconn, give_up)
        deadline = time.monotonic() + within_s
        if pgconn.status == pq.ConnStatus.BAD:
            raise session._broken()
        state: int = pq.PollingStatus.WRITING
        while state != pq.PollingStatus.OK:
            if state == pq.PollingStatus.FAILED:
                raise session._broken()
            write = state == pq.PollingStatus.WRITING
            session._wait(select.POLLOUT if write else select.POLLIN, deadline)
            state = pgconn.connect_poll()
        return session

    @property
    def closed(self) -> bool:
        """Whether it can be asked nothing more."""
        return bool(self._pgconn.status != pq.ConnStatus.OK)

    def ask(self, query: str, within_s: float) -> list[Answer]:
        """Send one query, which may hold several statements; collect every answer.

        Raises:
            SessionBrokenError: the connection is gone; what was done is unknown.
            SessionTimeoutError: no answer within `within_s` seconds; the session is
                closed.
        """
        deadline = time.monotonic() + within_s
        answers: list[Answer] = []
        try:
            self._pgconn.send_query(query.encode())
            while (result := self._next(deadline)) is not None:
                answers.append(_read(result))
        except psycopg.Error as error:
            raise self._broken(error) from None
        if self.closed:
            raise self._broken()
        return answers

    def close(self) -> None:
        """Close the socket at once, whatever the server is doing."""
        self._pgconn.finish()

    def _next(self, deadline: float) -> Any:
        while self._pgconn.is_busy():
            self._wait(select.POLLIN, deadline)
            self._pgconn.consume_input()
        return self._pgconn.get_result()

    def _wait(self, event: int, deadline: float) -> None:
        poll = select.poll()
        poll.register(self._pgconn.socket, event)
        while True:
            left_s = deadline - time.monotonic()
            given_up = self._give_up is not None and self._give_up.is_set()
            if left_s <= 0 or given_up:
                self.close()
                raise SessionTimeoutError("no answer in time")
            slice_s = min(left_s, _SLICE_S) if self._give_up else left_s
            if poll.poll(math.ceil(slice_s * 1000)):
                return

    def _broken(self, error: psycopg.Error | None = None) -> SessionBrokenError:
        said = (
            ""
            if self._closed_by_us
            else self._pgconn.error_message.decode(errors="replace")
        )
        self.close()
        return SessionBrokenError(said.strip() or str(error or "the connection closed"))

    @property
    def _closed_by_us(self) -> bool:
        return self._pgconn.pgconn_ptr is None


def _read(result: Any) -> Answer:
    """Copy a libpq result into an Answer."""
    if result.status in _FAILED:
        primary = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY)
        state = result.error_field(pq.DiagnosticField.SQLSTATE)
        words = primary or result.error_message
        return Answer("", [], _text(words).strip() or "refused", _text(state))
    names = [_text(result.fname(at)) for at in range(result.nfields)]
    rows = [
        {name: _value(result.get_value(row, at)) for at, name in enumerate(names)}
        for row in range(result.ntuples)
    ]
    return Answer(_text(result.command_status), rows)


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode(errors="surrogateescape")


def _value(raw: bytes | None) -> str | None:
    return None if raw is None else _text(raw)

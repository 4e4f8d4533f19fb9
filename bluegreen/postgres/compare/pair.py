"""What comparing both sides needs of them: a session on each, and a marker's way.

Owns opening, cancelling and closing the sessions, and sending markers one at a time.
What is compared is for `rows.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock
from typing import Any

from psycopg import Connection, sql

from bluegreen.model.clock import Clock
from bluegreen.model.side import Side
from bluegreen.postgres.compare import checksum
from bluegreen.postgres.database import Database, Row
from bluegreen.postgres.replication.marker import send_marker

MARKER_DEADLINE = timedelta(minutes=10)
"""Far above any lag with which one would cut over."""


@dataclass
class Pair:
    """A session on each side, used by one worker at a time."""

    blue: Database
    green: Database
    sessions: dict[Side, Connection[Row]] = field(default_factory=dict)

    def rows(self, side: Side, query: sql.Composed, *params: Any) -> list[Row]:
        """Run a query on one side."""
        database = self.blue if side is Side.BLUE else self.green
        with database.translated():
            return self.sessions[side].execute(query, params or None).fetchall()

    def open(self) -> None:
        """Open both sessions."""
        for side, database in ((Side.BLUE, self.blue), (Side.GREEN, self.green)):
            self.sessions[side] = database.connect(**checksum.SESSION)

    def cancel(self) -> None:
        """End what runs; for a run that is stopped."""
        for session in self.sessions.values():
            session.cancel()

    def close(self) -> None:
        """Close both sessions."""
        for session in self.sessions.values():
            session.close()


class MarkerSender:
    """Sends markers from blue to green, one at a time, for all workers.

    Args:
        blue: the publisher.
        green: the subscriber.
        streams: whether green follows blue; without a stream no marker is sent.
        clock: for waiting.
    """

    def __init__(
        self, blue: Database, green: Database, clock: Clock, *, streams: bool
    ) -> None:
        self._blue = blue
        self._green = green
        self._clock = clock
        self._streams = streams
        self._lock = Lock()

    def trip(self) -> None:
        """Return when everything committed on blue before is on green.

        Raises:
            BudgetError: 5002; the marker did not arrive.
        """
        if self._streams:
            with self._lock:
                send_marker(
                    self._blue, self._green, deadline=MARKER_DEADLINE, clock=self._clock
                )

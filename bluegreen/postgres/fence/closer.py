"""Closing the fence inside the pause, against the clock.

Owns the sessions that stand ready for it, and the drain: how long open transactions may
hold it up, and what happens to them then. What the fence is, is in `fence.py`.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from psycopg import sql

from bluegreen.model.clock import Clock
from bluegreen.model.codes import Code
from bluegreen.model.errors import BudgetError
from bluegreen.postgres.database import Database, SqlError
from bluegreen.postgres.fence.fence import LOCKED, Blocker, be_the_switch, limit_locks
from bluegreen.postgres.session import wait_briefly_for_locks

BLOCKER_LOOK_S = 0.02
"""How often the drain looks at who holds the fence up."""


@dataclass(frozen=True, slots=True)
class Drain:
    """What may hold the fence up, for how long, and what happens then.

    Attributes:
        wait: how long open write transactions may take to end.
        then: back out, or end the sessions that block.
        budget: when everything must have happened.
    """

    wait: timedelta
    then: Literal["abort", "terminate"]
    budget: timedelta


class FenceCloser:
    """Closes the fence inside the pause: sessions are opened and warm beforehand.

    Use as a context manager around the pause.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._closing = database.connect(synchronous_commit="off")
        self._monitoring = database.connect()
        with database.translated():
            wait_briefly_for_locks(self._closing)
            # It ends with the closing, or with the session.
            self._closing.execute("BEGIN")
            be_the_switch(self._closing)
        self._pid = self._closing.info.backend_pid
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="fence")

    def __enter__(self) -> FenceCloser:
        # The first call starts the thread; do it now.
        self._pool.submit(self._blockers).result()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()
        self._monitoring.close()
        self._pool.shutdown(wait=True)

    def close_fence(self, drain: Drain, clock: Clock) -> list[Blocker]:
        """Refuse writes on every table; returns the sessions that were ended.

        Commits are asynchronous: the synchronous marker row that follows makes the
        fence durable too.

        Raises:
            BudgetError: 5003, naming who held it up. The fence stays as it was.
        """
        started = clock.monotonic()
        limit = f"{max(1, int(drain.budget.total_seconds() * 1000))}ms"
        future = self._pool.submit(self._call, limit)
        ended: list[Blocker] = []
        seen: list[Blocker] = []
        while not _finished(future):
            seen = self._blockers() or seen
            if clock.monotonic() - started < drain.wait.total_seconds():
                continue
            if drain.then == "terminate" and not ended:
                ended = self._terminate()
            elif drain.then == "abort":
                self._cancel()
        self._confirm(future, seen)
        return ended

    def _call(self, lock_timeout: str) -> None:
        with self._database.translated():
            try:
                limit_locks(self._closing, lock_timeout)
                self._closing.execute("CALL bluegreen.set_fence(true)")
                self._closing.execute("COMMIT")
            finally:
                if not self._closing.broken:
                    self._closing.execute("ROLLBACK")

    def _confirm(self, future: Future[None], seen: list[Blocker]) -> None:
        try:
            future.result()
        except SqlError as error:
            if error.sqlstate not in LOCKED:
                raise
            raise BudgetError(
                Code.FENCE_NOT_CLOSED,
                f"{self._database.side}'s fence could not be closed in time",
                seen="\n".join(f"held up by {one}" for one in seen) or error.seen,
                wanted="every open write transaction ended within `drain`",
                hint="end those transactions, or set `after_drain: terminate`, "
                "then run again",
            ) from None

    def _blockers(self) -> list[Blocker]:
        return self._ask(_BLOCKERS)

    def _terminate(self) -> list[Blocker]:
        """End who blocks at this very moment; a look ago it may have been another."""
        return self._ask(_ENDED)

    def _ask(self, query: sql.SQL | sql.Composed) -> list[Blocker]:
        with self._database.translated():
            rows = self._monitoring.execute(query, (self._pid,)).fetchall()
        return [Blocker(*row) for row in rows]

    def _cancel(self) -> None:
        with self._database.translated():
            self._monitoring.execute("SELECT pg_cancel_backend(%s)", (self._pid,))


_BLOCKERS = sql.SQL(
    "SELECT b.pid, coalesce(concat_ws(' ', a.usename,"
    " nullif(a.application_name, ''), a.client_addr), ''),"
    " coalesce((now() - a.xact_start)::text, ''),"
    " coalesce(left(a.query, 120), '')"
    " FROM unnest(pg_blocking_pids(%s)) b(pid)"
    " LEFT JOIN pg_stat_activity a ON a.pid = b.pid"
)
_ENDED = sql.SQL("{} WHERE b.pid > 0 AND pg_terminate_backend(b.pid)").format(_BLOCKERS)


def _finished(future: Future[None]) -> bool:
    """Wait one look's length for the call to end."""
    try:
        future.exception(timeout=BLOCKER_LOOK_S)
    except TimeoutError:
        return False
    return True

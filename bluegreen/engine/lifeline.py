"""The guard's lifeline: clients of every pooler are let go in time, whatever happens.

Owns when RESUME is sent without a word of the servers, and when it must not be. What
is recovered is in `steps/switchover/recover.py`; the guard's process in `guard.py`.

A guard that was stopped may wake up in the pause of a newer move, which is not its own
to end. Before each RESUME it asks whose the newest pause is: a server, by its journal,
or where none answers the pooler itself, by the console sessions of moves that came
after ours. Such a move has a guard of its own, so no client hangs; where neither server
nor pooler tells of one, the clients that wait are ours, and they are let go.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from bluegreen.model.errors import BluegreenError
from bluegreen.model.record import Record
from bluegreen.pointers.handover import of_spec
from bluegreen.pointers.pointer import Pointer
from bluegreen.postgres.database import Database
from bluegreen.postgres.hang_up import hung_up_after
from bluegreen.postgres.journal.table import newest_pause

LOOK_S = 0.2
"""A server that answers does so within milliseconds; clients wait for no other."""

LOOK_ENDS = timedelta(seconds=1)

TRIES = 240
TRY_EVERY_S = 0.25
"""A minute and more: a server that restarts after a crash took up to 3.5 s to answer
again, and its host may have to start first."""

CONNECT_S = 2
"""The shortest connect_timeout that libpq knows."""


class Lifeline:
    """Lets the clients of every pooler go, unless they wait for a newer move.

    It has sessions of its own: the others may be in use when it is time.

    Args:
        spec: what the guard was told; see `guard.py`.
    """

    def __init__(self, spec: dict[str, Any]) -> None:
        self._run = str(spec["run"])
        self._ours = frozenset({str(spec["mover"])})
        self._pointers = [_without_client(of_spec(one)) for one in spec["pointers"]]
        self._servers = [
            Database.of_spec(spec[side], connect_timeout_s=CONNECT_S)
            for side in ("blue", "green")
        ]
        self._asked: list[Future[Record | None]] = []
        self._pool = ThreadPoolExecutor(len(self._servers), "lifeline")
        self._over = threading.Event()

    def warm_up(self) -> None:
        """Open the sessions and try them."""
        for pointer in self._pointers:
            pointer.warm_up()
        for server in self._servers:
            newest_pause(server)

    def close(self) -> None:
        """Close what `warm_up` or the pull opened."""
        for pointer in self._pointers:
            pointer.close()
        for server in self._servers:
            server.close()

    @contextmanager
    def pulled_at(self, when: float) -> Iterator[threading.Event]:
        """At that time by the monotonic clock, unless what it gives was set before.

        The end of the block waits until no client is held back for us.
        """
        thread = threading.Thread(target=self._pull, args=(when,), daemon=True)
        thread.start()
        try:
            yield self._over
        finally:
            thread.join()
            self._pool.shutdown()

    def _pull(self, when: float) -> None:
        held = list(self._pointers)
        self._over.wait(max(0.0, when - LOOK_S - time.monotonic()))
        for _ in range(TRIES):
            asked = time.monotonic()
            run = self._newest_pause()
            if self._over.wait(max(0.0, when - time.monotonic())):
                return
            if run not in {"", self._run}:
                return
            # A word from before we were stopped says nothing of now.
            if time.monotonic() - asked < 3 * LOOK_S:
                held = [one for one in held if not self._let_go(one, known=bool(run))]
            if not held or self._over.wait(TRY_EVERY_S):
                return

    def _newest_pause(self) -> str:
        """The run that paused last; empty where no server answers in time."""
        if all(future.done() for future in self._asked):
            self._asked = [self._pool.submit(_last_pause, one) for one in self._servers]
        done, _ = wait(self._asked, timeout=LOOK_S)
        found = [record for future in done if (record := future.result())]
        return max(found, key=lambda record: record.seq).run if found else ""

    def _let_go(self, pointer: Pointer, *, known: bool) -> bool:
        """RESUME; True when no client waits there for us any more."""
        try:
            if not known and pointer.younger_moves(self._ours):
                return False
            pointer.resume()
        except BluegreenError:
            return False
        return True


def _without_client(pointer: Pointer) -> Pointer:
    """It lets clients go; how one comes in is not asked."""
    pointer.client = None
    return pointer


def _last_pause(server: Database) -> Record | None:
    """None where it does not answer, or no pause was announced."""
    try:
        with hung_up_after(LOOK_ENDS, server):
            return newest_pause(server)
    except BluegreenError:
        return None

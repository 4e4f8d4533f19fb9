"""The process in which a crowd lives; started by `tests.kit.crowd` only.

Owns the threads: writers of the ledger and readers of the bank come through the
pooler, a watcher tries both sides directly. Speaks JSON lines; each line in begins or
ends a scene and gets one line out. The end of the input ends the process.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from collections import Counter
from typing import Any

import psycopg

from bluegreen.lab.ledger import ACCOUNTS, OPENING_BALANCE
from bluegreen.lab.ledger_worker import Client, Session

_READ_EVERY_S = 0.04
_MONITOR_EVERY_S = 0.02
_CONNECT_S = 2
_PATIENCE_S = 15.0
_TOTAL = ACCOUNTS * OPENING_BALANCE
Span = tuple[float, float]


class Writer(Client):
    """A client of the ledger that notes how long each answer took."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.calls: list[Span] = []

    def _connect(self) -> Session:
        begun = time.monotonic()
        try:
            return super()._connect()
        finally:
            self.calls.append((begun, time.monotonic()))

    def _transaction(self, session: Session) -> None:
        begun = time.monotonic()
        try:
            super()._transaction(session)
        finally:
            self.calls.append((begun, time.monotonic()))


class Reader(threading.Thread):
    """Adds up the bank through the pooler, again and again."""

    def __init__(self, conninfo: str, over: threading.Event) -> None:
        super().__init__(daemon=True)
        self.wrong: list[int] = []
        self.reads = 0
        self._conninfo = conninfo
        self._over = over

    def run(self) -> None:
        """Read until the scene is over; whatever breaks is opened again."""
        while not self._over.is_set():
            with contextlib.suppress(psycopg.Error):
                self._read()
            self._over.wait(_READ_EVERY_S)

    def _read(self) -> None:
        with psycopg.connect(
            self._conninfo,
            autocommit=True,
            prepare_threshold=None,
            connect_timeout=_CONNECT_S,
        ) as session:
            while not self._over.is_set():
                found = session.execute("SELECT sum(balance) FROM bank").fetchone()
                self.reads += 1
                if found != (_TOTAL,):
                    self.wrong.append(int(found[0]) if found else -1)
                self._over.wait(_READ_EVERY_S)


class Watcher(threading.Thread):
    """Sees whether both sides take writes of an application at one instant.

    A write that one side has accepted stays open while the other side is tried, so two
    acceptances mean that both could have been committed.
    """

    _SETTINGS = "-c lock_timeout=100 -c statement_timeout=300"

    def __init__(self, sides: list[str], over: threading.Event) -> None:
        super().__init__(daemon=True)
        self.both: list[float] = []
        self.looks = 0
        self._sides = sides
        self._over = over
        self._sessions: dict[int, Session] = {}

    def run(self) -> None:
        """Look until the scene is over, from alternating sides."""
        while not self._over.is_set():
            first = self.looks % 2
            if self._accepts(first):
                if self._accepts(1 - first):
                    self.both.append(time.monotonic())
                self._let_go(1 - first)
            self._let_go(first)
            self.looks += 1
            self._over.wait(_MONITOR_EVERY_S)
        for session in self._sessions.values():
            session.close()

    def _accepts(self, side: int) -> bool:
        """Write without committing; True when the side would take it."""
        try:
            session = self._session(side)
            session.execute("BEGIN")
            session.execute(
                "INSERT INTO ledger (run, client, seq, payer, payee, amount)"
                " VALUES ('monitor', 0, 0, 1, 1, 0)"
            )
        except psycopg.Error:
            return False
        return True

    def _let_go(self, side: int) -> None:
        session = self._sessions.get(side)
        if session is not None:
            with contextlib.suppress(psycopg.Error):
                session.execute("ROLLBACK")

    def _session(self, side: int) -> Session:
        session = self._sessions.get(side)
        if session is None or session.closed or session.broken:
            session = self._sessions[side] = psycopg.connect(
                self._sides[side],
                autocommit=True,
                connect_timeout=_CONNECT_S,
                options=self._SETTINGS,
                application_name="watcher",
            )
        return session


class Scene:
    """One case: everybody starts with it and stops with it."""

    def __init__(self, words: dict[str, Any]) -> None:
        self._over = threading.Event()
        told = {"workload": "bank", **words}
        self._writers = [Writer(n, told, self._over) for n in range(words["clients"])]
        self._reader = Reader(words["conninfo"], self._over)
        self._watcher = Watcher(words["sides"], self._over)
        for thread in (*self._writers, self._reader, self._watcher):
            thread.start()

    def ready(self) -> dict[str, Any]:
        """Wait for the first commit of each writer."""
        end = time.monotonic() + _PATIENCE_S
        while not all(one.acknowledged_at for one in self._writers):
            if time.monotonic() > end:
                return {"ready": False, "errors": self._errors()}
            time.sleep(0.01)
        return {"ready": True}

    def count(self) -> dict[str, Any]:
        """How many commits were acknowledged so far."""
        return {"acknowledged": sum(len(w.acknowledged_at) for w in self._writers)}

    def end(self) -> dict[str, Any]:
        """Stop everybody; all that they were told and saw."""
        self._over.set()
        hung = self._join()
        for one in hung:
            one.cut_off()
        self._join()
        self._reader.join(_PATIENCE_S)
        self._watcher.join(_PATIENCE_S)
        return {
            "told": {one.number: one.told() for one in self._writers},
            "acks": [one.acknowledged_at for one in self._writers],
            "calls": [_longest(one.calls) for one in self._writers],
            "errors": self._errors(),
            "hung": len(hung),
            "wrong_sums": self._reader.wrong,
            "reads": self._reader.reads,
            "both": self._watcher.both,
            "looks": self._watcher.looks,
        }

    def _join(self) -> list[Writer]:
        end = time.monotonic() + _PATIENCE_S
        for one in self._writers:
            one.join(max(0.0, end - time.monotonic()))
        return [one for one in self._writers if one.is_alive()]

    def _errors(self) -> Counter[str]:
        return sum((one.errors for one in self._writers), Counter())


def _longest(calls: list[Span]) -> list[Span]:
    return sorted(calls, key=lambda span: span[0] - span[1])[:50]


def main() -> None:
    """Serve the parent until it goes away."""
    scene: Scene | None = None
    for line in sys.stdin:
        ask = json.loads(line)
        if ask["do"] == "begin":
            scene = Scene(ask["words"])
            answer = scene.ready()
        elif scene is None:
            answer = {"problem": "no scene"}
        elif ask["do"] == "count":
            answer = scene.count()
        else:
            answer = scene.end()
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

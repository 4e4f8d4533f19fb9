"""The process in which the ledger's clients live; started by `lab.ledger` only.

Owns the clients' threads and what each was told. Speaks JSON lines: the first line in
describes the clients, each further one asks, each gets one line out. The end of the
input ends the process.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import sys
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bluegreen.lab.ledger import ACCOUNTS
from bluegreen.lab.shop import place_order
from bluegreen.model.errors import BluegreenError

_CONNECT_S = "5"
_RETRY_S = 0.02
# Refused by the server before the commit, so that nothing of it is there: integrity,
# invalid state, rollback, exceptions that triggers raise.
_REFUSED_CLASSES = ("23", "25", "40", "P0")
_OUTCOME_UNKNOWN = "40003"

Session = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Move:
    """What one transaction of a client writes."""

    run: str
    client: int
    seq: int
    payer: int
    payee: int
    amount: int


def write_bank(session: Session, move: Move) -> None:
    """Write the ledger and move the money; accounts in order, against deadlocks."""
    session.execute(
        "INSERT INTO public.ledger (run, client, seq, payer, payee, amount)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        [move.run, move.client, move.seq, move.payer, move.payee, move.amount],
    )
    changes = [(move.payer, -move.amount), (move.payee, move.amount)]
    for account, change in sorted(changes):
        session.execute(
            "UPDATE public.bank SET balance = balance + %s WHERE account = %s",
            [change, account],
        )


def write_shop(session: Session, move: Move) -> None:
    """Place an order beside the entry in the ledger."""
    write_bank(session, move)
    place_order(session, random.Random(move.seq * 1_000 + move.client))  # noqa: S311


def _looked_up(conninfo: str, resolver: str) -> str:
    """The same with the address that the resolver gives for its host."""
    if not resolver:
        return conninfo
    # The other clients of the lab need no DNS.
    from bluegreen.pointers.dns.nameserver import Nameserver, address_by

    host = str(conninfo_to_dict(conninfo)["host"])
    address = address_by(Nameserver(resolver), host, ("A", "AAAA"))
    return make_conninfo(conninfo, hostaddr=address)


WORKLOADS: dict[str, Callable[[Session, Move], None]] = {
    "bank": write_bank,
    "shop": write_shop,
}


class Client(threading.Thread):
    """One client: connects, writes, notes what it was told, connects again."""

    def __init__(
        self, number: int, words: dict[str, Any], over: threading.Event
    ) -> None:
        super().__init__(daemon=True, name=f"client {number}")
        self.number = number
        self.seq = 0
        self.unknown: list[int] = []
        self.failed: list[int] = []
        self.acknowledged_at: list[float] = []
        self.errors: Counter[str] = Counter()
        self._words = words
        self._write = WORKLOADS[words["workload"]]
        self._random = random.Random(number)  # noqa: S311
        self._over = over
        self._session: Session | None = None

    def run(self) -> None:
        """Write until stopped."""
        while not self._over.is_set():
            try:
                with self._connect() as session:
                    self._session = session
                    self._write_on(session)
            except (psycopg.Error, BluegreenError) as error:
                self.errors[_line(error)] += 1
                self._over.wait(_RETRY_S)

    def cut_off(self) -> None:
        """End a wait that goes on for ever, by closing the socket under it."""
        session = self._session
        if session is None or session.closed:
            return
        with (
            contextlib.suppress(OSError, psycopg.OperationalError),
            socket.socket(fileno=os.dup(session.fileno())) as line,
        ):
            line.shutdown(socket.SHUT_RDWR)

    def told(self) -> dict[str, Any]:
        """What it was told, for `ledger.Told`."""
        unknown = set(self.unknown)
        if self.is_alive():
            unknown.add(self.seq)
        return {
            "last": self.seq,
            "unknown": sorted(unknown),
            "failed": sorted(set(self.failed) - unknown),
        }

    def gap_since(self, since: float, now: float) -> float:
        """The longest wait that overlaps the time from `since` to `now`."""
        return longest_gap(self.acknowledged_at, since, now)

    def _connect(self) -> Session:
        return psycopg.connect(
            _looked_up(self._words["conninfo"], self._words.get("resolver", "")),
            autocommit=True,
            prepare_threshold=None,  # PgBouncer before 1.21 knows no prepared ones
            connect_timeout=_CONNECT_S,
            application_name="ledger",
        )

    def _write_on(self, session: Session) -> None:
        while not self._over.is_set():
            self._transaction(session)
            self._over.wait(self._words["think_s"])

    def _transaction(self, session: Session) -> None:
        """One transaction. What it ends with decides what the audit expects of it."""
        self.seq += 1
        asked = False
        try:
            session.execute("BEGIN")
            self._write(session, self._move())
            asked = True
            done = session.execute("COMMIT")
        except psycopg.Error as error:
            known = not asked or refused(error.sqlstate)
            (self.failed if known else self.unknown).append(self.seq)
            raise
        if done.statusmessage == "COMMIT":
            self.acknowledged_at.append(time.monotonic())
        else:
            self.failed.append(self.seq)
            self.errors[f"COMMIT answered {done.statusmessage}"] += 1

    def _move(self) -> Move:
        payer, payee = self._random.sample(range(1, ACCOUNTS + 1), 2)
        amount = self._random.randint(1, 50)
        return Move(self._words["run"], self.number, self.seq, payer, payee, amount)


class Worker:
    """All clients, and the answers to what the parent asks."""

    def __init__(self, words: dict[str, Any]) -> None:
        self._over = threading.Event()
        self._patience_s = words["patience_s"]
        self._started = time.monotonic()
        self._clients = [Client(n, words, self._over) for n in range(words["clients"])]
        for client in self._clients:
            client.start()

    def ready(self) -> dict[str, Any]:
        """Wait for the first commit of each client."""
        end = time.monotonic() + self._patience_s
        while not all(client.acknowledged_at for client in self._clients):
            if time.monotonic() > end:
                return {"ready": False, "errors": self._errors()}
            time.sleep(_RETRY_S)
        self._started = time.monotonic()
        return {"ready": True}

    def answer(self, ask: dict[str, Any]) -> dict[str, Any]:
        """Answer one question."""
        if ask["do"] == "gap":
            return {"gap_s": self._gap(ask["since"])}
        if ask["do"] == "count":
            return {"acknowledged": sum(len(c.acknowledged_at) for c in self._clients)}
        return self._stop_all()

    def _stop_all(self) -> dict[str, Any]:
        seconds = time.monotonic() - self._started
        gap_s = self._gap(self._started)
        self._over.set()
        hung = self._join()
        for client in hung:
            client.cut_off()
        self._join()
        return {
            "told": {client.number: client.told() for client in self._clients},
            "errors": self._errors(),
            "gap_s": gap_s,
            "seconds": seconds,
            "hung": len(hung),
        }

    def _join(self) -> list[Client]:
        end = time.monotonic() + self._patience_s
        for client in self._clients:
            client.join(max(0.0, end - time.monotonic()))
        return [client for client in self._clients if client.is_alive()]

    def _gap(self, since: float) -> float:
        now = time.monotonic()
        return max((c.gap_since(since, now) for c in self._clients), default=0.0)

    def _errors(self) -> Counter[str]:
        return sum((client.errors for client in self._clients), Counter())


def longest_gap(times: Sequence[float], since: float, now: float) -> float:
    """The longest distance between neighbours of `times` that overlaps the span.

    The distance from the last time to `now` counts, and so does all of the one that
    `since` falls into.
    """
    first = max(0, bisect_left(times, since) - 1)
    marks = [*times[first:], now] if times else [since, now]
    return max((b - a for a, b in pairwise(marks)), default=0.0)


def refused(sqlstate: str | None) -> bool:
    """Whether an error in answer to COMMIT says that nothing was committed."""
    if sqlstate is None or sqlstate == _OUTCOME_UNKNOWN:
        return False
    return sqlstate[:2] in _REFUSED_CLASSES


def _line(error: psycopg.Error | BluegreenError) -> str:
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    state = error.sqlstate if isinstance(error, psycopg.Error) else ""
    return f"{state or '-----'} {text}"


def main() -> None:
    """Serve the parent until it asks to stop or goes away."""

    def say(answer: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()

    worker = Worker(json.loads(sys.stdin.readline()))
    say(worker.ready())
    for line in sys.stdin:
        say(worker.answer(json.loads(line)))


if __name__ == "__main__":
    main()

"""Clients that write all the time, and the proof that no commit of theirs was lost.

Owns the tables `public.ledger` and `public.bank`, the worker process and what the
audit reads; what the audit makes of it is for `ledger_judge`.
The clients live in a process of their own (`ledger_worker`), so that the pauses they
measure are the database's and not those of a busy interpreter next to them.
"""

from __future__ import annotations

import os
import secrets
import time
from typing import Any, Self

import psycopg

from bluegreen.engine.own_process import own_environment, own_module
from bluegreen.lab.ledger_judge import Audit, LedgerResult, Told, judge
from bluegreen.lab.worker import Worker
from bluegreen.model.codes import Code
from bluegreen.model.errors import ServerRefused

__all__ = ["Audit", "LedgerClients", "LedgerResult", "audit"]

ACCOUNTS = 100
OPENING_BALANCE = 1_000
_ANSWER_S = 30.0  # beyond the patience, which it may take twice to end clients
_TABLES = (
    # (client, seq) is not unique: a row written twice must be there to be counted.
    """CREATE TABLE IF NOT EXISTS public.ledger (
        id bigserial PRIMARY KEY,
        run text NOT NULL,
        client integer NOT NULL,
        seq bigint NOT NULL,
        payer integer NOT NULL,
        payee integer NOT NULL,
        amount integer NOT NULL,
        written_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp())""",
    """CREATE INDEX IF NOT EXISTS ledger_run_client_seq
        ON public.ledger (run, client, seq)""",
    """CREATE TABLE IF NOT EXISTS public.bank (
        account integer PRIMARY KEY,
        balance bigint NOT NULL)""",
    "GRANT SELECT, INSERT ON public.ledger TO PUBLIC",
    "GRANT SELECT, UPDATE ON public.bank TO PUBLIC",
    "GRANT USAGE ON SEQUENCE public.ledger_id_seq TO PUBLIC",
)


class LedgerClients:
    """Some clients that write without a rest until they are stopped."""

    def __init__(
        self,
        conninfo: str,
        clients: int = 4,
        *,
        think_s: float = 0.01,
        workload: str = "bank",
        patience_s: float = 10.0,
        resolver: str = "",
    ) -> None:
        """Describe the clients; `start` starts them.

        Args:
            conninfo: where they connect, usually a pooler.
            clients: how many.
            think_s: rest between two transactions of a client, in seconds.
            workload: `bank` (ledger and bank), or `shop` (an order beside it; the
                tables of `lab.shop` must be there).
            patience_s: how long `start` waits for the first commits and `stop` for
                the last answers, in seconds.
            resolver: a DNS server, `address@port`, that each client asks for the host
                each time it connects; by the system's where none is named.
        """
        self.run = secrets.token_hex(4)
        self._words = {
            "conninfo": conninfo,
            "clients": clients,
            "think_s": think_s,
            "workload": workload,
            "patience_s": patience_s,
            "run": self.run,
            "resolver": resolver,
        }
        self._answer_s = _ANSWER_S + 2 * patience_s
        self._worker: Worker | None = None

    @staticmethod
    def prepare(conninfo: str) -> None:
        """Make the tables and open the accounts; does nothing the second time."""
        with psycopg.connect(conninfo) as session:
            for statement in _TABLES:
                session.execute(statement.encode())
            session.execute(
                "INSERT INTO public.bank SELECT n, %s"
                " FROM pg_catalog.generate_series(1, %s) AS n ON CONFLICT DO NOTHING",
                [OPENING_BALANCE, ACCOUNTS],
            )

    def start(self) -> None:
        """Start; returns when each client has had its first commit acknowledged.

        Raises:
            ServerRefused: 3001, one of them has not in good time.
        """
        self._worker = Worker(
            own_module("bluegreen.lab.ledger_worker"), own_environment(os.environ)
        )
        answer = self._ask(**self._words)
        if not answer["ready"]:
            self.kill()
            raise ServerRefused(
                Code.SERVER_UNREACHABLE,
                "the ledger's clients could not commit",
                seen="\n".join(answer["errors"]),
            )

    def mark(self) -> float:
        """This instant, for `gap_since`."""
        return time.monotonic()

    def gap_since(self, mark: float) -> float:
        """The longest time in seconds that a client has waited since `mark`.

        From one acknowledged commit to the next, the wait that `mark` fell into and
        the one that still goes on included.
        """
        return float(self._ask(do="gap", since=mark)["gap_s"])

    def acknowledged(self) -> int:
        """How many commits were acknowledged so far."""
        return int(self._ask(do="count")["acknowledged"])

    def stop(self) -> LedgerResult:
        """Let each client end its transaction, and tell what they were told."""
        answer = self._ask(do="stop")
        if self._worker is not None:
            self._worker.end()
            self._worker = None
        told = {
            int(client): Told(
                t["last"], frozenset(t["unknown"]), frozenset(t["failed"])
            )
            for client, t in answer["told"].items()
        }
        return LedgerResult(
            run=self.run,
            acknowledged=sum(t.acknowledged for t in told.values()),
            unknown=sum(len(t.unknown) for t in told.values()),
            errors=sum(answer["errors"].values()),
            error_texts=answer["errors"],
            longest_gap_s=answer["gap_s"],
            seconds=answer["seconds"],
            hung=answer["hung"],
            told=told,
        )

    def kill(self) -> None:
        """End the worker without asking; what the clients were told is lost."""
        if self._worker is not None:
            self._worker.kill()
            self._worker = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _ask(self, **words: object) -> dict[str, Any]:
        if self._worker is None:
            raise RuntimeError("the ledger's clients are not running")
        return self._worker.ask(self._answer_s, **words)


def audit(conninfo: str, result: LedgerResult) -> Audit:
    """Compare what a database holds with what the clients were told."""
    with psycopg.connect(conninfo) as session:
        found = session.execute(
            "SELECT client, seq, pg_catalog.count(*) FROM public.ledger"
            " WHERE run = %s GROUP BY client, seq",
            [result.run],
        ).fetchall()
        bank_sum_ok = _answer(
            session,
            "SELECT pg_catalog.sum(balance) = %s FROM public.bank",
            [ACCOUNTS * OPENING_BALANCE],
        )
        bank_agrees = _answer(session, _BANK_AGREES, [OPENING_BALANCE])
    counts = {(client, seq): count for client, seq, count in found}
    return judge(counts, result.told, bank_sum_ok=bank_sum_ok, bank_agrees=bank_agrees)


def _answer(session: psycopg.Connection, query: str, parameters: list[int]) -> bool:
    row = session.execute(query.encode(), parameters).fetchone()
    return row is not None and row[0] is True


_BANK_AGREES = """
SELECT pg_catalog.bool_and(b.balance = %s + coalesce(m.moved, 0))
FROM public.bank AS b
LEFT JOIN (
    SELECT account, pg_catalog.sum(amount) AS moved
    FROM (SELECT payee AS account, amount FROM public.ledger
          UNION ALL
          SELECT payer, -amount FROM public.ledger) AS moves
    GROUP BY account
) AS m USING (account)
"""

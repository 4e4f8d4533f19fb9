"""Writers, readers and a watcher around a movement, and what they felt.

Owns starting and ending a scene and turning what was told into figures. The threads
live in a process of their own, `crowd_worker`, so that the waits they measure are the
database's and not those of a busy interpreter.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

from bluegreen.lab.ledger_judge import LedgerResult, Told
from bluegreen.lab.worker import Worker

ANSWER_S = 90.0
Span = tuple[float, float]


@dataclass(frozen=True)
class Felt:
    """What a crowd was told and saw in one scene.

    Attributes:
        ledger: for `bluegreen.lab.ledger.audit`.
        acks: when each writer's commits were acknowledged, by the monotonic clock.
        calls: each writer's longest calls, from question to answer of any kind.
        errors: how often each error was met.
        wrong_sums: sums of the bank that a reader saw and that were not the total.
        both: instants at which both sides had accepted a write.
        looks: how often the watcher looked.
    """

    ledger: LedgerResult
    acks: Sequence[Sequence[float]]
    calls: Sequence[Sequence[Span]]
    errors: Mapping[str, int]
    wrong_sums: Sequence[int]
    both: Sequence[float]
    looks: int

    def longest_gap_s(self, excused: Sequence[Span] = ()) -> float:
        """The longest a writer went without a commit, time that is excused left out."""
        gaps = (span for acks in self.acks for span in pairwise(acks))
        return _longest(gaps, excused)

    def longest_call_s(self, excused: Sequence[Span] = ()) -> float:
        """The longest a writer waited for an answer, an error included."""
        return _longest((span for calls in self.calls for span in calls), excused)

    @property
    def reissued(self) -> int:
        """Refusals for a key that was there: a sequence gave a number twice."""
        return sum(n for text, n in self.errors.items() if text.startswith("23505"))


def _longest(spans: Iterable[Span], excused: Sequence[Span]) -> float:
    return max((charged(span, excused) for span in spans), default=0.0)


def charged(span: Span, excused: Sequence[Span]) -> float:
    """Seconds of a span that no other covers."""
    begun, ended = span
    left, seen = ended - begun, begun
    for a, b in sorted(excused):
        left -= max(0.0, min(ended, b) - max(seen, a))
        seen = max(seen, b)
    return left


class Crowd:
    """The process; one scene at a time. Use it with `with`."""

    def __init__(self, conninfo: str, sides: Sequence[str], clients: int = 3) -> None:
        self._words = {
            "conninfo": conninfo,
            "sides": list(sides),
            "clients": clients,
            "think_s": 0.012,
        }
        self._run = ""
        self._worker = Worker([sys.executable, "-m", "tests.kit.crowd_worker"])

    def begin(self) -> None:
        """Start a scene; returns when each writer has had a commit acknowledged."""
        self._run = secrets.token_hex(4)
        answer = self._ask(do="begin", words={**self._words, "run": self._run})
        assert answer["ready"], f"writers could not commit: {answer['errors']}"

    def acknowledged(self) -> int:
        """How many commits of this scene were acknowledged so far."""
        return int(self._ask(do="count")["acknowledged"])

    def end(self) -> Felt:
        """Stop everybody and tell what they felt."""
        answer = self._ask(do="end")
        told = {
            int(client): Told(
                t["last"], frozenset(t["unknown"]), frozenset(t["failed"])
            )
            for client, t in answer["told"].items()
        }
        ledger = LedgerResult(
            run=self._run,
            acknowledged=sum(t.acknowledged for t in told.values()),
            unknown=sum(len(t.unknown) for t in told.values()),
            errors=sum(answer["errors"].values()),
            error_texts=answer["errors"],
            longest_gap_s=0.0,
            seconds=0.0,
            hung=answer["hung"],
            told=told,
        )
        return Felt(
            ledger,
            answer["acks"],
            answer["calls"],
            answer["errors"],
            answer["wrong_sums"],
            answer["both"],
            answer["looks"],
        )

    def close(self) -> None:
        """End the process, whatever it does."""
        self._worker.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, **words: object) -> dict[str, Any]:
        return self._worker.ask(ANSWER_S, **words)

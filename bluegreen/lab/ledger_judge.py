"""What clients were told, against what a database holds. Pure.

Owns the forms of both and the comparison; asking clients and databases is for
`ledger`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Told:
    """What one client was told: 1 to `last` acknowledged, but for these."""

    last: int
    unknown: frozenset[int] = frozenset()
    failed: frozenset[int] = frozenset()

    @property
    def acknowledged(self) -> int:
        """How many commits were acknowledged."""
        return self.last - len(self.unknown) - len(self.failed)

    def may_have(self, seq: int) -> bool:
        """Whether a row of that number can be explained."""
        return 1 <= seq <= self.last and seq not in self.failed

    def must_have(self, seq: int) -> bool:
        """Whether that number was acknowledged."""
        return self.may_have(seq) and seq not in self.unknown


@dataclass(frozen=True, slots=True)
class LedgerResult:
    """What the clients were told between `start` and `stop`.

    Attributes:
        run: the mark that their rows carry.
        acknowledged: commits that were acknowledged.
        unknown: commits whose answer never came; each may be there or not.
        errors: failed connections and transactions.
        error_texts: how often each error was met, by SQLSTATE and first line.
        longest_gap_s: the longest time a client went without an acknowledged commit.
        seconds: how long they ran.
        hung: clients that did not end by themselves after `stop`.
        told: the same by client, for the audit.
    """

    run: str
    acknowledged: int
    unknown: int
    errors: int
    error_texts: Mapping[str, int]
    longest_gap_s: float
    seconds: float
    hung: int
    told: Mapping[int, Told] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Audit:
    """What a database holds of a run.

    Attributes:
        lost: acknowledged commits that are not there.
        doubled: rows too many: written twice, or that no client was told of.
        strange: those of `doubled` that no client was told of.
        bank_sum_ok: no money was made or lost.
        bank_agrees: each account holds what the ledger says (all runs together).
        rows: rows of this run.
        examples: up to 10 of what is wrong, for a person.
    """

    lost: int
    doubled: int
    strange: int
    bank_sum_ok: bool
    bank_agrees: bool
    rows: int
    examples: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether everything is as the clients were told."""
        return not (self.lost or self.doubled) and self.bank_sum_ok and self.bank_agrees


def judge(
    counts: Mapping[tuple[int, int], int],
    told: Mapping[int, Told],
    *,
    bank_sum_ok: bool,
    bank_agrees: bool,
) -> Audit:
    """Compare rows per (client, seq) with what each client was told."""
    nobody = Told(last=0)
    lost = [
        (client, seq)
        for client, t in told.items()
        for seq in range(1, t.last + 1)
        if t.must_have(seq) and (client, seq) not in counts
    ]
    strange = {
        row: n
        for row, n in counts.items()
        if not told.get(row[0], nobody).may_have(row[1])
    }
    twice = {row: n - 1 for row, n in counts.items() if n > 1 and row not in strange}
    examples = [f"lost: client {c} seq {s}" for c, s in lost]
    examples += [f"never told of: client {c} seq {s}" for c, s in strange]
    examples += [
        f"written {n + 1} times: client {c} seq {s}" for (c, s), n in twice.items()
    ]
    return Audit(
        lost=len(lost),
        doubled=sum(twice.values()) + sum(strange.values()),
        strange=sum(strange.values()),
        bank_sum_ok=bank_sum_ok,
        bank_agrees=bank_agrees,
        rows=sum(counts.values()),
        examples=tuple(examples[:10]),
    )

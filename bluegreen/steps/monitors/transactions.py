"""Monitor: which transactions have been open for long?

Owns what they hold up. Reading is in `postgres/catalog/activity.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from bluegreen.model.duration import format_duration
from bluegreen.model.finding import Figure, Finding, Severity
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.activity import (
    OpenTransaction,
    PreparedTransaction,
    read_open_transactions,
    read_prepared_transactions,
)
from bluegreen.steps.monitors.limits import Limits
from bluegreen.steps.monitors.monitor import Monitor, Round, weigh

_MOST_TOLD = 3


@dataclass(frozen=True, slots=True)
class TransactionFacts:
    """Open and prepared transactions of the side that serves, oldest first."""

    side: Side
    open: tuple[OpenTransaction, ...]
    prepared: tuple[PreparedTransaction, ...]


class MonitorTransactions(Monitor[TransactionFacts]):
    """No transaction stays open for so long that it holds up the fence."""

    id: ClassVar[str] = "transactions"

    def places(self, world: Round) -> tuple[Side, ...]:
        """The side that serves, as it is the one to be fenced."""
        return (world.state.serving,)

    def observe(self, world: Round, side: Side) -> TransactionFacts:
        """What is open there now."""
        database = world.on(side)
        return TransactionFacts(
            side,
            read_open_transactions(database),
            read_prepared_transactions(database),
        )

    def judge(self, facts: TransactionFacts, limits: Limits) -> Iterator[Finding]:
        """Told, and no reason to stop: the fence backs out by itself."""
        oldest = max((one.age_s for one in facts.open), default=0.0)
        at = {"side": str(facts.side)}
        figures = (
            Figure(
                "oldest_transaction_seconds",
                max(oldest, 0.0),
                "Age of the oldest open transaction of a client.",
                at,
            ),
            Figure(
                "prepared_transactions",
                len(facts.prepared),
                "Transactions that wait for COMMIT PREPARED.",
                at,
            ),
        )
        yield self.say(str(facts.side), _weigh(facts, limits), figures)


def _weigh(facts: TransactionFacts, limits: Limits) -> Finding:
    limit = limits.long_transaction.total_seconds()
    long = [one for one in facts.open if one.age_s > limit]
    told = [_say(one) for one in long[:_MOST_TOLD]]
    told += [
        f"{one.gid!r} of {one.owner}, prepared {format_duration(one.age_s)} ago"
        for one in facts.prepared[:_MOST_TOLD]
    ]
    if not told:
        words = f"none is older than {format_duration(limit)}"
        return weigh(Severity.OK, words)
    more = len(long) + len(facts.prepared) - len(told)
    rest = f" and {more} more" if more > 0 else ""
    return weigh(
        Severity.WARNING,
        "; ".join(told) + rest,
        "the fence waits for one that writes and then backs out: end it before the "
        "move, SELECT pg_terminate_backend(pid)",
    )


def _say(one: OpenTransaction) -> str:
    what = "writes" if one.writes else "reads"
    age = format_duration(one.age_s)
    return f"pid {one.pid} ({one.client}) {what}, open for {age}"

"""Monitor: how much WAL our slots keep, and how long that goes well.

Owns what it means. Free disk cannot be seen by SQL, so the playbook's `wal_limit` and
the server's own limit stand for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from bluegreen.model.duration import format_bytes, format_duration
from bluegreen.model.finding import Blocks, Figure, Finding, Severity
from bluegreen.model.side import Side
from bluegreen.postgres.journal.own_schema import is_built
from bluegreen.postgres.replication.heartbeat import growth_of_kept_wal
from bluegreen.postgres.replication.kept_wal import KeptWal, read_kept_wal
from bluegreen.postgres.replication.stream import ReplicationStream
from bluegreen.steps.monitors.limits import Limits
from bluegreen.steps.monitors.monitor import Monitor, Round, weigh

SOON_S = 6 * 3600.0
"""A forecast under this is said: time enough to look at it in working hours."""

WORTH_A_FORECAST = 0.05
"""Part of the limit that is kept before a rate is taken for more than a moment's."""


@dataclass(frozen=True, slots=True)
class WalFacts:
    """A side that has a slot of ours.

    Attributes:
        per_s: bytes a second by which the slot keeps more; None where not known.
        serves: whether clients write there, so that a full disk stops them.
    """

    side: Side
    kept: KeptWal
    per_s: float | None
    serves: bool


class MonitorKeptWal(Monitor[WalFacts]):
    """What a slot keeps stays under the limit, and will for hours."""

    id: ClassVar[str] = "kept-wal"

    def observe(self, world: Round, side: Side) -> WalFacts | None:
        """The slot for the other side, and how its WAL has grown."""
        database, name = world.on(side), ReplicationStream(world.name, side).name
        kept = read_kept_wal(database, name)
        if kept is None:
            return None
        built = is_built(database)
        rate = growth_of_kept_wal(database, name) if built else None
        return WalFacts(side, kept, rate, side is world.state.serving)

    def judge(self, facts: WalFacts, limits: Limits) -> Iterator[Finding]:
        """Against the lower of both limits, and by the forecast."""
        kept, left = facts.kept, time_left_s(facts, limits)
        do = (
            f"see why {facts.side.other} does not take it; if {facts.side} is about to "
            "stop, `bluegreen drop-slot PLAYBOOK` drops the slot"
        )
        severity, says = Severity.OK, _size(facts, limits)
        if is_over(facts, limits):
            severity = Severity.CRITICAL
        elif left is not None and left < SOON_S and _counts(facts, limits):
            severity = Severity.WARNING
            says += f"; at this rate the limit is reached in {format_duration(left)}"
        if kept.wal_status in {"unreserved", "lost"}:
            severity = Severity.CRITICAL
            says += f"; the server says {kept.wal_status}"
        bad = severity is Severity.CRITICAL
        found = weigh(
            severity,
            says,
            do if severity is not Severity.OK else "",
            Blocks.SWITCHOVER if bad else Blocks.NOTHING,
        )
        yield self.say(str(facts.side), found, _figures(facts, limits, left))


def _counts(facts: WalFacts, limits: Limits) -> bool:
    """Whether enough is kept for a rate to mean something. Pure.

    A slot that was just made, or an apply worker that confirms in steps, grows fast
    for seconds.
    """
    return facts.kept.kept >= limit_of(facts, limits) * WORTH_A_FORECAST


def limit_of(facts: WalFacts, limits: Limits) -> int:
    """The lower of the playbook's limit and the one that the server sets. Pure."""
    server = facts.kept.server_limit
    return limits.wal_limit if server is None else min(limits.wal_limit, server)


def is_over(facts: WalFacts, limits: Limits) -> bool:
    """Whether the slot keeps more than it may. Pure."""
    return facts.kept.kept >= limit_of(facts, limits)


def time_left_s(facts: WalFacts, limits: Limits) -> float | None:
    """Seconds until the limit at the present rate; None while it does not grow."""
    if facts.per_s is None or facts.per_s <= 0:
        return None
    left = limit_of(facts, limits) - facts.kept.kept
    if facts.kept.safe is not None:
        left = min(left, facts.kept.safe)
    return max(0.0, left / facts.per_s)


def _size(facts: WalFacts, limits: Limits) -> str:
    kept = facts.kept
    limit = limit_of(facts, limits)
    whose = "the playbook's" if limit == limits.wal_limit else "the server's"
    words = (
        f"its slot keeps {format_bytes(kept.kept)} of WAL, {whose} limit is "
        f"{format_bytes(limit)}"
    )
    if facts.per_s is not None and facts.per_s > 0:
        words += f", growing by {format_bytes(facts.per_s)}/s"
    if kept.pg_wal is not None:
        words += f", pg_wal holds {format_bytes(kept.pg_wal)}"
    return words


def _figures(facts: WalFacts, limits: Limits, left: float | None) -> tuple[Figure, ...]:
    at = {"side": str(facts.side), "slot": facts.kept.slot}
    known = (
        ("slot_kept_bytes", facts.kept.kept, "WAL that our slot keeps."),
        ("slot_limit_bytes", limit_of(facts, limits), "What it may keep."),
        ("slot_limit_left_seconds", left, "Time until then at the present rate."),
        ("pg_wal_bytes", facts.kept.pg_wal, "Size of the folder pg_wal."),
        ("slot_active", float(facts.kept.active), "1 while something streams from it."),
    )
    return tuple(Figure(n, v, text, at) for n, v, text in known if v is not None)

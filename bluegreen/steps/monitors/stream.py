"""Monitor: does the stream that feeds the other side live?

Owns what slot, subscription and apply worker mean together. Reading them is in
`postgres/replication/apply_health.py` and `postgres/replication/stream.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from bluegreen.model.duration import format_duration
from bluegreen.model.finding import Blocks, Figure, Finding, Severity
from bluegreen.model.side import Side
from bluegreen.postgres.replication.apply_health import ApplyHealth, read_apply_health
from bluegreen.postgres.replication.heartbeat import read_beats
from bluegreen.postgres.replication.lag import Lag, read_lag
from bluegreen.postgres.replication.stream import SlotFacts, read_slot
from bluegreen.steps.monitors.heartbeats import RECREATE, WAY_BACK_LOST
from bluegreen.steps.monitors.limits import Limits
from bluegreen.steps.monitors.monitor import (
    Round,
    StreamMonitor,
    direction,
    weigh,
)
from bluegreen.steps.preflight.intent import listed

SLOW_S = 2.0
"""A heartbeat arrives within milliseconds."""

YOUNG_S = 15.0
"""A worker that failed is started again after `wal_retrieve_retry_interval`, 5 s by
default; one that has lived three times as long has passed what it failed at."""


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """Both ends of the stream out of the side that serves.

    Attributes:
        expected: the other side is meant to follow by now.
        abandoned: we dropped the slot ourselves, on purpose.
        pending_s: age of the oldest heartbeat that has not come; 0 for none.
    """

    publisher: Side
    slot: SlotFacts | None
    apply: ApplyHealth | None
    lag: Lag | None = None
    expected: bool = True
    abandoned: bool = False
    pending_s: float = 0.0


class MonitorStream(StreamMonitor[StreamFacts]):
    """The subscription runs, nothing fails, and the slot has all that is needed."""

    id: ClassVar[str] = "stream"
    if_unknown: ClassVar[Blocks] = Blocks.SWITCHOVER

    def places(self, world: Round) -> tuple[Side, ...]:
        """The side that serves; none once the other was released."""
        return () if world.state.released else (world.state.serving,)

    def observe(self, world: Round, side: Side) -> StreamFacts | None:
        """Both ends; None before there is a subscription."""
        name = world.feeding.name
        if world.state.abandoned:
            return StreamFacts(side, None, None, abandoned=True)
        publisher, subscriber = world.on(side), world.on(side.other)
        apply = read_apply_health(subscriber, name)
        slot = read_slot(publisher, name)
        # Before the cutover a slot without a subscription is a copy about to begin.
        if apply is None and (side is Side.BLUE or not world.is_way_back_expected):
            return None
        return StreamFacts(
            side,
            slot,
            apply,
            read_lag(publisher, name),
            world.is_way_back_expected,
            pending_s=_pending_s(world, slot, apply),
        )

    def judge(self, facts: StreamFacts, limits: Limits) -> Iterator[Finding]:
        """The worst of it, in the order of weight."""
        where = direction(facts.publisher)
        yield self.say(where, _weigh(facts), _figures(facts, where))


def _weigh(facts: StreamFacts) -> Finding:
    if lost := _lost(facts):
        do = RECREATE if facts.publisher is Side.BLUE else WAY_BACK_LOST
        return weigh(Severity.CRITICAL, lost, do, Blocks.RUN)
    assert facts.apply is not None
    assert facts.slot is not None
    if not facts.expected:
        return weigh(Severity.WARNING, "it is not switched on yet")
    if facts.slot.wal_status == "unreserved":
        return weigh(
            Severity.CRITICAL,
            f"the slot on {facts.publisher} loses its WAL at the next checkpoint",
            f"raise max_slot_wal_keep_size on {facts.publisher} now and reload; then "
            f"see why {facts.publisher.other} is behind",
            Blocks.SWITCHOVER,
        )
    return _of_worker(facts.publisher.other, facts.apply, facts.pending_s)


def _pending_s(
    world: Round, slot: SlotFacts | None, apply: ApplyHealth | None
) -> float:
    if slot is None or apply is None:
        return 0.0
    stream = world.feeding
    publisher, subscriber = world.on(stream.publisher), world.on(stream.subscriber)
    return read_beats(publisher, subscriber, stream.name, world.state.epoch).pending_s


def _lost(facts: StreamFacts) -> str:
    publisher, subscriber = facts.publisher, facts.publisher.other
    if facts.abandoned:
        return (
            f"{subscriber} was given up: its slot on {publisher} was dropped on purpose"
        )
    if facts.slot is None:
        return f"the slot on {publisher} that {subscriber} counts on is gone"
    if facts.slot.wal_status == "lost":
        return f"the slot on {publisher} has lost WAL that {subscriber} still needs"
    if facts.apply is None:
        return f"the subscription on {subscriber} is gone"
    return ""


def _of_worker(subscriber: Side, apply: ApplyHealth, pending_s: float) -> Finding:
    errors = _errors(apply)
    if not apply.enabled:
        why = f"; {errors}" if errors else ""
        return weigh(
            Severity.CRITICAL,
            f"the subscription on {subscriber} is switched off{why}",
            "was it a person, or disable_on_error? Fix the cause, then "
            "ALTER SUBSCRIPTION … ENABLE",
            Blocks.SWITCHOVER,
        )
    if apply.blocked_by:
        pids = listed(map(str, apply.blocked_by))
        return weigh(
            Severity.WARNING,
            f"the apply worker on {subscriber} waits for a lock{_on(apply)} that pid "
            f"{pids} holds",
            f"end that transaction on {subscriber}: SELECT pg_terminate_backend(pid)",
            Blocks.NOTHING,
        )
    if apply.unready:
        return _of_copy(subscriber, apply)
    if apply.pid is None or (_is_young(apply) and pending_s > SLOW_S):
        return weigh(
            Severity.CRITICAL,
            _failing(subscriber, apply, errors),
            _LOG,
            Blocks.SWITCHOVER,
        )
    if _is_young(apply):
        # It may just have been fixed; markers prove the stream before a move.
        return weigh(Severity.WARNING, _failing(subscriber, apply, errors), _LOG)
    age = apply.worker_age_s
    since = f" since {format_duration(age)}" if age is not None else ""
    before = f"; before that {errors}" if errors else ""
    return weigh(Severity.OK, f"runs{since}{before}")


_LOG = (
    "the row and the reason are the last ERROR of a logical replication worker in the "
    "log of that side. Repair the row there; the worker tries again by itself. ALTER "
    "SUBSCRIPTION … SKIP would lose the whole transaction"
)


def _of_copy(subscriber: Side, apply: ApplyHealth) -> Finding:
    done = apply.tables - len(apply.unready)
    words = f"{done} of {apply.tables} tables are copied"
    if apply.copy_errors:
        words += (
            f"; {apply.copy_errors} copies have failed, not ended: "
            f"{listed(apply.unready)}"
        )
        return weigh(Severity.WARNING, words, _LOG, Blocks.SWITCHOVER)
    return weigh(Severity.OK, words, blocks=Blocks.SWITCHOVER)


def _is_young(apply: ApplyHealth) -> bool:
    """Started again a moment ago after an error."""
    age = apply.worker_age_s
    return bool(apply.apply_errors) and age is not None and age < YOUNG_S


def _failing(subscriber: Side, apply: ApplyHealth, errors: str) -> str:
    if apply.pid is None:
        first = f"the apply worker on {subscriber} does not run"
    else:
        age = format_duration(apply.worker_age_s or 0.0)
        first = f"the apply worker on {subscriber} was started again {age} ago"
    known = f"; {errors}" if errors else ""
    place = f"the first transaction after {apply.position} of the other side's WAL"
    where = f" at {place}" if apply.position else ""
    fails = f"; it fails{_on(apply)}{where}" if where or apply.works_on else ""
    return first + known + fails


def _on(apply: ApplyHealth) -> str:
    return f" on {listed(apply.works_on)}" if apply.works_on else ""


def _errors(apply: ApplyHealth) -> str:
    if not apply.apply_errors:
        return ""
    conflicts = ", ".join(
        f"{name.removeprefix('confl_')} {count}"
        for name, count in apply.conflicts.items()
    )
    more = f" ({conflicts})" if conflicts else ""
    return f"{apply.apply_errors} changes could not be applied{more}"


def _figures(facts: StreamFacts, where: str) -> tuple[Figure, ...]:
    at = {"direction": where}
    found = []
    if facts.lag is not None:
        found.append(
            Figure(
                "replay_lag_bytes",
                facts.lag.replay_bytes,
                "WAL that the other side has not replayed; no proof of anything.",
                at,
            )
        )
    apply = facts.apply
    if apply is not None:
        running = float(apply.enabled and apply.pid is not None)
        found.append(Figure("apply_running", running, "1 while it runs.", at))
        if apply.apply_errors is not None:
            text = "Changes that could not be applied, and initial copies that failed."
            count = apply.apply_errors + (apply.copy_errors or 0)
            found.append(Figure("apply_errors_total", count, text, at, counter=True))
    return tuple(found)

"""Monitor: is every change on its way, or has one been left out without an error?

Owns what heartbeats mean. Reading them is in `postgres/replication/heartbeat.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from bluegreen.model.duration import format_duration
from bluegreen.model.finding import Blocks, Figure, Finding, Severity
from bluegreen.model.side import Side
from bluegreen.postgres.replication.heartbeat import Beats, read_beats
from bluegreen.postgres.replication.stream import read_slot, read_subscription
from bluegreen.steps.monitors.limits import Limits
from bluegreen.steps.monitors.monitor import (
    Round,
    StreamMonitor,
    direction,
    weigh,
)

RECREATE = (
    "green lacks rows that nothing will bring: make green again (the runbook's "
    '"Make green again"), whatever the figures of lag say'
)
WAY_BACK_LOST = (
    "the way back is lost: a rollback would lose writes that green has taken. Tell "
    "your team, take a backup of green; blue can only be made again"
)


def is_fresh(beats: Beats, within_s: float) -> bool:
    """Whether a heartbeat came through lately, and none is missing. Pure."""
    age = beats.came_age_s
    return age is not None and age <= within_s and not beats.lost


class MonitorHeartbeats(StreamMonitor[Beats]):
    """Numbers arrive without a hole, and the slot is the one that it was."""

    id: ClassVar[str] = "heartbeats"
    if_unknown: ClassVar[Blocks] = Blocks.SWITCHOVER

    def places(self, world: Round) -> tuple[Side, ...]:
        """The side that serves, once the other is meant to follow it."""
        return (world.state.serving,) if world.is_way_back_expected else ()

    def observe(self, world: Round, side: Side) -> Beats | None:
        """Both ends; None where nothing is meant to stream yet."""
        publisher, subscriber, name = (
            world.on(side),
            world.on(side.other),
            world.feeding.name,
        )
        if read_subscription(subscriber, name) is None:
            return None
        if read_slot(publisher, name) is None:
            return None  # the monitor of the stream says so
        return read_beats(publisher, subscriber, name, world.state.epoch)

    def judge(self, facts: Beats, limits: Limits) -> Iterator[Finding]:
        """A hole is for ever; one on its way is lag."""
        where = direction(facts.publisher)
        yield self.say(where, _weigh(facts, limits), _figures(facts, where))


def _weigh(facts: Beats, limits: Limits) -> Finding:
    publisher, subscriber = facts.publisher, facts.publisher.other
    if not facts.copied:
        return weigh(Severity.OK, "the initial copy has not ended yet")
    if lost := _lost(facts):
        do = RECREATE if publisher is Side.BLUE else WAY_BACK_LOST
        return weigh(Severity.CRITICAL, lost, do, Blocks.RUN)
    if not facts.last or (not facts.came and not facts.pending):
        words = f"no heartbeat of {publisher} was seen in this epoch"
        return weigh(Severity.UNKNOWN, words, blocks=Blocks.SWITCHOVER)
    if facts.pending_s > limits.max_lag.total_seconds():
        return weigh(
            Severity.WARNING,
            f"a heartbeat has been on its way to {subscriber} for "
            f"{format_duration(facts.pending_s)}, {facts.pending} in all",
            f"see the stream below; a lock or a long transaction on {subscriber} holds "
            "it up as well",
            Blocks.NOTHING,
        )
    words = f"{facts.came} came through, none is missing"
    return weigh(Severity.OK, words)


def _lost(facts: Beats) -> str:
    publisher, subscriber = facts.publisher, facts.publisher.other
    if facts.lost:
        first, last = (format_duration(age) for age in facts.lost_s)
        return (
            f"{len(facts.lost)} heartbeats of {publisher} never came to {subscriber} "
            f"and never will (from {facts.lost[0]}, {first} ago, to {facts.lost[-1]}, "
            f"{last} ago): the slot was dropped and made again, or {subscriber} was "
            f"set back; what {publisher} committed in that time is missing there"
        )
    if facts.recreated:
        return (
            f"the slot on {publisher} was dropped and made again before heartbeat "
            f"{facts.recreated}: its counters began again; what {publisher} committed "
            f"in between is missing on {subscriber}"
        )
    if facts.went_back:
        return (
            f"{subscriber} has heartbeat {facts.came} and {publisher} knows none after "
            f"{facts.last}: {publisher} was set back to an earlier state"
        )
    return ""


def _figures(facts: Beats, where: str) -> tuple[Figure, ...]:
    at = {"direction": where}
    lag = facts.pending_s if facts.copied else None
    known = (
        ("heartbeat_last", facts.last, "Number of the newest heartbeat."),
        ("heartbeat_received", facts.came, "Number of the newest one that came."),
        ("heartbeats_lost", len(facts.lost), "Heartbeats that can not come any more."),
        ("lag_seconds", lag, "Age of the oldest heartbeat that is on its way."),
    )
    return tuple(Figure(n, v, text, at) for n, v, text in known if v is not None)

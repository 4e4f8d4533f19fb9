"""Watch: is every change on its way, or has one been left out without an error?

Owns what heartbeats mean. Reading them is in `postgres/replication/heartbeat.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from bluegreen.model.duration import format_duration
from bluegreen.model.side import Side
from bluegreen.postgres.replication.heartbeat import Beats, read_beats
from bluegreen.postgres.replication.stream import read_slot, read_subscription
from bluegreen.steps.monitors.limits import Limits
from bluegreen.steps.monitors.monitor import (
    Figure,
    Meaning,
    Scene,
    Standing,
    Stops,
    Watch,
    Watched,
    direction,
)

MAKE_ANEW = (
    "green lacks rows that nothing will bring: make green anew (the runbook's "
    '"Make green anew"), whatever the figures of lag say'
)
WAY_BACK_LOST = (
    "the way back is lost: a rollback would lose writes that green has taken. Tell "
    "everybody, take a backup of green; blue can only be made anew"
)


def is_fresh(beats: Beats, within_s: float) -> bool:
    """Whether a heartbeat came through lately, and none is missing. Pure."""
    age = beats.came_age_s
    return age is not None and age <= within_s and not beats.lost


class WatchHeartbeats(Watch[Beats]):
    """Numbers arrive without a hole, and the slot is the one that it was."""

    id: ClassVar[str] = "heartbeats"
    if_unknown: ClassVar[Stops] = Stops.MOVE

    def places(self, scene: Scene) -> tuple[Side, ...]:
        """The side that serves, once the other is meant to follow it."""
        return (scene.state.serving,) if scene.is_way_back_expected else ()

    def where(self, side: Side) -> str:
        """The direction."""
        return direction(side)

    def observe(self, scene: Scene, side: Side) -> Beats | None:
        """Both ends; None where nothing is meant to stream yet."""
        giver, taker, name = scene.on(side), scene.on(side.other), scene.feeding.name
        if read_subscription(taker, name) is None:
            return None
        if read_slot(giver, name) is None:
            return None  # the watch over the stream says so
        return read_beats(giver, taker, name, scene.state.epoch)

    def judge(self, facts: Beats, limits: Limits) -> Iterator[Watched]:
        """A hole is for ever; one on its way is lag."""
        where = direction(facts.giver)
        yield self.say(where, _meaning(facts, limits), _figures(facts, where))


def _meaning(facts: Beats, limits: Limits) -> Meaning:
    giver, taker = facts.giver, facts.giver.other
    if not facts.copied:
        return Meaning(Standing.GOOD, "the initial copy has not ended yet")
    if lost := _lost(facts):
        do = MAKE_ANEW if giver is Side.BLUE else WAY_BACK_LOST
        return Meaning(Standing.BAD, lost, do, Stops.RUN)
    if not facts.last or (not facts.came and not facts.pending):
        words = f"no heartbeat of {giver} was seen in this epoch"
        return Meaning(Standing.UNKNOWN, words, stops=Stops.MOVE)
    if facts.pending_s > limits.max_lag.total_seconds():
        return Meaning(
            Standing.ODD,
            f"a heartbeat has been on its way to {taker} for "
            f"{format_duration(facts.pending_s)}, {facts.pending} in all",
            f"see the stream below; a lock or a long transaction on {taker} holds it "
            "up as well",
            Stops.NOTHING,
        )
    words = f"{facts.came} came through, none is missing"
    return Meaning(Standing.GOOD, words)


def _lost(facts: Beats) -> str:
    giver, taker = facts.giver, facts.giver.other
    if facts.lost:
        first, last = (format_duration(age) for age in facts.lost_s)
        return (
            f"{len(facts.lost)} heartbeats of {giver} never came to {taker} and never "
            f"will (from {facts.lost[0]}, {first} ago, to {facts.lost[-1]}, {last} "
            f"ago): the slot was dropped and made again, or {taker} was set back; what "
            f"{giver} committed in that time is missing there"
        )
    if facts.made_anew:
        return (
            f"the slot on {giver} was dropped and made again before heartbeat "
            f"{facts.made_anew}: its counters began anew; what {giver} committed in "
            f"between is missing on {taker}"
        )
    if facts.went_back:
        return (
            f"{taker} has heartbeat {facts.came} and {giver} knows none after "
            f"{facts.last}: {giver} was set back to an earlier state"
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

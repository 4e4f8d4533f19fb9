"""The gate right before traffic moves: every watch looks once more, and may say no.

Owns what a finding does to a move. The watches are in `every.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bluegreen.model.errors import BluegreenError, error_for
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, Refused, Satisfied, Verdict
from bluegreen.postgres.replication.heartbeat import Beats, read_beats, write_beat
from bluegreen.postgres.replication.stream import Channel
from bluegreen.steps.action import Action, Result
from bluegreen.steps.monitors.drift import RememberSchema
from bluegreen.steps.monitors.every import look_round, scene_of
from bluegreen.steps.monitors.follower import WatchFollower
from bluegreen.steps.monitors.heartbeats import WatchHeartbeats, is_fresh
from bluegreen.steps.monitors.monitor import Standing, Stops, Watched
from bluegreen.steps.monitors.sequences import WatchSequences
from bluegreen.steps.monitors.servers import WatchServers
from bluegreen.steps.monitors.settings import WatchSettings
from bluegreen.steps.monitors.stream import WatchStream
from bluegreen.steps.world import World

FRESH_S = 60.0
"""A heartbeat that came through within the last minute proves a stream without a hole
up to then; two markers prove the rest right before the pause."""

ARRIVES_WITHIN = timedelta(seconds=30)
"""Nobody waits for the act; a stream that is behind is told of by the markers."""

AGAINST_A_ROLLBACK = frozenset(
    {
        WatchFollower.id,
        WatchHeartbeats.id,
        WatchSequences.id,
        WatchServers.id,
        WatchSettings.id,
        WatchStream.id,
    }
)
"""Watches that stop the way back: a rollback over these would leave writes behind,
lead to another server, or to one that does not keep what it commits, or back out in
its pause. It is asked for on a bad night, so what a cutover would wait for, DDL by
somebody or much WAL, is told and no more."""

_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class GateFacts:
    """What the watches say now.

    Attributes:
        moved: traffic has gone there already, so there is nothing to guard.
        fresh: a heartbeat came through lately.
    """

    moved: bool
    found: tuple[Watched, ...] = ()
    fresh: bool = False

    def stopping(self, to: Side) -> tuple[Watched, ...]:
        """What stops a move there, but for heartbeats that nobody has written yet."""
        return tuple(
            one for one in self.found if _stops(one, to) and not _only_unwritten(one)
        )


def _stops(one: Watched, to: Side) -> bool:
    if one.stops is Stops.NOTHING:
        return False
    return to is Side.GREEN or one.watch in AGAINST_A_ROLLBACK


def _only_unwritten(one: Watched) -> bool:
    return one.watch == WatchHeartbeats.id and one.standing is Standing.UNKNOWN


class PassWatches(Action[GateFacts]):
    """No watch has found what must not be moved over.

    Crash: nothing is left but a heartbeat more or less.
    """

    no_undo = "it only proves"

    def __init__(self, step_id: str, to: Side) -> None:
        super().__init__(step_id)
        self.to = to
        self.title = f"no watch speaks against a move to {to}"

    def observe(self, world: World) -> GateFacts:
        """A whole round of the watches."""
        scene = scene_of(world, world.journal.records())
        if scene.state.serving is self.to:
            return GateFacts(moved=True)
        beats = WatchHeartbeats().observe(scene, self.to.other)
        fresh = beats is not None and is_fresh(beats, FRESH_S)
        return GateFacts(False, look_round(scene), fresh)

    def judge(self, facts: GateFacts) -> Verdict:
        """What is unknown stops as well; a missing heartbeat can be sent."""
        if facts.moved:
            return Satisfied(f"{self.to} serves already")
        if stopping := facts.stopping(self.to):
            return refusal(stopping, self.to)
        if not facts.fresh:
            return Needed("no heartbeat came through in the last minute")
        told = [one for one in facts.found if one.standing is not Standing.GOOD]
        words = f"; told: {', '.join(one.watch for one in told)}" if told else ""
        return Satisfied(f"{len(facts.found)} looks, none speaks against it{words}")

    def act(self, world: World, facts: GateFacts) -> Result:
        """Send two heartbeats and wait for them, or for the proof that they are lost.

        Two, because the second one's position proves the loss of the first.
        """
        name = Channel(world.name, self.to.other).name
        giver, taker = world.on(self.to.other), world.on(self.to)
        epoch = scene_of(world, world.journal.records()).state.epoch
        for _ in range(2):
            write_beat(giver, name)
        started = world.clock.monotonic()
        beats = read_beats(giver, taker, name, epoch)
        while not _has_come(beats):
            if world.clock.monotonic() - started > ARRIVES_WITHIN.total_seconds():
                break
            world.clock.sleep(_POLL_S)
            beats = read_beats(giver, taker, name, epoch)
        return {"heartbeat": beats.came, "lost": len(beats.lost)}


def gates_of(step_id: str, to: Side) -> tuple[Action[Any], ...]:
    """What comes last before traffic moves to a side.

    Its schema is remembered after the look, so that the look holds what serves now
    against what was remembered before.
    """
    return (PassWatches(step_id, to), RememberSchema(step_id, to, for_move=True))


def _has_come(beats: Beats) -> bool:
    return bool(beats.lost) or beats.came >= beats.last


def refusal(found: Sequence[Watched], to: Side) -> Refused:
    """The verdict that names all of them. Pure."""
    return Refused(
        # Over a broken stream a rollback would leave writes behind.
        6001 if to is Side.BLUE else 4011,
        f"a watch speaks against the move to {to}: "
        f"{', '.join(dict.fromkeys(one.watch for one in found))}",
        seen="\n".join(f"{one.watch}, {one.where}: {one.says}" for one in found),
        wanted="no watch that stops a move; `bluegreen status` shows them all",
        hint="\n".join(dict.fromkeys(one.do for one in found if one.do)),
    )


def stop_of_run(found: Sequence[Watched], to: Side) -> BluegreenError:
    """The error of a run that need not go on, whatever it does now. Pure."""
    no = refusal(found, to)
    problem = no.why.replace("the move to", "going on to", 1)
    return error_for(no.code, problem, seen=no.seen, wanted=no.wanted, hint=no.hint)

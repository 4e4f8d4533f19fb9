"""The gate right before traffic moves: every monitor looks once more, and may say no.

Owns what a finding does to a move. The monitors are in `every.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bluegreen.model.codes import Code
from bluegreen.model.errors import BluegreenError, error_for
from bluegreen.model.finding import Blocks, Finding, Severity
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, Refused, Satisfied, Verdict
from bluegreen.postgres.replication.heartbeat import Beats, read_beats, write_beat
from bluegreen.postgres.replication.stream import ReplicationStream
from bluegreen.steps.action import Action, Result
from bluegreen.steps.monitors.application import MonitorApplication
from bluegreen.steps.monitors.drift import RememberSchema
from bluegreen.steps.monitors.every import MONITORS, look_round, round_of
from bluegreen.steps.monitors.follower import MonitorFollower
from bluegreen.steps.monitors.heartbeats import MonitorHeartbeats, is_fresh
from bluegreen.steps.monitors.monitor import Monitor
from bluegreen.steps.monitors.sequences import MonitorSequences
from bluegreen.steps.monitors.servers import MonitorServers
from bluegreen.steps.monitors.settings import MonitorSettings
from bluegreen.steps.monitors.stream import MonitorStream
from bluegreen.steps.world import World

FRESH_S = 60.0
"""A heartbeat that came through within the last minute proves a stream without a hole
up to then; two markers prove the rest right before the pause."""

ARRIVES_WITHIN = timedelta(seconds=30)
"""No client waits for the act; a stream that is behind is told of by the markers."""

AGAINST_A_ROLLBACK = frozenset(
    {
        MonitorApplication.id,
        MonitorFollower.id,
        MonitorHeartbeats.id,
        MonitorSequences.id,
        MonitorServers.id,
        MonitorSettings.id,
        MonitorStream.id,
    }
)
"""Monitors that stop the way back: a rollback over these would leave writes behind,
lead to another server, to one that does not keep what it commits or refuses its
clients, or back out in its pause. It is asked for on a bad night, so what a cutover
would wait for, DDL or much WAL, is not even asked: to come in as a client where the
pool is exhausted takes seconds, in which writes fail."""

_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class GateFacts:
    """What the monitors say now.

    Attributes:
        moved: traffic has gone there already, so there is nothing to guard.
        fresh: a heartbeat came through lately.
    """

    moved: bool
    found: tuple[Finding, ...] = ()
    fresh: bool = False

    def stopping(self, to_side: Side) -> tuple[Finding, ...]:
        """What stops a move there, but for heartbeats that were not written yet."""
        return tuple(
            one
            for one in self.found
            if _stops(one, to_side) and not _only_unwritten(one)
        )


def _asked_before(to_side: Side) -> tuple[Monitor[Any], ...]:
    if to_side is Side.GREEN:
        return MONITORS
    return tuple(one for one in MONITORS if one.id in AGAINST_A_ROLLBACK)


def _stops(one: Finding, to_side: Side) -> bool:
    if one.blocks is Blocks.NOTHING:
        return False
    return to_side is Side.GREEN or one.id in AGAINST_A_ROLLBACK


def _only_unwritten(one: Finding) -> bool:
    return one.id == MonitorHeartbeats.id and one.severity is Severity.UNKNOWN


class PassMonitors(Action[GateFacts]):
    """No monitor has found what must not be moved over.

    Crash: nothing is left but a heartbeat more or less.
    """

    no_undo = "it only proves"

    def __init__(self, step_id: str, to_side: Side) -> None:
        super().__init__(step_id)
        self.to_side = to_side
        self.title = f"no monitor blocks a move to {to_side}"

    def observe(self, world: World) -> GateFacts:
        """A round of the monitors that could stop this move."""
        seen = round_of(world, world.journal.records())
        if seen.state.serving is self.to_side:
            return GateFacts(moved=True)
        beats = MonitorHeartbeats().observe(seen, self.to_side.other)
        fresh = beats is not None and is_fresh(beats, FRESH_S)
        found = look_round(seen, _asked_before(self.to_side))
        return GateFacts(False, found, fresh)

    def judge(self, facts: GateFacts) -> Verdict:
        """What is unknown stops as well; a missing heartbeat can be sent."""
        if facts.moved:
            return Satisfied(f"{self.to_side} serves already")
        if stopping := facts.stopping(self.to_side):
            return refusal(stopping, self.to_side)
        if not facts.fresh:
            return Needed("no heartbeat came through in the last minute")
        told = [one for one in facts.found if one.severity is not Severity.OK]
        words = f"; told: {', '.join(one.id for one in told)}" if told else ""
        return Satisfied(f"{len(facts.found)} monitors, none blocks it{words}")

    def act(self, world: World, facts: GateFacts) -> Result:
        """Send two heartbeats and wait for them, or for the proof that they are lost.

        Two, because the second one's position proves the loss of the first.
        """
        name = ReplicationStream(world.name, self.to_side.other).name
        publisher, subscriber = world.on(self.to_side.other), world.on(self.to_side)
        epoch = round_of(world, world.journal.records()).state.epoch
        for _ in range(2):
            write_beat(publisher, name)
        started = world.clock.monotonic()
        beats = read_beats(publisher, subscriber, name, epoch)
        while not _has_come(beats):
            if world.clock.monotonic() - started > ARRIVES_WITHIN.total_seconds():
                break
            world.clock.sleep(_POLL_S)
            beats = read_beats(publisher, subscriber, name, epoch)
        return {"heartbeat": beats.came, "lost": len(beats.lost)}


def gates_of(step_id: str, to_side: Side) -> tuple[Action[Any], ...]:
    """What comes last before traffic moves to a side.

    Its schema is remembered after the look, so that the look holds what serves now
    against what was remembered before.
    """
    return (
        PassMonitors(step_id, to_side),
        RememberSchema(step_id, to_side, for_move=True),
    )


def _has_come(beats: Beats) -> bool:
    return bool(beats.lost) or beats.came >= beats.last


def refusal(found: Sequence[Finding], to_side: Side) -> Refused:
    """The verdict that names all of them. Pure."""
    return Refused(
        # Over a broken stream a rollback would leave writes behind.
        Code.ROLLBACK_LOSES_DATA if to_side is Side.BLUE else Code.SWITCHOVER_BLOCKED,
        f"a monitor blocks the move to {to_side}: "
        f"{', '.join(dict.fromkeys(one.id for one in found))}",
        seen="\n".join(f"{one.id}, {one.where}: {one.seen}" for one in found),
        wanted="no monitor that stops a move; `bluegreen status` shows them all",
        hint="\n".join(dict.fromkeys(one.fix for one in found if one.fix)),
    )


def stop_of_run(found: Sequence[Finding], to_side: Side) -> BluegreenError:
    """The error of a run that need not go on, whatever it does now. Pure."""
    no = refusal(found, to_side)
    problem = no.why.replace("the move to", "going on to", 1)
    return error_for(no.code, problem, seen=no.seen, wanted=no.wanted, hint=no.hint)

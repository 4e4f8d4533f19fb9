"""The quarantine: blue stands fenced and whole for a while before it is taken down.

Owns how long, from the release by green's clock with a second one as its witness, and
the last look at who still needs blue. All refusals before the release are in `due.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bluegreen.model.clock import host_time
from bluegreen.model.codes import Code
from bluegreen.model.duration import format_duration
from bluegreen.model.errors import ServerRefused
from bluegreen.model.record import Kind
from bluegreen.model.side import Side
from bluegreen.model.verdict import NotYet, Refused, Satisfied, Verdict
from bluegreen.pointers.pointer import PointerFacts
from bluegreen.postgres.database import ServerGoneError
from bluegreen.postgres.fence.fence import FenceFacts, read_fence
from bluegreen.postgres.journal.table import server_time
from bluegreen.steps.action import Waiting
from bluegreen.steps.release.clocks import Clocks
from bluegreen.steps.world import World


@dataclass(frozen=True, slots=True)
class QuarantineFacts:
    """What blocks taking blue down now.

    Attributes:
        released: when blue was released, by green's clock; None before.
        now: green's clock.
        begun: whether the command was begun before; blue may be gone then.
        fence: blue's fence; None where blue was not asked.
        pointers: each pointer by id.
        blue_now: blue's clock, a second witness; None where blue was not asked.
        host_now: the clock of the machine that we run on.
    """

    released: datetime | None
    now: datetime
    begun: bool = False
    fence: FenceFacts | None = None
    pointers: dict[str, PointerFacts] | None = None
    blue_now: datetime | None = None
    host_now: datetime | None = None


class AwaitQuarantine(Waiting[QuarantineFacts]):
    """The quarantine is over, and blue was not taken back into service meanwhile.

    Crash: nothing is changed.
    """

    title = "blue's quarantine is over"
    waits_for_timer = True

    def __init__(self, step_id: str, quarantine: timedelta, command: str) -> None:
        super().__init__(step_id)
        self.quarantine = quarantine
        self._command = command

    def observe(self, world: World) -> QuarantineFacts:
        """The journal, green's clock, and once it is time the pointers and blue."""
        records = world.journal.records()
        released = next((r.at for r in records if r.kind is Kind.RELEASED), None)
        now = server_time(world.green)
        begun = any(
            r.kind is Kind.INTENT and r.action == self._command for r in records
        )
        facts = QuarantineFacts(released, now, begun, host_now=host_time())
        if released is None or (now < released + self.quarantine and not begun):
            return facts
        pointers = {pointer.id: pointer.observe() for pointer in world.pointers}
        facts = replace(facts, pointers=pointers)
        try:
            fence, blue_now = read_fence(world.blue), server_time(world.blue)
        except (ServerGoneError, ServerRefused):
            if not begun:
                raise
            return facts  # The command may have taken it down already.
        return replace(facts, fence=fence, blue_now=blue_now)

    def judge(self, facts: QuarantineFacts) -> Verdict:
        """Time first; then nothing may lead to blue, and blue must take no writes."""
        if facts.begun:
            # It will be run again: a client that came back to blue meanwhile must be
            # seen.
            return _taken_back(facts) or Satisfied("the command was begun before")
        if facts.released is None:
            return NotYet("blue is not released yet")
        until = facts.released + self.quarantine
        if facts.now < until:
            left = format_duration(until - facts.now)
            return NotYet(
                f"blue was released and is kept until {until:%Y-%m-%d %H:%M:%S} UTC, "
                f"for {left} more"
            )
        return (
            _clock_off(facts)
            or _taken_back(facts)
            or Satisfied(f"it ended at {until:%Y-%m-%d %H:%M} UTC")
        )


def _clock_off(facts: QuarantineFacts) -> Refused | None:
    clocks = Clocks(facts.now, facts.blue_now, facts.host_now)
    if clocks.agree:
        return None
    return Refused(
        Code.SIDE_NOT_PROVED,
        clocks.problem(),
        seen=clocks.say(),
        wanted="two clocks that agree that the quarantine is over",
        hint="set the wrong clock right, then try again; nothing was destroyed",
    )


def _taken_back(facts: QuarantineFacts) -> Refused | None:
    for name, pointer in (facts.pointers or {}).items():
        if pointer.names is not Side.GREEN:
            return Refused(
                Code.SIDE_NOT_PROVED,
                f"pointer {name} does not name green",
                seen=f"it names {pointer.seen}",
                wanted="every pointer on green",
                hint="who moved it since blue was released? Nothing was destroyed",
            )
    if facts.begun and facts.fence is None:
        return None
    if facts.fence is None or not facts.fence.is_closed:
        return Refused(
            Code.SIDE_NOT_PROVED,
            "blue's fence is not closed",
            seen="some of its tables take writes",
            wanted="every table of blue refuses writes until it is gone",
            hint="who opened it since blue was released? Nothing was destroyed",
        )
    return None

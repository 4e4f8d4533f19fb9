"""The quarantine: blue stands fenced and whole for a while before it is taken down.

Owns how long, from the release by green's clock, and the last look at who still needs
blue. All refusals before the release are in `due.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bluegreen.model.duration import format_duration
from bluegreen.model.record import Kind
from bluegreen.model.side import Side
from bluegreen.model.verdict import NotYet, Refused, Satisfied, Verdict
from bluegreen.pointers.pointer import PointerFacts
from bluegreen.postgres.fence import FenceFacts, read_fence
from bluegreen.postgres.journal_table import server_time
from bluegreen.steps.contract import Action, Result
from bluegreen.steps.world import World


@dataclass(frozen=True, slots=True)
class QuarantineFacts:
    """What speaks against taking blue down now.

    Attributes:
        released: when blue was released, by green's clock; None before.
        now: green's clock.
        begun: whether the command was begun before; blue may be gone then.
        fence: blue's fence; None where blue was not asked.
        pointers: each pointer by id.
    """

    released: datetime | None
    now: datetime
    begun: bool = False
    fence: FenceFacts | None = None
    pointers: dict[str, PointerFacts] | None = None


class AwaitQuarantine(Action[QuarantineFacts]):
    """The quarantine is over, and nobody took blue back into service meanwhile.

    Crash: nothing is changed.
    """

    title = "blue's quarantine is over"
    no_undo = "it only looks"
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
        if begun or released is None or now < released + self.quarantine:
            return QuarantineFacts(released, now, begun)
        pointers = {pointer.id: pointer.observe() for pointer in world.pointers}
        return QuarantineFacts(released, now, begun, read_fence(world.blue), pointers)

    def judge(self, facts: QuarantineFacts) -> Verdict:
        """Time first; then nothing may lead to blue, and blue must take no writes."""
        if facts.begun:
            return Satisfied("the command was begun before")
        if facts.released is None:
            return NotYet("blue is not released yet")
        until = facts.released + self.quarantine
        if facts.now < until:
            left = format_duration(until - facts.now)
            return NotYet(
                f"blue was released and is kept until {until:%Y-%m-%d %H:%M:%S} UTC, "
                f"for {left} more"
            )
        return _taken_back(facts) or Satisfied(
            f"it ended at {until:%Y-%m-%d %H:%M} UTC"
        )

    def act(self, world: World, facts: QuarantineFacts) -> Result:
        """Nothing to do but wait."""
        return {}


def _taken_back(facts: QuarantineFacts) -> Refused | None:
    for name, pointer in (facts.pointers or {}).items():
        if pointer.names is not Side.GREEN:
            return Refused(
                7002,
                f"pointer {name} does not name green",
                seen=f"it names {pointer.seen}",
                wanted="every pointer on green",
                hint="who moved it since blue was released? Nothing was destroyed",
            )
    if facts.fence is None or not facts.fence.is_closed:
        return Refused(
            7002,
            "blue's fence is not closed",
            seen="some of its tables take writes",
            wanted="every table of blue refuses writes until it is gone",
            hint="who opened it since blue was released? Nothing was destroyed",
        )
    return None

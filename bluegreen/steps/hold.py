"""The step `hold`: the window in which rollback is promised.

Owns when the window opens and ends, by green's clock, as long as blue's agrees.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from bluegreen.model.bodies import WindowOpened
from bluegreen.model.clock import host_time
from bluegreen.model.codes import Code
from bluegreen.model.history import State, fold
from bluegreen.model.record import Kind
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, NotYet, Refused, Satisfied, Verdict
from bluegreen.postgres.journal.table import server_time
from bluegreen.steps.contract import Action, Result, Step
from bluegreen.steps.fields import Duration
from bluegreen.steps.release.clocks import Clocks
from bluegreen.steps.world import World


class Hold(Step):
    """Open the confidence window; blue stays a rollback target until it ends."""

    step: Literal["hold"] = "hold"

    window: Duration = timedelta(hours=24)
    """How long, from the moment the way back was proved."""

    def actions(self) -> tuple[Action[Any], ...]:
        """One action: the window's end stands in the journal."""
        return (OpenWindow(self.key, self.window),)


@dataclass(frozen=True, slots=True)
class WindowFacts:
    """What the journal tells of the window, and the clocks.

    Attributes:
        now: green's.
        blue_now: blue's, a second witness; None where it was not asked.
        host_now: of the machine that we run on.
    """

    state: State
    now: datetime
    blue_now: datetime | None = None
    host_now: datetime | None = None


class OpenWindow(Action[WindowFacts]):
    """The window's end is fixed, as one absolute time by green's clock.

    Crash: the record is there or it is not; a later one would end later.
    """

    title = "the rollback window is open"
    no_undo = "`bluegreen rollback` ends it"

    def __init__(self, step_id: str, window: timedelta) -> None:
        super().__init__(step_id)
        self.window = window

    def observe(self, world: World) -> WindowFacts:
        """The journal, and while no end is fixed every clock."""
        state, now = fold(world.journal.records()), server_time(world.green)
        if state.serving is not Side.GREEN or state.window_end is not None:
            return WindowFacts(state, now)
        return WindowFacts(state, now, server_time(world.blue), host_time())

    def judge(self, facts: WindowFacts) -> Verdict:
        """Only after the way back was proved is there something to promise."""
        last = facts.state.last_move
        if facts.state.serving is not Side.GREEN or not last or not last.way_back_open:
            return NotYet("green does not serve, or the way back is not open")
        end = facts.state.window_end
        if end is None:
            return _clock_off(facts) or Needed("no window was opened since the cutover")
        return Satisfied(f"until {end:%Y-%m-%d %H:%M:%S} UTC")

    def act(self, world: World, facts: WindowFacts) -> Result:
        """Write the end into the journal."""
        body = WindowOpened(facts.now + self.window).as_body()
        world.journal.append(Kind.WINDOW_OPENED, action=self.id, body=body)
        return body


def _clock_off(facts: WindowFacts) -> Refused | None:
    clocks = Clocks(facts.now, facts.blue_now, facts.host_now)
    if clocks.agree:
        return None
    return Refused(
        Code.GOAL_NOT_REACHED,
        f"no window is promised: {clocks.problem()}",
        seen=clocks.say(),
        wanted="two clocks that agree; the window's end is an absolute time by green's",
        hint="set the wrong clock right (chrony, ntpd), then run again; rollback is "
        "open meanwhile",
    )

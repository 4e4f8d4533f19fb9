"""A person moves the window's end: later by `hold`, to this moment by `decommission`.

Owns when that may be, and the record of it. Who asks and how a person confirms is for
the verbs; the first end is written by the step `hold`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from bluegreen.model.bodies import WindowOpened
from bluegreen.model.clock import host_time
from bluegreen.model.codes import Code
from bluegreen.model.errors import PlaybookRefused, StepError
from bluegreen.model.history import State, fold
from bluegreen.model.record import Kind
from bluegreen.model.side import Side
from bluegreen.model.verdict import Verdict
from bluegreen.postgres.journal.table import server_time
from bluegreen.steps.release.clocks import Clocks
from bluegreen.steps.release.due import AwaitWindowEnd, read_release
from bluegreen.steps.world import World


@dataclass(frozen=True, slots=True)
class WindowMoved:
    """What came of it.

    Attributes:
        until: the window's new end.
        was: the end before; None where no window was open.
        by: who moved it.
    """

    until: datetime
    was: datetime | None
    by: str


def say(at: datetime) -> str:
    """A time as every message of the window has it."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def extend(world: World, until: datetime, by: str) -> WindowMoved:
    """Promise rollback until a later time. Call it with the lease held.

    Raises:
        PlaybookRefused: 2008, there is no way back to promise, or the end is no later.
        StepError: 4001, the clocks disagree, so no end can be promised.
    """
    state, now = fold(world.journal.records()), server_time(world.green)
    if refused := why_not(state, now, until):
        raise refused
    clocks = Clocks(now, server_time(world.blue), host_time())
    if not clocks.agree:
        raise StepError(
            Code.GOAL_NOT_REACHED,
            f"no later end is promised: {clocks.problem()}",
            seen=clocks.say(),
            wanted="two clocks that agree; the window's end is a time by green's",
            hint="set the wrong clock right (chrony, ntpd), then try again",
        )
    _write(world, WindowOpened(until, by))
    return WindowMoved(until, state.window_end, by)


def why_not(state: State, now: datetime, until: datetime) -> PlaybookRefused | None:
    """Why the end may not be moved there. Pure."""
    last, end = state.last_move, state.window_end
    if state.serving is not Side.GREEN or last is None:
        return _refused("no rollback can be promised: blue serves", "no cutover holds")
    if state.released or state.abandoned or not last.way_back_open:
        return _refused(
            "no rollback can be promised: the way back is not open",
            "blue was released" if state.released else "the stream to blue is not up",
        )
    if until <= now or (end is not None and until <= end):
        return PlaybookRefused(
            Code.CALL_NOT_VALID,
            f"{say(until)} is no later end",
            seen=f"the window ends at {say(end)}; it is {say(now)} now"
            if end
            else f"it is {say(now)} now",
            wanted="a later time, in UTC or with its offset",
            hint="to end the window early use `bluegreen decommission --now`",
        )
    return None


def _refused(problem: str, seen: str) -> PlaybookRefused:
    return PlaybookRefused(
        Code.CALL_NOT_VALID,
        problem,
        seen=seen,
        wanted="green serving, and the reverse stream up",
        hint="look at `bluegreen status`",
    )


def judge_end(world: World) -> Verdict:
    """Whether blue may go, were the window over at this moment."""
    facts = read_release(world, over=True)
    state = replace(facts.state, window_end=facts.now)
    return AwaitWindowEnd("now").judge(replace(facts, state=state))


def end_now(world: World, by: str) -> None:
    """The window ends at this moment. Call it with the lease held.

    Raises:
        PlaybookRefused: 2008, a rollback came in between, so there is no window.
    """
    if fold(world.journal.records()).serving is not Side.GREEN:
        raise _refused("there is no window to end: blue serves", "a rollback was made")
    _write(world, WindowOpened(server_time(world.green), by))


def _write(world: World, body: WindowOpened) -> None:
    world.require_lease()
    world.journal.append(Kind.WINDOW_OPENED, body=body.as_body())

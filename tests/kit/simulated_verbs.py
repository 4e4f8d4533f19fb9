"""The verbs as a simulated process runs them: our own code over made-up handles.

Owns the handles of one process, its guard, and the order of each verb. What stands in
for threads, pointers and catalogs is in `simulated_stands.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from bluegreen.cli.order import before_steps
from bluegreen.engine import guard as guard_module
from bluegreen.engine.ask_status import look
from bluegreen.engine.journal import TwinJournal
from bluegreen.engine.plan import refusal_error
from bluegreen.engine.runner import Runner
from bluegreen.engine.session import engage, engage_green
from bluegreen.engine.status import Status
from bluegreen.model.errors import BluegreenError
from bluegreen.model.hazard import Hazard
from bluegreen.model.history import fold, with_green
from bluegreen.model.record import Kind
from bluegreen.model.side import Side
from bluegreen.model.verdict import NotYet, Refused
from bluegreen.postgres.catalog.identity import identity_of
from bluegreen.postgres.fence.fence import read_fence
from bluegreen.postgres.journal.table import read_records
from bluegreen.steps.decommission import Decommission
from bluegreen.steps.hold import Hold
from bluegreen.steps.monitors.gate import PassMonitors
from bluegreen.steps.release.due import AwaitWindowEnd
from bluegreen.steps.release.end import (
    EndWayBack,
    RemoveGreenFence,
    TakeBlueDown,
    TakeFinalBackup,
)
from bluegreen.steps.rollback import actions_of_rollback
from bluegreen.steps.switchover.limits import SwitchoverLimits
from bluegreen.steps.switchover.order import actions_of_switchover
from bluegreen.steps.switchover.switchover import Switchover
from bluegreen.steps.validation.rows import CompareRows
from bluegreen.steps.world import World as Handles
from tests.kit.simulated import World
from tests.kit.simulated_actors import Actor
from tests.kit.simulated_data import PLAYBOOK
from tests.kit.simulated_sql import SimulatedDatabase
from tests.kit.simulated_stands import NoTableIsNew, SimulatedPointer

LIMITS = SwitchoverLimits(probe=False)
END = Decommission(command=("take-blue-down",))
HOME = Path("/nonexistent/home")
"""No file is written: a certificate then stays in the journal."""


class Steps:
    """What a playbook says between the check and the window."""

    def actions(self) -> tuple[Any, ...]:
        to = Side.GREEN
        switchover = Switchover(to, LIMITS)
        gates = (PassMonitors("cutover", to), NoTableIsNew("cutover", to))
        return (
            CompareRows("validate", "checksum", 1, timedelta(hours=6)),
            *actions_of_switchover("cutover", switchover, gates),
            *Hold().actions(),
        )


class Ending:
    """What a playbook says of blue's end; what waits for it on green stays away."""

    KINDS = (
        AwaitWindowEnd,
        EndWayBack,
        TakeFinalBackup,
        RemoveGreenFence,
        TakeBlueDown,
    )

    def actions(self) -> tuple[Any, ...]:
        return tuple(one for one in END.actions() if isinstance(one, self.KINDS))


@dataclass
class Guard:
    """A guard process: it waits, and acts when its tool dies or overruns.

    Attributes:
        until: when the pause is over its budget; None before the pause begins.
        acting: the process that acts, once it does.
    """

    tool: Actor
    budget: timedelta
    until: float | None = None
    over: bool = False
    acting: Actor | None = None

    def begin(self) -> None:
        self.tool.effect()
        self.until = self.tool.world.now + self.budget.total_seconds()

    def look(self) -> None:
        """Act, if it is time; called whenever something has happened."""
        if self.until is None:
            return
        if self.acting is not None:
            self._let_go()
            return
        if self.over:
            return
        if not self.tool.alive:
            self.act("the tool died")
        elif self.tool.world.now >= self.until:
            self.act("the pause went on for too long")

    def _let_go(self) -> None:
        """Clients are let go when it is time, settled or not; those of a newer pause
        by its own guard."""
        world = self.tool.world
        assert self.until is not None
        late = world.now > self.until + guard_module.RELEASE_AFTER_S
        if self.acting is not None and self.acting.alive and late and self._is_newest():
            for pooler in world.poolers:
                pooler.paused = False

    def _is_newest(self) -> bool:
        servers = self.tool.world.servers.values()
        told = [row for one in servers if one.answers for row in one.data.journal]
        pauses = [(row[0], row[4]) for row in told if row[2] == Kind.PAUSING]
        return not pauses or max(pauses)[1] == self.tool.name

    def act(self, reason: str) -> None:
        if self.acting is None:
            world = self.tool.world

            def work(actor: Actor) -> None:
                run = self.tool.name
                handles = handles_of(actor, world, run)
                actor.gave_up = not guard_module.end_pause(handles, reason, run)

            self.acting = Actor(world, f"guard of {self.tool.name}", work)
            self.acting.move = self.tool.name


def handles_of(
    actor: Actor, world: World, run: str, *, exchanged: bool = False
) -> Handles:
    """What one process holds: the databases, the pointers, the journal, time."""
    blue, green = (
        SimulatedDatabase(actor, side, world.servers[side.other if exchanged else side])
        for side in Side
    )
    return Handles(
        name=PLAYBOOK,
        blue=blue,
        green=green,
        pointers=tuple(SimulatedPointer(actor, one) for one in world.poolers),
        journal=TwinJournal(blue, green, run, actor.name),
        home=HOME,
        clock=actor,
        point=actor.point,
    )


@contextmanager
def _guarded(actor: Actor, budget: timedelta) -> Iterator[Callable[[], None]]:
    guard = Guard(actor, budget)
    actor.world.guards.append(guard)
    try:
        yield guard.begin
        actor.effect()
        guard.over = True
    except BluegreenError:
        if guard.until is not None:
            guard.act("the tool backed out")
        guard.over = True
        raise
    finally:
        while guard.acting is not None and guard.acting.alive:
            actor.effect()


@contextmanager
def _engaged(actor: Actor, handles: Handles, run: str) -> Iterator[Handles]:
    with engage(handles.blue, handles.green, PLAYBOOK, run) as held:
        yield replace(
            handles,
            journal=held.journal,
            require_lease=held.lease.require_held,
            guard=lambda budget: _guarded(actor, budget),
        )


def _runner(world: Handles, run: str) -> Runner:
    return Runner(world, run=run, allow=set(Hazard))


def _about(world: Handles) -> dict[str, str]:
    return {"green": identity_of(world.green)}


def run(actor: Actor, *, exchanged: bool = False) -> None:
    """`bluegreen run`, up to the open window."""
    handles = handles_of(actor, actor.world, actor.name, exchanged=exchanged)
    with _engaged(actor, handles, actor.name) as world:
        state = fold(world.journal.records())
        before = before_steps(with_green(state, identity_of(world.green)))
        _runner(world, actor.name).run([Steps()], before=before, about=_about(world))


def settle_only(actor: Actor) -> None:
    """The beginning of any run: what a move that was cut short still needs."""
    handles = handles_of(actor, actor.world, actor.name)
    with _engaged(actor, handles, actor.name) as world:
        before = before_steps(fold(world.journal.records()))
        _runner(world, actor.name).run((), before=before, about=_about(world))


def rollback(actor: Actor, *, exchanged: bool = False, prove: bool = False) -> None:
    """`bluegreen rollback`."""
    handles = handles_of(actor, actor.world, actor.name, exchanged=exchanged)
    with _engaged(actor, handles, actor.name) as world:
        state = fold(world.journal.records())
        gates = (PassMonitors("rollback", Side.BLUE),)
        actions = actions_of_rollback(LIMITS, state, gates, prove=prove)
        _runner(world, actor.name).run((), before=actions, about=_about(world))


def decommission(actor: Actor, *, exchanged: bool = False) -> None:
    """`bluegreen decommission`, with a command that destroys blue."""
    handles = handles_of(actor, actor.world, actor.name, exchanged=exchanged)
    if END.is_over(fold(read_records(handles.green)), read_fence(handles.green)):
        return
    facts = END.last_action.observe(handles)
    if facts.released and facts.begun and facts.says is None:
        with engage_green(handles.blue, handles.green, actor.name) as held:
            world = replace(
                handles, journal=held.journal, require_lease=held.lease.require_held
            )
            _runner(world, actor.name).run((), before=(END.last_action,), about={})
        return
    first = END.actions()[0]
    verdict = first.judge(first.observe(handles))
    if isinstance(verdict, Refused):
        raise refusal_error(verdict)
    if isinstance(verdict, NotYet):
        return
    with _engaged(actor, handles, actor.name) as world:
        _runner(world, actor.name).run([Ending()], about=_about(world))


prove = partial(rollback, prove=True)
"""`bluegreen rollback --prove`."""


def status(actor: Actor, found: list[Status]) -> None:
    """`bluegreen status`."""
    found.append(look(handles_of(actor, actor.world, actor.name)))

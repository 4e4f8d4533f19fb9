"""The verbs as a simulated process runs them: our own code over made-up handles.

Owns the handles of one process, its guard, and what stands in for the few things that
are neither a server nor a pooler: threads, the clock, dump files, the user's command.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from psycopg import sql

from bluegreen.backups.proof import BackupProof
from bluegreen.cli.order import before_steps
from bluegreen.engine import guard as guard_module
from bluegreen.engine.ask_status import look
from bluegreen.engine.journal import TwinJournal
from bluegreen.engine.plan import refusal_error
from bluegreen.engine.runner import Runner
from bluegreen.engine.session import engage, engage_green
from bluegreen.engine.status import Status
from bluegreen.model.errors import BluegreenError, BudgetError, StepError
from bluegreen.model.hazard import Hazard
from bluegreen.model.history import fold, with_green
from bluegreen.model.record import Kind
from bluegreen.model.side import Side
from bluegreen.model.verdict import NotYet, Refused
from bluegreen.pointers.pointer import PointerFacts
from bluegreen.postgres.catalog.identity import identity_of
from bluegreen.postgres.database import Database
from bluegreen.postgres.fence.fence import read_fence
from bluegreen.postgres.journal.table import read_records
from bluegreen.postgres.replication.publication import PublishedTable
from bluegreen.postgres.replication.stream import ReplicationStream
from bluegreen.postgres.replication.witness import Witness
from bluegreen.steps.cutover import Cutover
from bluegreen.steps.decommission import Decommission
from bluegreen.steps.hold import Hold
from bluegreen.steps.partitions.take_up import NewPartitions
from bluegreen.steps.release.due import AwaitWindowEnd
from bluegreen.steps.release.end import (
    EndWayBack,
    RemoveGreenFence,
    TakeBlueDown,
    TakeFinalBackup,
)
from bluegreen.steps.rollback import CheckWayBack, actions_of_rollback
from bluegreen.steps.switchover.arm import CreateReversePublication, PublicationFacts
from bluegreen.steps.switchover.order import actions_of_switchover
from bluegreen.steps.world import World as Handles
from tests.kit.simulated import BACKUP, PLAYBOOK, TABLES, Pooler, World
from tests.kit.simulated_actors import Actor, here
from tests.kit.simulated_sql import SimulatedDatabase

LIMITS = Cutover(probe=False)
END = Decommission(command=("take-blue-down",))
HOME = Path("/nonexistent/home")
"""No file is written: a certificate then stays in the journal."""

TRAVELLING = tuple(PublishedTable("public", name) for name in TABLES)
PROOF = BackupProof.from_result(BACKUP)


class Steps:
    """What a playbook says between the check and the window."""

    def actions(self) -> tuple[Any, ...]:
        switchover = LIMITS.switchover(Side.GREEN)
        return (*actions_of_switchover("cutover", switchover), *Hold().actions())


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


class SimulatedPointer:
    """A pooler as one process reaches it."""

    client = None

    def __init__(self, actor: Actor, pooler: Pooler) -> None:
        self.id = pooler.id
        self._actor, self._pooler = actor, pooler

    def _ask(self) -> Pooler:
        self._actor.effect()
        if not self._pooler.up:
            raise StepError(4009, "the console does not answer")
        return self._pooler

    def observe(self) -> PointerFacts:
        pooler = self._ask()
        return PointerFacts(pooler.names, pooler.paused, str(pooler.names))

    def check(self) -> list[Any]:
        return []

    def warm_up(self) -> None:
        self._ask()

    def prove(self) -> None:
        self._ask()

    @property
    def place(self) -> object:
        return self.id

    def stage(self, side: Side, others: Sequence[Any] = ()) -> None:
        self._ask()

    def require_unchanged(self) -> None:
        self._ask()

    def move_with(self, others: Sequence[Any], side: Side) -> dict[str, BluegreenError]:
        self.move(side)
        return {}

    def by_hand(self, side: Side) -> str:
        return ""

    def resume_by_hand(self) -> str:
        return ""

    def pause(self, budget: timedelta) -> None:
        if self._ask().busy:
            raise BudgetError(5001, "a transaction stays open")
        self._pooler.paused = True

    def move(self, side: Side) -> None:
        self._actor.effect()
        self._pooler.file = side
        pooler = self._ask()
        pooler.names = pooler.file

    def resume(self) -> None:
        self._ask().paused = False

    def probe(self) -> str:
        server = self._actor.world.servers[self._ask().names]
        if not server.answers:
            raise StepError(4009, "no client comes through")
        return server.identity

    def close(self) -> None:
        """Nothing is held."""


class Inline:
    """A pool whose workers have done their work when `submit` returns."""

    def __init__(self, *_: object, **__: object) -> None:
        return

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(work(*arguments))
        except Exception as error:  # noqa: BLE001 - raised where it is asked for
            future.set_exception(error)
        return future

    def shutdown(self, **_: object) -> None:
        return

    def __enter__(self) -> Inline:
        return self

    def __exit__(self, *_: object) -> None:
        return


def stand_in(patch: pytest.MonkeyPatch) -> None:
    """Put the stand-ins in place of threads, sleep, dump files and the command."""
    for module in ("bluegreen.pointers.all_poolers", "bluegreen.postgres.fence.closer"):
        patch.setattr(f"{module}.ThreadPoolExecutor", Inline)
    patch.setattr("bluegreen.engine.guard.time", SimpleNamespace(sleep=_sleep))
    arm = "bluegreen.steps.switchover.arm"
    patch.setattr(f"{arm}.create_subscription", _subscribe)
    # What only looks for trouble, and says so, moves nothing.
    patch.setattr("bluegreen.engine.ask_status.look_round", lambda _: ())
    patch.setattr("bluegreen.steps.rollback.CheckFit", CheckWayBack)
    # Which tables and columns travel is the catalogs' matter.
    patch.setattr(f"{arm}.CreateCounterPublication.observe", _read_publication)
    patch.setattr(f"{arm}.publish", _publish)
    for action in ("TakeUpPartitions", "TakeUpWaiting"):
        take_up = f"bluegreen.steps.partitions.take_up.{action}"
        patch.setattr(f"{take_up}.observe", lambda *_: NewPartitions(Side.BLUE))
    patch.setattr(
        "bluegreen.postgres.replication.left_behind.read_left_behind", lambda *_: ()
    )
    patch.setattr(
        "bluegreen.postgres.replication.left_behind.count_rows", lambda *_: ()
    )
    # Nothing here sets a disk back; what would show it is asked of real servers.
    patch.setattr("bluegreen.steps.switchover.table_set.read_route", lambda *_: "")
    patch.setattr("bluegreen.steps.switchover.recover.read_start", lambda *_: "")
    patch.setattr(
        "bluegreen.steps.switchover.reverse_stream.read_witness",
        lambda side, *_: Witness(side.side, "", "1 1 0"),
    )
    for module in ("steps.move.traffic", "postgres.journal_table"):
        patch.setattr(f"bluegreen.{module}.hung_up_after", nullcontext_of)
    patch.setattr("bluegreen.postgres.sync_wait.hung_up_after", nullcontext_of)
    patch.setattr("bluegreen.steps.release.due._fault", lambda *_: "")
    for module in ("due", "end"):
        patch.setattr(f"bluegreen.steps.release.{module}.find_fault", lambda _: "")
    patch.setattr("bluegreen.steps.release.end.take_backup", lambda *_, **__: PROOF)
    command = SimpleNamespace(run=_take_down, PIPE=None, STDOUT=None, DEVNULL=None)
    patch.setattr("bluegreen.steps.release.end.subprocess", command)


def _sleep(seconds: float) -> None:
    here().sleep(seconds)


def _subscribe(
    subscriber: Database, _publisher: Database, name: str, **words: bool
) -> None:
    """How the password is kept quiet is no matter of the simulation."""
    assert words == {"copy_data": False, "enabled": False}
    subscriber.run(sql.SQL("CREATE SUBSCRIPTION {}").format(sql.Identifier(name)))


def _read_publication(
    action: CreateReversePublication, world: Handles
) -> PublicationFacts:
    database = world.on(action.to)
    found = database.value(
        sql.SQL("SELECT EXISTS (SELECT FROM pg_publication)"),
        [ReplicationStream(world.name, action.to).name],
    )
    return PublicationFacts(TRAVELLING if found else None, TRAVELLING, ())


def nullcontext_of(*_: object) -> AbstractContextManager[None]:
    """No session waits in silence here."""
    return nullcontext()


def _publish(database: Database, name: str, _tables: object) -> None:
    database.run(sql.SQL("CREATE PUBLICATION {}").format(sql.Identifier(name)))


def _take_down(*_: object, env: dict[str, str], **__: object) -> Any:
    """What the user's command does: it destroys the database it is told of."""
    actor = here()
    actor.effect()
    world = actor.world
    address = env["BLUEGREEN_DATABASE"].split(":")[0]
    side = Side(address)
    assert env["BLUEGREEN_IDENTITY"] == world.servers[side].identity
    world.destroy(side)
    return SimpleNamespace(returncode=0, stdout="")


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
        if self.until is None or self.over:
            return
        if self.acting is not None:
            self._let_go()
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
                guard_module._act(handles_of(actor, world, run), reason, run)

            self.acting = Actor(world, f"guard of {self.tool.name}", work)


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


def rollback(actor: Actor, *, exchanged: bool = False) -> None:
    """`bluegreen rollback`."""
    handles = handles_of(actor, actor.world, actor.name, exchanged=exchanged)
    with _engaged(actor, handles, actor.name) as world:
        state = fold(world.journal.records())
        actions = actions_of_rollback(LIMITS, state)
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


def status(actor: Actor, found: list[Status]) -> None:
    """`bluegreen status`."""
    found.append(look(handles_of(actor, actor.world, actor.name)))

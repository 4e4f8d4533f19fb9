"""What stands in for what is neither a server nor a decision of ours.

Owns the pointer, threads, sleep, dump files, the user's command, the comparing of rows,
and which of the monitors look. What a monitor or a proof means is decided by our own
code.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from psycopg import sql

from bluegreen.backups.proof import BackupProof
from bluegreen.model.errors import BluegreenError, BudgetError, StepError
from bluegreen.model.finding import Finding
from bluegreen.model.history import fold
from bluegreen.model.side import Side
from bluegreen.model.verdict import Refused, Satisfied, Verdict
from bluegreen.pointers.pointer import PointerFacts
from bluegreen.postgres.compare.rows import TableResult
from bluegreen.postgres.database import Database
from bluegreen.postgres.replication.marker import send_marker
from bluegreen.postgres.replication.publication import PublishedTable, read_publication
from bluegreen.postgres.replication.stream import ReplicationStream
from bluegreen.postgres.replication.table_set import read_table_prints
from bluegreen.steps.action import Action, Result
from bluegreen.steps.monitors.every import look_round
from bluegreen.steps.monitors.follower import MonitorFollower
from bluegreen.steps.monitors.heartbeats import MonitorHeartbeats
from bluegreen.steps.monitors.monitor import Monitor, Round
from bluegreen.steps.monitors.servers import MonitorServers
from bluegreen.steps.monitors.stream import MonitorStream
from bluegreen.steps.partitions.take_up import NewPartitions
from bluegreen.steps.switchover.arm import CreateReversePublication, PublicationFacts
from bluegreen.steps.world import World as Handles
from tests.kit.simulated import BACKUP, Pooler
from tests.kit.simulated_actors import Actor, here
from tests.kit.simulated_data import TABLES

TRAVELLING = tuple(PublishedTable("public", name) for name in TABLES)
PROOF = BackupProof.from_result(BACKUP)
MONITORS = (MonitorHeartbeats(), MonitorStream(), MonitorFollower(), MonitorServers())
"""Those that tell of lost rows; the others look at settings, disks and schemas."""

_COMPARED_WITHIN = timedelta(seconds=30)


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

    def observe_kept(self) -> PointerFacts:
        return self.observe()

    def check(self, others: Sequence[Any] = ()) -> list[Any]:
        return []

    @property
    def holds_clients(self) -> bool:
        return True

    def warm_up(self) -> None:
        self._ask()

    def most_connections(self) -> int:
        return 0

    def leave_out_client(self) -> None:
        pass

    def prove(self, side: Side, others: Sequence[Any] = ()) -> None:
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
        self._pooler.paused, self._pooler.paused_by = True, self._actor

    def move(self, side: Side) -> None:
        self._actor.effect()
        if side is not self._actor.world.serving:
            self._require_in_time(f"turns {self.id} to {side}")
        self._pooler.file = side
        pooler = self._ask()
        pooler.names = pooler.file

    def resume(self) -> None:
        pooler = self._ask()
        self._require_in_time(f"lets the clients of {self.id} go")
        pooler.paused = False

    def _require_in_time(self, what: str) -> None:
        """No pooler can be asked whose the newest move is; so a journal was asked, as
        the last thing before, and knew of no newer one."""
        actor = self._actor
        # A journal that went back may be the one that is asked.
        if not all(one.counts_conflicts for one in actor.world.servers.values()):
            return
        newest = actor.world.newest_pause_but(actor.move)
        if actor.is_overtaken:
            assert actor.has_asked, f"{actor.name} {what} and asks nobody before"
            # One that is over binds nobody; whoever asked acts by what came of it.
            late = actor.asked > newest and actor.world.is_move_open
            assert not late, f"{actor.name} {what} in a newer move"
        elif actor.move not in actor.world.pauses:
            knows = actor.has_asked or actor.asked > newest
            assert knows, f"{actor.name} {what} by an older story"

    def younger_moves(self, ours: Collection[str]) -> list[str]:
        """A mover's session is there as long as it lives, or its guard does."""
        self._ask()
        actor = self._actor
        actor.asks()
        newest = actor.world.newest_pause_but(actor.move)
        theirs = [run for run, at in actor.world.pauses.items() if at == newest]
        alive = [one for one in actor.world.actors if one.alive]
        later = newest > actor.world.pauses.get(actor.move, 0)
        return [one.name for one in alive if later and one.move in theirs]

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
    """Put all stand-ins in place."""
    for module in ("bluegreen.pointers.all_poolers", "bluegreen.postgres.fence.closer"):
        patch.setattr(f"{module}.ThreadPoolExecutor", Inline)
    patch.setattr("bluegreen.engine.guard.time", SimpleNamespace(sleep=_sleep))
    for module in ("steps.switchover.traffic", "postgres.journal.table"):
        patch.setattr(f"bluegreen.{module}.hung_up_after", nullcontext_of)
    patch.setattr("bluegreen.postgres.sync_wait.hung_up_after", nullcontext_of)
    patch.setattr("bluegreen.steps.release.due._fault", lambda *_: "")
    for module in ("bluegreen.engine.ask_status", "bluegreen.steps.monitors.gate"):
        patch.setattr(f"{module}.look_round", _look_round)
    _stand_in_for_catalogs(patch)
    _stand_in_for_comparing(patch)
    for module in ("release.due", "store_backup"):
        patch.setattr(f"bluegreen.steps.{module}.find_fault", lambda _: "")
    patch.setattr("bluegreen.steps.release.end.take_backup", lambda *_, **__: PROOF)
    command = SimpleNamespace(run=_take_down, PIPE=None, STDOUT=None, DEVNULL=None)
    patch.setattr("bluegreen.steps.release.end.subprocess", command)


def _stand_in_for_catalogs(patch: pytest.MonkeyPatch) -> None:
    """Which tables and columns travel, and what a schema is, is the catalogs' matter.

    Which sessions, privileges and objects need a look of their own as well.
    """
    arm = "bluegreen.steps.switchover.arm"
    patch.setattr(f"{arm}.create_subscription", _subscribe)
    patch.setattr(f"{arm}.CreateReversePublication.observe", _read_publication)
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
    patch.setattr("bluegreen.steps.rollback.CheckFit", NoTableIsNew)
    patch.setattr("bluegreen.steps.switchover.table_set.changed_things", lambda *_: ())


def _stand_in_for_comparing(patch: pytest.MonkeyPatch) -> None:
    """How rows are compared; when they must be, and what follows, is our own code's."""
    validation = "bluegreen.steps.validation"
    patch.setattr(f"{validation}.proof.read_items", lambda _: ())
    patch.setattr(f"{validation}.proof.fingerprint", lambda _: "")
    for module in ("rows", "way_back"):
        for name in ("read_plans", "read_given", "sent_only"):
            patch.setattr(f"{validation}.{module}.{name}", lambda *_: ("all",))
    patch.setattr(f"{validation}.rows.CompareRows.compare", _compare)


def _sleep(seconds: float) -> None:
    here().sleep(seconds)


def nullcontext_of(*_: object) -> AbstractContextManager[None]:
    """No session waits in silence here."""
    return nullcontext()


def _look_round(
    world: Round, monitors: Iterable[Monitor[Any]] = MONITORS
) -> tuple[Finding, ...]:
    asked = {one.id for one in monitors}
    return look_round(world, [one for one in MONITORS if one.id in asked])


def _compare(
    _: object, world: Handles, publisher: Side, _plans: object, *, streams: bool
) -> list[TableResult]:
    """A marker behind the rows of a look brings all of them to the other side."""
    assert streams, "there is a subscription in every history"
    publisher, subscriber = world.on(publisher), world.on(publisher.other)
    before, surplus = _rows(publisher), _rows(subscriber)
    send_marker(publisher, subscriber, deadline=_COMPARED_WITHIN, clock=world.clock)
    lacking = before - _rows(subscriber)
    surplus -= _rows(publisher)
    found = tuple(f"row {row}" for row in (*lacking, *surplus))
    return [TableResult("public.all", len(before), differences=found)]


def _rows(database: Database) -> set[Any]:
    return {row for (row,) in database.rows(sql.SQL("TABLE everything"))}


class NoTableIsNew(Action[tuple[str, ...]]):
    """Stands for the looks at both schemas: what has no twin there cannot go there.

    In the order of a rollback it has the place of `CheckFit`; before a cutover it does
    what the judge and the watch over the schema do.

    Crash: nothing is changed.
    """

    no_undo = "it only looks"
    title = "every table travels"

    def __init__(self, step_id: str, to: Side = Side.BLUE) -> None:
        super().__init__(step_id)
        self.to = to

    def observe(self, world: Handles) -> tuple[str, ...]:
        """Tables of the side that is left which nothing carries."""
        if fold(world.journal.records()).serving is self.to:
            return ()
        left, name = (
            world.on(self.to.other),
            ReplicationStream(world.name, self.to.other).name,
        )
        sent = {one.name for one in read_publication(left, name) or ()}
        there = read_table_prints(left, name)
        return tuple(t for t in there if t.removeprefix("public.") not in sent)

    def judge(self, facts: tuple[str, ...]) -> Verdict:
        """Each is one too many."""
        if facts:
            return Refused(6001, f"rows of {', '.join(facts)} would stay behind")
        return Satisfied("all of them travel")

    def act(self, world: Handles, facts: tuple[str, ...]) -> Result:
        """Nothing."""
        return {}


def _subscribe(
    subscriber: Database, _publisher: Database, name: str, **words: bool
) -> None:
    """How the password is kept quiet is no matter of the simulation."""
    assert words == {"copy_data": False, "enabled": False}
    subscriber.run(sql.SQL("CREATE SUBSCRIPTION {}").format(sql.Identifier(name)))


def _read_publication(
    action: CreateReversePublication, world: Handles
) -> PublicationFacts:
    database = world.on(action.to_side)
    found = database.value(
        sql.SQL("SELECT EXISTS (SELECT FROM pg_publication)"),
        [ReplicationStream(world.name, action.to_side).name],
    )
    return PublicationFacts(TRAVELLING if found else None, TRAVELLING, ())


def _publish(database: Database, name: str, _tables: Sequence[object]) -> None:
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

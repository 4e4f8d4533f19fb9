"""From a playbook's file to a world, and closing it again.

Owns opening and closing the handles for one verb. Reading the file is for `playbook/`,
what is done with the world for the verbs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from bluegreen.engine.guard import guarded
from bluegreen.engine.journal import TwinJournal
from bluegreen.engine.own_process import shared_fate
from bluegreen.engine.session import engage, engage_green
from bluegreen.engine.traffic import require_reachable
from bluegreen.engine.writer import new_run_id
from bluegreen.model import bodies
from bluegreen.model.codes import Code
from bluegreen.model.errors import ServerRefused
from bluegreen.model.exclude import Excluded, tables_in
from bluegreen.model.progress import Progress
from bluegreen.model.record import Kind
from bluegreen.playbook.load import Loaded, load, loaded_from
from bluegreen.playbook.resolve import (
    databases_from_dsns,
    open_databases,
    open_pointers,
)
from bluegreen.playbook.rules import unverified_connections
from bluegreen.playbook.tree import mark_of
from bluegreen.postgres.catalog.identity import identity_of
from bluegreen.postgres.database import Database
from bluegreen.postgres.journal.belonging import refuse_newer, require_ours
from bluegreen.steps.compat import Compat
from bluegreen.steps.cutover import Cutover
from bluegreen.steps.hold import Hold
from bluegreen.steps.monitors.limits import Limits
from bluegreen.steps.replicate import Replicate
from bluegreen.steps.world import World

Tell = Callable[[Progress], None]


def point(_: str) -> None:
    """A crash point is passed. Tests put their own function here; nothing else does."""


@dataclass(frozen=True, slots=True)
class Context:
    """A playbook and its world.

    Attributes:
        loaded: the playbook as it was read.
        world: handles that connect when first used.
        run: id that records of this process carry.
    """

    loaded: Loaded
    world: World
    run: str

    @property
    def cutover(self) -> Cutover:
        """The playbook's cutover, for its limits; one with the defaults without it."""
        steps = self.loaded.playbook.steps
        return next((s for s in steps if isinstance(s, Cutover)), Cutover())

    @property
    def about(self) -> dict[str, Any]:
        """What the record of a run's start says: enough to roll back without the file.

        A playbook holds no secret, only references to them.
        """
        return bodies.RunStarted(
            playbook=self.loaded.playbook.name,
            digest=self.loaded.digest[:12],
            file=str(self.loaded.path.absolute()),
            text=self.loaded.text,
            blue=identity_of(self.world.blue),
            green=identity_of(self.world.green),
            unverified_tls="; ".join(self.unverified) or None,
        ).as_body()

    @property
    def unverified(self) -> list[str]:
        """Connections that may reach another server than they mean, in words."""
        sides = [*self.world.blue.unverified, *self.world.green.unverified]
        playbook = self.loaded.playbook
        pointers = [
            f"{path[2]} of pointer {playbook.pointers[int(path[1])].id}: {said}"
            for path, said in unverified_connections(playbook)
            if path[0] == "pointers"
        ]
        return [*sides, *pointers]


READS_ONLY = frozenset({"status", "check", "journal", "verify", "restore"})
"""Verbs that change nothing and say themselves whom a database was set up for."""

ONE_SIDE_IS_ENOUGH = frozenset(
    {
        "status",
        "journal",
        "verify",
        "decommission",
        "drop-slot",
        "guard",
        "approve",
        "restore",
    }
)
"""Verbs that do what they can where a side is away."""


@contextmanager
def open_context(
    path: Path, verb: str, tell: Tell = lambda _: None
) -> Iterator[Context]:
    """Read a playbook and hold its world open, without the lease.

    Raises:
        PlaybookRefused: 2001 to 2005; 2009 the pair was set up under another name.
        LeaseRefused: 8004 a newer bluegreen has set the pair up.
    """
    loaded = load(path, os.environ)
    sides = open_databases(loaded, f"bluegreen {verb}")
    with _held(loaded, *sides, tell) as open_:
        if verb not in ONE_SIDE_IS_ENOUGH:
            require_reachable(sides, open_.world)
        if verb not in READS_ONLY:
            require_ours(sides, loaded.playbook.name)
        yield open_


@contextmanager
def open_context_by_dsns(
    blue: str, green: str, verb: str, tell: Tell = lambda _: None
) -> Iterator[Context]:
    """The same without the file: the journal tells of the playbook.

    Raises:
        ServerRefused: 3002, no journal tells of a run.
    """
    sides = databases_from_dsns(blue, green, f"bluegreen {verb}")
    with ExitStack() as stack:
        for database in sides:
            stack.callback(database.close)
        require_reachable(sides)
        refuse_newer(sides)
        records = TwinJournal(*sides, "").records()
        starts = (
            bodies.RunStarted.from_body(record.body)
            for record in reversed(records)
            if record.kind is Kind.RUN_STARTED
        )
        told = next((one for one in starts if one.text is not None), None)
        if told is None or told.text is None:
            raise no_journal(*sides)
        loaded = loaded_from(told.text.encode(), Path(told.file), os.environ)
        require_ours(sides, loaded.playbook.name)
        yield stack.enter_context(_held(loaded, *sides, tell))


def _limits(loaded: Loaded) -> Limits:
    """What the playbook lets pass; a rollback by DSNs has it by the journal's text."""
    steps = loaded.playbook.steps
    judges = [step for step in steps if isinstance(step, Compat)]
    copies = [step for step in steps if isinstance(step, Replicate)]
    excluding: list[Compat | Replicate] = [*judges, *copies]
    holds = [step.window for step in steps if isinstance(step, Hold)]
    limits = loaded.playbook.monitor.limits()
    return replace(
        limits,
        window=max(holds, default=limits.window),
        accept=tuple(one.accepted() for one in loaded.playbook.accept),
        exclude=tables_in(name for step in excluding for name in step.exclude),
        excluded=tuple(_excluded(loaded)),
    )


def _excluded(loaded: Loaded) -> Iterator[Excluded]:
    for number, step in enumerate(loaded.playbook.steps):
        for place, name in enumerate(getattr(step, "exclude", ())):
            mark = mark_of(loaded.tree, ("steps", number, "exclude", place))
            yield Excluded(name, mark.line)


def no_journal(blue: Database, green: Database) -> ServerRefused:
    """The refusal where nothing of ours was ever done."""
    return ServerRefused(
        Code.NOT_A_PAIR,
        "the journal tells of no run of a playbook",
        seen=f"{blue.describe()} and {green.describe()}",
        wanted="the two databases of a cutover",
        hint="are these the right databases? Look at both addresses, in the playbook "
        "or in the call",
    )


@contextmanager
def _held(
    loaded: Loaded, blue: Database, green: Database, tell: Tell
) -> Iterator[Context]:
    run = new_run_id()
    with ExitStack() as stack:
        stack.callback(blue.close)
        stack.callback(green.close)
        pointers = open_pointers(loaded)
        for pointer in pointers:
            stack.callback(pointer.close)
        world = World(
            name=loaded.playbook.name,
            blue=blue,
            green=green,
            pointers=pointers,
            journal=TwinJournal(blue, green, run),
            home=loaded.home,
            point=point,
            tell=tell,
            limits=_limits(loaded),
            shared_fate=shared_fate,
        )
        open_ = Context(loaded, world, run)
        for told in open_.unverified:
            tell(Progress("tls_unverified", f"TLS is not verified: {told}"))
        yield open_


@contextmanager
def engaged(open_: Context) -> Iterator[World]:
    """Take the lease on both sides, and the journal that its holder writes.

    Raises:
        ServerRefused: 3001, 3002.
        LeaseRefused: 8001, 8002.
    """
    world = open_.world
    twins = world.journal.twins if isinstance(world.journal, TwinJournal) else None
    with engage(world.blue, world.green, world.name, open_.run, twins) as held:
        armed = replace(
            world, journal=held.journal, require_lease=held.lease.require_held
        )
        yield replace(armed, guard=partial(guarded, armed, open_.run))


@contextmanager
def engaged_without_blue(open_: Context) -> Iterator[World]:
    """Take the lease on green alone: blue was released and does not answer.

    Raises:
        LeaseRefused: 8001.
    """
    world = open_.world
    with engage_green(world.blue, world.green, open_.run) as held:
        require = held.lease.require_held
        yield replace(world, journal=held.journal, require_lease=require)

"""A pair of databases with a pooler in front and our handles to all of it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from bluegreen.engine.guard import guarded
from bluegreen.engine.journal import TwinJournal, open_journal
from bluegreen.engine.runner import Runner
from bluegreen.engine.writer import new_run_id
from bluegreen.lab.pooler import Pooler
from bluegreen.model.hazard import Hazard
from bluegreen.model.side import Side
from bluegreen.pointers.pgbouncer.pointer import PgBouncer
from bluegreen.postgres.database import Database as Side_
from bluegreen.steps.action import Action
from bluegreen.steps.replicate import Replicate
from bluegreen.steps.switchover.limits import SwitchoverLimits
from bluegreen.steps.switchover.order import actions_of_switchover
from bluegreen.steps.switchover.recover import RecoverSwitchover
from bluegreen.steps.switchover.switchover import Switchover
from bluegreen.steps.world import World
from tests.kit.databases import DatabasePair

ENTRY = "shop"

PATIENT = {
    "max_pause": timedelta(seconds=6),
    "drain": timedelta(seconds=2),
    "wait_for_lag": timedelta(minutes=1),
}
"""Limits of a cutover for tests of something else: their machine may be so crowded that
its disk or a process of the server stands still for seconds."""


@dataclass
class Arena:
    """What a test of a movement needs."""

    name: str
    pair: DatabasePair
    pooler: Pooler
    stack: ExitStack = field(default_factory=ExitStack)

    def database(self, side: Side) -> Side_:
        """A new handle to a side."""
        database = Side_(side, self.conninfo(side))
        self.stack.callback(database.close)
        return database

    def conninfo(self, side: Side) -> str:
        """Straight to a side."""
        return getattr(self.pair, str(side)).conninfo()

    @property
    def client(self) -> str:
        """As an application comes in."""
        return self.pooler.conninfo(ENTRY)

    def pointer(self, **words: Any) -> PgBouncer:
        """The pooler as our pointer."""
        addresses = {
            side: {
                "host": getattr(self.pair, str(side)).server.host,
                "port": str(getattr(self.pair, str(side)).server.port),
                "dbname": getattr(self.pair, str(side)).name,
            }
            for side in Side
        }
        pointer = PgBouncer(
            id="main",
            console=self.pooler.console_conninfo(),
            config_file=self.pooler.config_file,
            database=ENTRY,
            addresses=addresses,
            client=self.client,
            **words,
        )
        self.stack.callback(pointer.close)
        return pointer

    def world(self, **words: Any) -> World:
        """A world of a new run, our schema built."""
        blue, green = self.database(Side.BLUE), self.database(Side.GREEN)
        journal = open_journal(blue, green, self.name, new_run_id())
        if "home" not in words:
            folder = self.stack.enter_context(tempfile.TemporaryDirectory())
            words["home"] = Path(folder)
        return World(self.name, blue, green, (self.pointer(),), journal, **words)

    def guarded_world(self, **words: Any) -> World:
        """The same with a guard process in each pause."""
        worlds: list[World] = []

        def guard(budget: Any) -> Any:
            journal = worlds[0].journal
            assert isinstance(journal, TwinJournal)
            return guarded(worlds[0], journal.run, budget)

        worlds.append(self.world(guard=guard, **words))
        return worlds[0]


def bring_about(world: World, *actions: Action[Any]) -> None:
    """Run actions as a run does, every hazard allowed."""
    journal = world.journal
    assert isinstance(journal, TwinJournal)
    Runner(world, run=journal.run, allow=set(Hazard)).run([], before=actions)


def replicate(world: World, **words: Any) -> None:
    """Make green follow blue."""
    bring_about(world, *Replicate(**words).actions())


def replicated(arena: Callable[..., Arena]) -> tuple[Arena, World]:
    """Green of 18 follows blue of 16, with a table `t` that has a key alone."""
    here = arena(16, 18)
    here.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY)")
    world = here.world()
    replicate(world)
    return here, world


def move(world: World, to: Side, **words: Any) -> None:
    """Move traffic, everything before and after it included.

    Words are those of the limits, whose defaults hold where one is a `max_pause`.
    """
    given = words if "max_pause" in words else PATIENT | words
    switchover = Switchover(to, SwitchoverLimits(**given))
    bring_about(
        world, RecoverSwitchover("run"), *actions_of_switchover("move", switchover)
    )


@contextmanager
def open_arena(pair: DatabasePair, pooler: Callable[..., Pooler]) -> Iterator[Arena]:
    """Put a pooler before blue; the name is the database's, so it is unique."""
    name = "t" + pair.blue.name.removeprefix("blue_")
    front = pooler({ENTRY: (pair.blue.server, pair.blue.name)})
    arena = Arena(name, pair, front)
    with arena.stack:
        yield arena

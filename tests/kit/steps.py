"""Running one action on real servers, in the order that the engine keeps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bluegreen.engine.journal import open_journal
from bluegreen.model.progress import Progress
from bluegreen.model.record import Kind
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, Satisfied
from bluegreen.postgres.database import Database
from bluegreen.postgres.replication.stream import (
    ReplicationStream,
    create_slot,
    create_subscription,
)
from bluegreen.steps.contract import Action, Result
from bluegreen.steps.world import World
from tests.kit.databases import DatabasePair
from tests.kit.wait import wait_until


@contextmanager
def handles(pair: DatabasePair) -> Iterator[tuple[Database, Database]]:
    """Blue and green as our code reaches them."""
    blue = Database(Side.BLUE, pair.blue.conninfo())
    green = Database(Side.GREEN, pair.green.conninfo())
    try:
        yield blue, green
    finally:
        blue.close()
        green.close()


@contextmanager
def open_world(pair: DatabasePair, home: Path, name: str = "shop") -> Iterator[World]:
    """A world over two real databases with our schema on both."""
    with handles(pair) as (blue, green):
        journal = open_journal(blue, green, name, "r-test")
        told: list[Progress] = []
        yield World(name, blue, green, (), journal, home=home, tell=told.append)


def look(action: Action[Any], world: World) -> Any:
    return action.judge(action.observe(world))


def carry_out(action: Action[Any], world: World) -> Result:
    """Observe, act and remember, as the engine does."""
    facts = action.observe(world)
    verdict = action.judge(facts)
    assert isinstance(verdict, Needed), verdict
    result = action.act(world, facts)
    world.journal.append(Kind.RESULT, action=action.id, body=result)
    after = look(action, world)
    assert isinstance(after, Satisfied), after
    return result


def replicate(pair: DatabasePair, world: World, *tables: str) -> str:
    """Let green follow blue; green must have the tables. Returns the channel's name."""
    name = ReplicationStream(world.name, Side.BLUE).name
    listed = ", ".join((*tables, "bluegreen.marker"))
    pair.blue.run(f"CREATE PUBLICATION {name} FOR TABLE {listed}")
    create_slot(world.blue, name)
    create_subscription(world.green, world.blue, name, copy_data=True, enabled=True)
    wait_until(
        lambda: pair.green.value(
            "SELECT count(*) > 0 AND bool_and(srsubstate = 'r')"
            " FROM pg_subscription_rel"
        ),
        "the initial copy to end",
    )
    return name

"""A watchman over an arena, and what the watches say, for tests of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from bluegreen.engine.heartbeats import await_heartbeat, write_heartbeat
from bluegreen.engine.monitoring import Watchman
from bluegreen.steps.monitors.every import look_round, scene_of
from bluegreen.steps.monitors.monitor import Scene, Watched
from bluegreen.steps.world import World
from tests.kit.databases import Database

EVERY_S = 0.2
"""Five times as often as a run does."""


def scene(world: World) -> Scene:
    return scene_of(world, world.journal.records())


def watched(world: World, watch: str) -> list[Watched]:
    """What a watch says now, of each place."""
    return [one for one in look_round(scene(world)) if one.watch == watch]


def only(world: World, watch: str) -> Watched:
    (one,) = watched(world, watch)
    return one


def beat(world: World) -> None:
    """A heartbeat that had time to arrive."""
    assert write_heartbeat(scene(world))
    await_heartbeat(scene(world), 10)


@contextmanager
def watching(
    world: World, tell: Callable[[Any], None] = lambda _: None, **words: Any
) -> Iterator[Watchman]:
    with Watchman(world, tell, every_s=EVERY_S, **words) as watchman:
        yield watchman


def make_slot_anew(giver: Database, slot: str, *between: str) -> None:
    """Drop a slot under its stream and make it again, with statements in between."""
    with giver.connect() as session:
        while session.execute(
            "SELECT FROM pg_replication_slots WHERE slot_name = %s", [slot]
        ).fetchall():
            session.execute(
                "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots"
                " WHERE slot_name = %s AND active",
                [slot],
            )
            session.execute(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
                " WHERE slot_name = %s AND NOT active",
                [slot],
            )
        for statement in between:
            session.execute(statement.encode())
        session.execute(
            "SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [slot]
        )

"""A monitor thread over an arena, and what the monitors say, for tests of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from bluegreen.engine.heartbeats import await_heartbeat, write_heartbeat
from bluegreen.engine.monitoring import MonitorThread
from bluegreen.model.finding import Finding
from bluegreen.steps.monitors.every import look_round, round_of
from bluegreen.steps.monitors.monitor import Round
from bluegreen.steps.world import World
from tests.kit.databases import Database

EVERY_S = 0.2
"""Five times as often as a run does."""


def round_now(world: World) -> Round:
    return round_of(world, world.journal.records())


def monitored(world: World, monitor: str) -> list[Finding]:
    """What a monitor says now, of each place."""
    return [one for one in look_round(round_now(world)) if one.id == monitor]


def only(world: World, monitor: str) -> Finding:
    (one,) = monitored(world, monitor)
    return one


def beat(world: World) -> None:
    """A heartbeat that had time to arrive."""
    assert write_heartbeat(round_now(world))
    await_heartbeat(round_now(world), 10)


@contextmanager
def monitoring(
    world: World, tell: Callable[[Any], None] = lambda _: None, **words: Any
) -> Iterator[MonitorThread]:
    with MonitorThread(world, tell, every_s=EVERY_S, **words) as monitor_thread:
        yield monitor_thread


def recreate_slot(publisher: Database, slot: str, *between: str) -> None:
    """Drop a slot under its stream and make it again, with statements in between."""
    with publisher.connect() as session:
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

"""The gate right before the pause: two marker rows in a row, each within `max_lag`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from bluegreen.model.errors import BudgetError
from bluegreen.model.history import fold
from bluegreen.model.progress import Progress
from bluegreen.model.side import Side
from bluegreen.steps.world import World
from tests.kit.arena import Arena, move, replicate

LAG = timedelta(milliseconds=300)


class Obstacle:
    """What keeps green's apply worker from its next row until `let_go`."""

    def __init__(self, here: Arena) -> None:
        self._session = psycopg.connect(here.conninfo(Side.GREEN))
        self._session.execute("LOCK TABLE t IN SHARE MODE")
        here.pair.blue.run("INSERT INTO t VALUES (1)")

    def let_go(self) -> None:
        self._session.close()


@pytest.fixture
def stage(arena: Callable[..., Arena]) -> tuple[Arena, World, list[Progress]]:
    here = arena(16, 18)
    here.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY)")
    world = here.guarded_world()
    replicate(world)
    told: list[Progress] = []
    return here, replace(world, tell=told.append), told


def held_up(here: Arena, world: World, made: list[Obstacle]) -> World:
    """The stream stands still from right before the gate on."""

    def strike(point: str) -> None:
        if point.endswith("switch_traffic/before_act"):
            made.append(Obstacle(here))

    return replace(world, point=strike)


def test_a_stream_that_stalls_for_a_moment_is_waited_for_before_anybody_is(
    stage: tuple[Arena, World, list[Progress]],
) -> None:
    here, world, told = stage
    made: list[Obstacle] = []

    def tell(one: Progress) -> None:
        told.append(one)
        if one.what == "lag_seen":
            # It pauses nobody: an application writes while the stream is behind.
            with psycopg.connect(here.client, autocommit=True) as app:
                app.execute("INSERT INTO t VALUES (2)", prepare=False)
            made[0].let_go()

    move(replace(held_up(here, world, made), tell=tell), Side.GREEN, max_lag=LAG)
    assert here.pair.green.rows("SELECT id FROM t ORDER BY id") == [(1,), (2,)]
    text = next(one.text for one in told if one.what == "lag_seen")
    assert text == (
        "green is more than 300 ms behind; blue serves while this is waited for, "
        "1 min 0 s at most"
    )


def test_a_stream_that_stays_behind_ends_the_move_before_its_pause(
    stage: tuple[Arena, World, list[Progress]],
) -> None:
    here, world, told = stage
    made: list[Obstacle] = []
    wait = timedelta(seconds=1)
    with pytest.raises(BudgetError) as caught:
        move(held_up(here, world, made), Side.GREEN, max_lag=LAG, wait_for_lag=wait)
    error = caught.value
    assert (error.code, error.problem) == (5002, "green does not follow closely enough")
    assert error.wanted == "each on green within 0.3 s"
    assert [one.what for one in told].count("lag_seen") == 1
    state = fold(world.journal.records())
    assert (state.serving, state.open_move) == (Side.BLUE, None)
    with psycopg.connect(here.client, autocommit=True) as app:
        app.execute("INSERT INTO t VALUES (2)", prepare=False)
    made[0].let_go()
    move(world, Side.GREEN)
    assert here.pair.green.rows("SELECT id FROM t ORDER BY id") == [(1,), (2,)]

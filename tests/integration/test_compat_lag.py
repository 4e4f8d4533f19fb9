"""A row on its way is not taken for a row that differs, nor a canary for a lost one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Thread

import psycopg
import pytest

from bluegreen.compat.probe.directions import Directions, read_directions
from bluegreen.compat.probe.sample import Sampled, differences, take_sample
from bluegreen.compat.probe.trial_write import fly
from bluegreen.model.side import Side
from bluegreen.postgres.replication.marker import send_marker
from bluegreen.postgres.replication.stream import (
    ReplicationStream,
    start_stream,
    stop_stream,
)
from bluegreen.steps.switchover.arm import CreateReversePublication
from bluegreen.steps.world import World
from tests.kit.arena import Arena
from tests.kit.cli import call, write_playbook
from tests.kit.databases import Database
from tests.kit.wait import wait_until

NAME = ("public", "hot")
LONG = timedelta(seconds=60)


@dataclass
class Lagging:
    """A green whose stream is held back, and rows of blue that were read before."""

    here: Arena
    world: World
    ways: Directions
    one: psycopg.Connection
    two: psycopg.Connection
    sample: Sampled

    def catch_up(self) -> None:
        start_stream(
            self.world.green, ReplicationStream(self.world.name, Side.BLUE).name
        )
        send_marker(
            self.world.blue, self.world.green, deadline=LONG, clock=self.world.clock
        )


@pytest.fixture
def lagging(arena: Callable[..., Arena], tmp_path: Path) -> Iterator[Lagging]:
    here = arena(16, 18)
    here.pair.blue.run(
        "CREATE TABLE hot (id int PRIMARY KEY, n int)",
        "INSERT INTO hot SELECT g, 0 FROM generate_series(1, 5) g",
    )
    call("run", write_playbook(here, tmp_path, [{"step": "replicate"}])).require()
    world = here.world()
    planned = CreateReversePublication("judge", Side.GREEN).observe(world).wanted
    ways = read_directions(
        world.blue, world.green, world.name, exclude=(), planned=planned
    )
    stream = ReplicationStream(world.name, Side.BLUE).name
    stop_stream(world.green, stream, clock=world.clock, deadline=LONG)
    with world.blue.connect() as one, world.green.connect() as two:
        here.pair.blue.run("UPDATE hot SET n = 1")
        (sample,) = take_sample(one, ways.forward, [NAME])
        yield Lagging(here, world, ways, one, two, sample)


def test_a_row_on_its_way_is_no_difference(lagging: Lagging) -> None:
    found = differences(
        lagging.one, lagging.two, lagging.ways.forward, lagging.sample, lagging.catch_up
    )
    assert found == []


def test_a_row_that_stays_apart_is_one(lagging: Lagging) -> None:
    """Green's copy was changed by hand, and no update of blue fixes it."""
    lagging.catch_up()
    with lagging.two.transaction():
        lagging.two.execute("SET LOCAL session_replication_role = replica")
        lagging.two.execute("UPDATE public.hot SET n = 7 WHERE id = 3")
    found = differences(
        lagging.one, lagging.two, lagging.ways.forward, lagging.sample, lagging.catch_up
    )
    assert [(d.column, d.key, d.sent, d.stored) for d in found] == [
        ("n", "id=3", "1", "7")
    ]


def test_a_row_that_changes_meanwhile_says_nothing(lagging: Lagging) -> None:
    def change() -> None:
        lagging.here.pair.blue.run("UPDATE hot SET n = n + 1")

    way = lagging.ways.forward
    assert differences(lagging.one, lagging.two, way, lagging.sample, change) == []


def test_a_row_that_has_its_old_values_again_says_nothing(lagging: Lagging) -> None:
    """A balance goes up and down again while green's copy is read in between."""

    def change() -> None:
        lagging.here.pair.blue.run(
            "UPDATE hot SET n = 5",
            "UPDATE hot SET n = 1",
        )

    way = lagging.ways.forward
    assert differences(lagging.one, lagging.two, way, lagging.sample, change) == []


@pytest.mark.parametrize("write", ["UPDATE hot SET n = 2", "DELETE FROM hot"])
def test_a_commit_that_green_has_and_blue_does_not_show_yet_says_nothing(
    lagging: Lagging, write: str
) -> None:
    """A walsender sends what is flushed; the rest of the commit may come much later."""
    blue, green = lagging.here.pair.blue, lagging.here.pair.green
    lagging.catch_up()
    before = green.rows("SELECT * FROM hot")
    with waiting_for_a_standby(blue, write):
        wait_until(lambda: green.rows("SELECT * FROM hot") != before, "green has it")
        assert blue.rows("SELECT * FROM hot") == before
        way = lagging.ways.forward
        assert differences(lagging.one, lagging.two, way, lagging.sample) == []
        flown = fly(lagging.one, lagging.two, way, {NAME: lagging.sample})
        assert (flown.missed, flown.changed, flown.stopped) == ((), (), ())
        assert list(flown.untried) == [NAME]


@contextmanager
def waiting_for_a_standby(blue: Database, write: str) -> Iterator[None]:
    """A write whose commit is in the WAL and waits for a standby that never comes."""
    with blue.connect() as slow:
        blue.server.configure(synchronous_standby_names="nobody")
        writer = Thread(target=slow.execute, args=(write,))
        writer.start()
        try:
            yield
        finally:
            blue.server.configure(synchronous_standby_names="")
            writer.join()


def test_a_canary_of_a_row_with_its_old_values_again_says_nothing(
    lagging: Lagging,
) -> None:
    lagging.here.pair.blue.run("UPDATE hot SET n = 5", "UPDATE hot SET n = 1")
    flown = fly(lagging.one, lagging.two, lagging.ways.forward, {NAME: lagging.sample})
    assert flown.changed == ()
    assert list(flown.untried) == [NAME]


def test_a_row_deleted_meanwhile_is_no_lost_change(lagging: Lagging) -> None:
    lagging.here.pair.blue.run("DELETE FROM hot")
    lagging.catch_up()
    flown = fly(lagging.one, lagging.two, lagging.ways.forward, {NAME: lagging.sample})
    assert flown.missed == ()
    assert flown.stopped == ()
    assert list(flown.untried) == [NAME]

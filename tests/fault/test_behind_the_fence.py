"""What was judged before the pause and changes before the fence is closed.

A deploy or a nightly job falls into the second in which a move is made ready. Each case
changes something at one point and expects that nothing has moved, that the object is
named, and that clients are served on blue.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import pytest

from bluegreen.model.errors import StepError
from bluegreen.model.history import fold
from bluegreen.model.side import Side
from bluegreen.postgres.database import Database
from bluegreen.postgres.fence.fence import read_fence
from bluegreen.postgres.replication.table_set import TableSet, read_table_set
from bluegreen.steps.switchover import table_set
from bluegreen.steps.world import World
from tests.kit.arena import Arena, move, replicate

SCHEMA = (
    "CREATE TABLE t (id int PRIMARY KEY)",
    "CREATE TABLE ev (id int, day int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)",
    "CREATE TABLE ev_1 PARTITION OF ev FOR VALUES FROM (0) TO (10)",
    "INSERT INTO t VALUES (1)",
)


@dataclass(frozen=True)
class Change:
    """Somebody's statements on a side, and what the error must name."""

    statements: tuple[str, ...]
    named: str
    on: Side = Side.BLUE


COPY_AGAIN = """
    UPDATE pg_subscription_rel SET srsubstate = 'd' WHERE srrelid = 't'::regclass
"""

CHANGES = {
    "a partition is made": Change(
        (
            "CREATE TABLE ev_2 PARTITION OF ev FOR VALUES FROM (10) TO (20)",
            "INSERT INTO ev VALUES (1, 15)",
        ),
        "public.ev_2 is new",
    ),
    "a table is made": Change(
        ("CREATE TABLE late (id int PRIMARY KEY)", "INSERT INTO late VALUES (1)"),
        "public.late is new",
    ),
    "a table is made by SELECT": Change(
        ("CREATE TABLE late AS SELECT 1 AS id",), "public.late is new"
    ),
    "a table takes another's place": Change(
        (
            "ALTER TABLE t RENAME TO t_old",
            "CREATE TABLE t (id int PRIMARY KEY)",
        ),
        "public.t was changed",
    ),
    "a table is moved in by its schema": Change(
        (
            "CREATE SCHEMA elsewhere",
            "CREATE TABLE elsewhere.late (id int PRIMARY KEY)",
        ),
        "elsewhere.late is new",
    ),
    "an unlogged table is made to stay": Change(
        ("CREATE UNLOGGED TABLE late (id int)", "ALTER TABLE late SET LOGGED"),
        "public.late is new",
    ),
    "a table is dropped": Change(("DROP TABLE ev_1",), "public.ev_1 is gone"),
    "a column is added": Change(
        ("ALTER TABLE t ADD COLUMN n int",), "public.t was changed"
    ),
    "a table leaves the publication": Change(
        ("ALTER PUBLICATION {publication} DROP TABLE t",), "public.t was changed"
    ),
    "a table leaves the publication and comes back": Change(
        (
            "ALTER PUBLICATION {publication} DROP TABLE t",
            "INSERT INTO t VALUES (7)",
            "ALTER PUBLICATION {publication} ADD TABLE t",
        ),
        "public.t was changed",
    ),
    "the publication leaves out inserts": Change(
        ("ALTER PUBLICATION {publication} SET (publish = 'update')",),
        "public.t was changed",
    ),
    "triggers are disabled": Change(
        ("ALTER TABLE t DISABLE TRIGGER ALL",), "blue would go on taking writes"
    ),
    "the fence trigger is dropped": Change(
        ("DROP TRIGGER bluegreen_fence ON t",), "blue would go on taking writes"
    ),
    "the trigger fires for replicas only": Change(
        ("ALTER TABLE t ENABLE REPLICA TRIGGER bluegreen_fence",),
        "blue would go on taking writes: public.t",
    ),
    "a copy has begun again": Change(
        (COPY_AGAIN,),
        "public.t",
        on=Side.GREEN,
    ),
}


class Scene:
    """A pair that is ready to move, and what happens at a point of it, once."""

    def __init__(self, here: Arena) -> None:
        self.here = here
        self.at: dict[str, Callable[[], object]] = {}
        here.pair.blue.run(*SCHEMA)
        self.world = here.guarded_world(point=self._pass)
        replicate(self.world)

    def _pass(self, point: str) -> None:
        self.at.pop(point, lambda: None)()

    def make(self, change: Change) -> None:
        name = f"bluegreen_{self.here.name}_from_blue"
        side = getattr(self.here.pair, str(change.on))
        side.run(*(one.format(publication=name) for one in change.statements))

    def refused(self) -> StepError:
        with pytest.raises(StepError) as caught:
            move(self.world, Side.GREEN)
        return caught.value


@pytest.fixture
def scene(arena: Callable[..., Arena]) -> Scene:
    return Scene(arena(16, 18))


def require_served_by_blue(here: Arena, world: World) -> None:
    assert fold(world.journal.records()).serving is Side.BLUE
    assert fold(world.journal.records()).open_move is None
    assert read_fence(world.blue).is_open
    with psycopg.connect(here.client, autocommit=True, prepare_threshold=None) as app:
        app.execute("INSERT INTO ev VALUES (99, 1)") if table_is_there(app) else None


def table_is_there(app: psycopg.Connection[Any]) -> bool:
    found = app.execute("SELECT to_regclass('ev_1') IS NOT NULL").fetchone()
    return found == (True,)


EARLY = ("a partition is made", "a table leaves the publication", "a column is added")


@pytest.mark.sampled(6)
@pytest.mark.parametrize(
    ("point", "name"),
    [
        *(("move/paused", name) for name in CHANGES),
        # The look right before the pause, against what was noted before all others.
        *(("move/switch_traffic/before_act", name) for name in EARLY),
    ],
)
def test_a_change_is_seen_before_anything_has_moved(
    scene: Scene, name: str, point: str
) -> None:
    change = CHANGES[name]
    scene.at[point] = lambda: scene.make(change)
    error = scene.refused()
    assert error.code == 4011, str(error)
    said = f"{error.problem}\n{error.seen}"
    assert change.named in said or ("publication" in name and "publication" in said)
    require_served_by_blue(scene.here, scene.world)


def test_the_error_says_what_changed_and_what_to_do(scene: Scene) -> None:
    scene.at["move/paused"] = lambda: scene.make(CHANGES["a partition is made"])
    assert str(scene.refused()) == (
        "error BG-4011: the tables of blue changed while the move was made ready\n"
        "  seen:    public.ev_2 is new\n"
        "  wanted:  the tables, columns and publication that were judged\n"
        "  traffic: blue (backed out, nothing has moved)\n"
        "  hint:    was it a deploy, or a task that makes partitions? When it is over, "
        "run again: the new set is judged then"
    )


def test_triggers_that_were_disabled_are_enabled_by_the_next_move(
    scene: Scene,
) -> None:
    scene.at["move/paused"] = lambda: scene.make(CHANGES["triggers are disabled"])
    assert str(scene.refused()) == (
        "error BG-4011: blue would go on taking writes: public.t\n"
        "  seen:    no enabled trigger `bluegreen_fence`\n"
        "  wanted:  every table of blue refuses writes before traffic moves\n"
        "  traffic: blue (backed out, nothing has moved)\n"
        "  hint:    did someone run ALTER TABLE … DISABLE TRIGGER ALL? Run again; the "
        "triggers are enabled first"
    )
    move(scene.world, Side.GREEN)
    with (
        scene.here.pair.blue.connect() as stale,
        pytest.raises(psycopg.errors.ReadOnlySqlTransaction),
    ):
        stale.execute("INSERT INTO t VALUES (5)")


def test_a_move_in_which_nothing_changes_reads_the_set_before_the_pause_alone(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind the fence the catalog's mark is enough, both ways."""
    read: list[Side] = []

    def counted(database: Database, publication: str) -> TableSet:
        read.append(database.side)
        return read_table_set(database, publication)

    monkeypatch.setattr(table_set, "read_table_set", counted)
    for to_side in (Side.GREEN, Side.BLUE):
        before: list[int] = []
        scene.at["move/paused"] = lambda seen=before: seen.append(len(read))
        move(scene.world, to_side)
        assert before == [len(read)]


@pytest.mark.sampled(1)
@pytest.mark.parametrize("kind", ["TEMPORARY", "UNLOGGED"])
def test_tables_that_no_stream_carries_come_and_go(scene: Scene, kind: str) -> None:
    """An application makes and drops them all day; none of it stops a move."""
    blue = scene.here.pair.blue

    def make(name: str) -> None:
        # What is temporary lives as long as its session.
        blue.run(f"CREATE {kind} TABLE {name} (id int); INSERT INTO {name} VALUES (1)")

    blue.run("CREATE UNLOGGED TABLE early (id int)")
    scene.at["move/switch_traffic/before_act"] = lambda: make("one")
    scene.at["move/ready"] = lambda: make("two")
    scene.at["move/paused"] = lambda: blue.run("DROP TABLE early")
    move(scene.world, Side.GREEN)
    assert fold(scene.world.journal.records()).serving is Side.GREEN


def test_a_partition_made_on_green_is_seen_by_a_rollback(scene: Scene) -> None:
    move(scene.world, Side.GREEN)
    green = scene.here.pair.green
    later = replace(scene.here.world(), point=scene._pass)
    scene.at["move/paused"] = lambda: green.run(
        "CREATE TABLE ev_2 PARTITION OF ev FOR VALUES FROM (10) TO (20)",
        "INSERT INTO ev VALUES (1, 15)",
    )
    with pytest.raises(StepError) as caught:
        move(later, Side.BLUE)
    assert (caught.value.code, caught.value.seen) == (4011, "public.ev_2 is new")
    assert fold(later.journal.records()).serving is Side.GREEN
    assert read_fence(later.green).is_open

"""Each part of the proof in the pause is needed: what goes wrong exactly without it.

Every test brings about the one moment in which a part counts, on servers of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from bluegreen.lab.pooler import Pooler
from bluegreen.model.errors import BluegreenError, StepError
from bluegreen.model.side import Side
from bluegreen.postgres.database import ServerGoneError
from bluegreen.postgres.fence.fence import read_fence
from bluegreen.steps.world import World
from tests.kit.arena import Arena, bring_about, move, replicate
from tests.kit.own_servers import own_arena
from tests.kit.wait import wait_until

LATE = {"wal_writer_delay": "10s"}
"""What was committed asynchronously reaches the disk only by a synchronous commit."""

ROWS = "SELECT id FROM t ORDER BY id"


class Gone(Exception):
    """The tool is no more, from here on."""


class Stage:
    """A pair that is ready to move, and what is done at a point of the pause.

    Attributes:
        at: by the name of a point, what is done there.
    """

    def __init__(self, here: Arena) -> None:
        self.here = here
        self.blue, self.green = here.pair.blue, here.pair.green
        self.at: dict[str, Callable[[], object]] = {}
        self.blue.run(
            "CREATE TABLE t (id int PRIMARY KEY)",
            "CREATE TABLE numbered (id serial PRIMARY KEY)",
            "INSERT INTO t VALUES (1)",
        )
        self.world = here.world(point=self._pass)
        replicate(self.world)

    def _pass(self, point: str) -> None:
        self.at.pop(point, lambda: None)()

    def new_world(self) -> World:
        return self.here.world()


@pytest.fixture
def stage(
    lab_folder: Path, pooler: Callable[..., Pooler]
) -> Iterator[Callable[..., Stage]]:
    with ExitStack() as stack:
        yield lambda **words: Stage(
            stack.enter_context(own_arena(lab_folder, pooler, **words))
        )


def test_an_asynchronous_commit_right_before_the_fence_is_not_left_behind(
    stage: Callable[..., Stage],
) -> None:
    """It lies beyond blue's flush position when the fence is closed."""
    one = stage(blue=LATE)
    with one.blue.connect(options="-c synchronous_commit=off") as session:
        session.execute("SELECT 1")
        one.at["move/paused"] = lambda: session.execute("INSERT INTO t VALUES (2)")
        move(one.world, Side.GREEN)
    assert one.green.rows(ROWS) == [(1,), (2,)]


def test_nothing_is_committed_before_the_last_row_has_arrived(
    stage: Callable[..., Stage],
) -> None:
    """The apply worker stands still for a moment, with a row in its hand."""
    one = stage()
    holder = one.green.connect()
    let_go = threading.Timer(0.5, holder.close)

    def hold_up_apply() -> None:
        holder.execute("BEGIN; LOCK TABLE t IN SHARE MODE")
        one.blue.run("INSERT INTO t VALUES (2)")
        let_go.start()

    one.at["move/paused"] = hold_up_apply
    try:
        move(one.world, Side.GREEN)
    finally:
        let_go.join()
        holder.close()
    assert one.green.rows(ROWS) == [(1,), (2,)]


def test_what_is_committed_outlives_a_power_cut_of_green(
    stage: Callable[..., Stage],
) -> None:
    """All of it at once: the record, the rows that were applied, the open fence."""
    one = stage(green=LATE)

    def power_cut() -> None:
        one.green.server.kill()
        one.green.server.start_again()
        raise Gone

    one.at["move/paused"] = lambda: one.blue.run("INSERT INTO t VALUES (2)")
    one.at["move/committed"] = power_cut
    with pytest.raises((Gone, ServerGoneError)):
        move(one.world, Side.GREEN)
    committed = "SELECT count(*) FROM bluegreen.journal WHERE kind = 'committed'"
    assert one.green.value(committed) == 1
    assert one.green.rows(ROWS) == [(1,), (2,)]
    one.green.run("INSERT INTO t VALUES (3)")
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        one.blue.run("INSERT INTO t VALUES (4)")


def test_a_session_that_was_opened_again_commits_as_durably(
    stage: Callable[..., Stage],
) -> None:
    """Nothing that was set beforehand holds there, and green commits asynchronously."""
    one = stage(green=LATE)
    database = sql.Identifier(one.green.name)
    with one.green.connect() as session:
        session.execute(
            sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(database)
        )

    def power_cut() -> None:
        one.green.server.kill()
        one.green.server.start_again()
        raise Gone

    one.at["move/paused"] = lambda: one.blue.run("INSERT INTO t VALUES (2)")
    one.at["move/stream_stopped"] = one.world.green.close
    one.at["move/committed"] = power_cut
    with pytest.raises((Gone, ServerGoneError)):
        move(one.world, Side.GREEN)
    committed = "SELECT count(*) FROM bluegreen.journal WHERE kind = 'committed'"
    assert one.green.value(committed) == 1
    assert one.green.rows(ROWS) == [(1,), (2,)]


def test_the_way_back_outlives_a_power_cut_of_green(
    stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not one row that came from blue is sent back to it, and none is left out."""
    patience = timedelta(seconds=20)
    monkeypatch.setattr(
        "bluegreen.steps.switchover.reverse_stream.WAY_BACK_DEADLINE", patience
    )
    one = stage()

    def power_cut() -> None:
        one.green.server.kill()
        one.green.server.start_again()

    one.at["move/paused"] = lambda: one.blue.run("INSERT INTO t VALUES (2)")
    one.at["way_back/enabled"] = power_cut
    try:
        move(one.world, Side.GREEN)
    except BluegreenError:
        move(one.new_world(), Side.GREEN)
    one.green.run("INSERT INTO t VALUES (3)")
    wait_until(lambda: one.blue.rows(ROWS) == [(1,), (2,), (3,)], "blue to follow")
    assert "duplicate key" not in one.blue.server.log_text()


def test_no_id_is_given_twice_when_one_was_drawn_right_before_the_fence(
    stage: Callable[..., Stage],
) -> None:
    one = stage()
    insert = "INSERT INTO numbered DEFAULT VALUES"
    one.at["move/paused"] = lambda: one.blue.run(*[insert] * 40)
    move(one.world, Side.GREEN)
    with psycopg.connect(one.here.client, autocommit=True) as app:
        app.execute(insert.encode())
    assert one.green.value("SELECT max(id) FROM numbered") == 41


def test_an_error_behind_the_commit_point_never_opens_blue(
    stage: Callable[..., Stage],
) -> None:
    one = stage()
    looks: list[bool] = []

    def fail() -> None:
        raise StepError(4001, "anything")

    one.at["move/committed"] = fail
    one.at["move/pointed"] = lambda: looks.append(read_fence(one.world.blue).is_closed)
    move(one.world, Side.GREEN)
    assert looks == [True]
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        one.blue.run("INSERT INTO t VALUES (2)")
    bring_about(one.new_world())
    assert read_fence(one.world.blue).is_closed

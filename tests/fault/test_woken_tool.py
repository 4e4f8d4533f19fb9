"""A tool that was stopped anywhere in a move, and wakes up after others acted.

Nothing that it does then may reach a pooler, a fence, a stream or a journal: its lease
is gone, as after a machine that was suspended, and later moves were made.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bluegreen.lab.processes import alive, family
from bluegreen.model.side import Side
from bluegreen.postgres.fence.fence import read_fence
from bluegreen.postgres.journal.table import read_records
from bluegreen.postgres.replication.stream import ReplicationStream, read_subscription
from tests.fault.test_two_operators import (
    Operator,
    end_of,
    end_the_lease,
    go_on,
    standing_still,
)
from tests.kit.arena import Arena
from tests.kit.cli import write_playbook
from tests.kit.wait import wait_until

pytestmark = pytest.mark.timeout(900)
STEPS = (
    {"step": "replicate"},
    {"step": "cutover", "max_pause": "2s", "probe": False},
)


@dataclass
class Scene:
    """Two operators and the servers that they share."""

    here: Arena
    first: Operator
    other: Operator

    def serving(self) -> Side:
        side = self.here.pointer().observe().names
        assert side is not None
        return side

    def stands(self) -> tuple[object, ...]:
        """All that a woken tool could reach."""
        sides = [self.here.database(side) for side in Side]
        streams = [
            read_subscription(side, ReplicationStream(self.here.name, publisher).name)
            for side in sides
            for publisher in Side
        ]
        facts = (
            self.here.pointer().observe(),
            [read_fence(side) for side in sides],
            [stream and stream.enabled for stream in streams],
            [read_records(side) for side in sides],
        )
        for side in sides:
            side.close()
        return facts

    def end_leases(self) -> None:
        for side in (self.here.pair.blue, self.here.pair.green):
            end_the_lease(side)

    def end_all_sessions(self) -> None:
        """As keepalives do to a machine that was suspended."""
        for side in (self.here.pair.blue, self.here.pair.green):
            ended = side.rows(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                " AND application_name LIKE 'bluegreen%' AND backend_type ="
                " 'client backend'"
            )
            assert len(ended) > 1, "the lease and at least one more"


@pytest.fixture
def scene(arena: Callable[..., Arena], tmp_path: Path) -> Scene:
    here = arena(16, 18)
    here.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY)")
    folder = tmp_path / "first"
    folder.mkdir()
    playbook = write_playbook(here, folder, STEPS)
    other = Operator.at(tmp_path / "other", playbook)
    return Scene(here, Operator(folder, playbook), other)


@contextmanager
def stopped_at(scene: Scene, point: str) -> Iterator[subprocess.Popen[str]]:
    """The first operator's run, and its guard has ended what it began."""
    with standing_still(scene.first, "run", point) as (process, at_the_next):
        at_the_next()
        guards = family(process.pid)[1:]
        wait_until(lambda: not any(map(alive, guards)), "the guard to act", 30)
        yield process


def require_overtaken(scene: Scene, process: subprocess.Popen[str], what: str) -> str:
    """It wakes up, ends with 8, and nothing has changed."""
    before = scene.stands()
    go_on(process)
    status, said = end_of(process)
    assert scene.stands() == before, f"{what}\n{said}"
    assert status == 8, (what, said)
    return said


def require_serves(scene: Scene, side: Side) -> None:
    facts = scene.here.pointer().observe()
    assert (facts.names, facts.paused) == (side, False)
    database = scene.here.database(side)
    assert read_fence(database).is_open
    database.close()


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    "points",
    [
        ("move/committed", "move/resumed", "way_back/enabled"),
        ("move/fenced", "way_back/subscription_dropped"),
        # Its PAUSE is obeyed, long after its own guard has gone.
        ("move/guarded",),
    ],
    ids=" ".join,
)
def test_a_tool_that_wakes_up_after_later_moves_touches_nothing(
    scene: Scene, points: tuple[str, ...]
) -> None:
    for point in points:
        with stopped_at(scene, point) as process:
            scene.end_leases()
            scene.other.call("run").require()
            scene.other.call("rollback").require()
            said = require_overtaken(scene, process, point)
            assert "error BG-8001: " in said
            assert "\n  traffic: blue" in said, said
        require_serves(scene, Side.BLUE)
        assert scene.other.call("status").status == 0, point


@pytest.mark.sampled(1)
@pytest.mark.parametrize("point", ["move/committed", "move/pointed"])
def test_a_tool_whose_sessions_were_all_ended_asks_by_new_ones(
    scene: Scene, point: str
) -> None:
    """Its first question to each server fails, though both answer."""
    with stopped_at(scene, point) as process:
        scene.end_all_sessions()
        scene.other.call("run").require()
        scene.other.call("rollback").require()
        said = require_overtaken(scene, process, point)
        assert "error BG-8001: " in said
    require_serves(scene, Side.BLUE)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("point", ["move/guarded", "move/pointed"])
def test_a_tool_that_wakes_up_in_a_later_pause_lets_none_of_its_clients_go(
    scene: Scene, point: str
) -> None:
    # Its pause has to outlast what the woken tool asks.
    text = scene.other.playbook.read_text()
    scene.other.playbook.write_text(text.replace('"2s"', '"60s"'))
    with stopped_at(scene, point) as process:
        scene.end_leases()
        scene.other.call("run").require()
        with standing_still(scene.other, "rollback", "move/paused") as (later, next_):
            next_()
            said = require_overtaken(scene, process, "in the pause")
            assert "another run has begun to move traffic meanwhile" in said
            assert scene.here.pointer().observe().paused
            go_on(later)
            assert end_of(later)[0] == 0
    require_serves(scene, Side.BLUE)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("point", ["move/paused", "move/caught_up"])
def test_a_tool_that_wakes_up_after_its_guard_backed_out_leaves_the_stream_on(
    scene: Scene, point: str
) -> None:
    name = ReplicationStream(scene.here.name, Side.BLUE).name
    green = scene.here.database(Side.GREEN)
    with stopped_at(scene, point) as process:
        before = scene.stands()[:-1]
        go_on(process)
        status, said = end_of(process)
        # Its own limit may have hung up on the servers in the moment of waking.
        assert (status, said[6:13]) in {(5, "BG-5001"), (4, "BG-4006")}, said
        assert "\n  traffic: blue (backed out, nothing has moved)" in said
        assert scene.stands()[:-1] == before
    stream = read_subscription(green, name)
    assert stream is not None
    assert stream.enabled
    green.close()
    require_serves(scene, Side.BLUE)

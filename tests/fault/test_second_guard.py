"""The machine of the tool and its guard is gone in the pause; another one lets go."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bluegreen.lab.processes import family
from bluegreen.model.side import Side
from bluegreen.postgres.fence.fence import read_fence
from tests.fault.test_two_operators import Operator, end_of, standing_still
from tests.kit.arena import Arena
from tests.kit.armed import command
from tests.kit.cli import call, write_playbook
from tests.kit.wait import wait_until

pytestmark = pytest.mark.timeout(300)
STEPS = (
    {"step": "replicate"},
    {"step": "cutover", "max_pause": "2s", "probe": False},
)


@contextmanager
def second_guard(playbook: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [*command({}), "guard", str(playbook)], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert "standing by" in process.stderr.readline()
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
    assert process.returncode == 0


@pytest.fixture
def here(arena: Callable[..., Arena]) -> Arena:
    made = arena(16, 18)
    made.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY)")
    return made


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("point", "side"), [("move/fenced", Side.BLUE), ("move/committed", Side.GREEN)]
)
def test_it_ends_a_pause_whose_tool_and_guard_died_together(
    here: Arena, tmp_path: Path, point: str, side: Side
) -> None:
    playbook = write_playbook(here, tmp_path, STEPS)
    operator = Operator(tmp_path, playbook)
    with (
        second_guard(playbook) as second,
        standing_still(operator, "run", point) as (process, at_the_next),
    ):
        at_the_next()
        for pid in reversed(family(process.pid)):
            os.kill(pid, signal.SIGKILL)
        end_of(process)
        pointer = here.pointer()
        assert pointer.observe().paused
        wait_until(lambda: not pointer.observe().paused, "clients to go on", 30)
        assert second.stderr is not None
        assert "its pause was abandoned and is ended" in second.stderr.readline()
    assert pointer.observe().names is side
    assert read_fence(here.database(side)).is_open
    assert read_fence(here.database(side.other)).is_closed
    call("run", playbook).require()
    assert here.pointer().observe().names is Side.GREEN


def test_it_does_nothing_to_a_switchover_that_goes_well(
    here: Arena, tmp_path: Path
) -> None:
    playbook = write_playbook(here, tmp_path, STEPS)
    with second_guard(playbook) as second:
        call("run", playbook).require()
        call("rollback", playbook).require()
        story = call("journal", playbook).require().out
        second.send_signal(signal.SIGTERM)
        assert second.stderr is not None
        assert second.stderr.read() == ""
    assert "guard" not in story

"""The guard is there, and is ours, when clients are about to be held back."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from bluegreen.lab.processes import alive, family
from bluegreen.model.side import Side
from bluegreen.postgres.fence.fence import read_fence
from tests.fault.test_two_operators import Operator, end_of, go_on, standing_still
from tests.kit.arena import Arena
from tests.kit.cli import call, write_playbook
from tests.kit.wait import wait_until

pytestmark = pytest.mark.timeout(600)
STEPS = (
    {"step": "replicate"},
    {"step": "cutover", "max_pause": "6s", "probe": False},
)
SHADOWS = ("json", "select", "secrets", "signal", "queue", "socket", "psycopg", "yaml")


@pytest.fixture
def here(arena: Callable[..., Arena]) -> Arena:
    made = arena(16, 18)
    made.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY)")
    return made


def test_modules_of_the_working_folder_run_in_no_process_of_ours(
    here: Arena, tmp_path: Path
) -> None:
    folder = tmp_path / "checkout"
    folder.mkdir()
    ran = tmp_path / "ran"
    for name in SHADOWS:
        (folder / f"{name}.py").write_text(f"open({str(ran)!r}, 'a').write(__file__)\n")
    playbook = write_playbook(here, tmp_path, STEPS)
    # An empty entry means the working folder too.
    path = {"PYTHONPATH": os.pathsep.join(("", os.environ.get("PYTHONPATH", "")))}
    for verb, environ in (("run", {}), ("rollback", path)):
        call(verb, playbook, environ=environ, cwd=folder).require()
        assert not ran.exists(), ran.read_text()


@pytest.mark.sampled(1)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_without_a_guard_that_answers_nobody_is_held_back(
    here: Arena, tmp_path: Path, number: signal.Signals
) -> None:
    folder = tmp_path / "first"
    folder.mkdir()
    operator = Operator(folder, write_playbook(here, folder, STEPS))
    with standing_still(operator, "run", "move/ready") as (process, at_the_next):
        at_the_next()
        [guard] = family(process.pid)[1:]
        os.kill(guard, number)
        go_on(process)
        wait_until(lambda: process.poll() is not None, "the tool to end", 60)
        if number is signal.SIGSTOP:
            # It has our stderr too.
            os.kill(guard, signal.SIGCONT)
        status, said = end_of(process)
        wait_until(lambda: not alive(guard), "the guard to end", 30)
    assert status == 4, said
    assert said.startswith(
        "error BG-4001: the guard process does not monitor any more\n"
        "  seen:    no word of it within 2 s, or it ended\n"
        "  wanted:  a guard that answers, before any client is held back\n"
        "  traffic: blue (backed out, nothing has moved)\n"
        "  hint:    was it killed, or is the machine out of memory? Run again"
    ), said
    facts = here.pointer().observe()
    assert (facts.names, facts.paused) == (Side.BLUE, False)
    database = here.database(Side.BLUE)
    assert read_fence(database).is_open
    database.close()
    operator.call("run").require()
    assert here.pointer().observe().names is Side.GREEN

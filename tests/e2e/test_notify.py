"""Whom a playbook names under `notify` is told, once, and holds nothing up."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.kit.arena import Arena
from tests.kit.armed import command
from tests.kit.cli import call, write_playbook
from tests.kit.wait import wait_until

PAGER = """
import json, pathlib, sys
here = pathlib.Path(__file__).parent
with (here / "told").open("a") as file:
    file.write(sys.stdin.read() + "\\n")
"""


@dataclass
class Told:
    """A playbook that pages into a file."""

    arena: Arena
    playbook: Path

    @property
    def notices(self) -> list[Any]:
        path = self.playbook.parent / "told"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    @property
    def last(self) -> Any:
        return self.notices[-1]

    @property
    def occasions(self) -> list[str]:
        return [one["occasion"] for one in self.notices]


@pytest.fixture
def told(arena: Callable[..., Arena], tmp_path: Path) -> Told:
    here = arena()
    here.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY)")
    (tmp_path / "pager.py").write_text(PAGER)
    steps: list[dict[str, object]] = [
        {"step": "backup", "workers": 1},
        {"step": "replicate"},
        {"step": "approve"},
        {"step": "cutover", "probe": False},
        {"step": "hold", "window": "24h"},
        {"step": "decommission", "final_backup": "last"},
    ]
    playbook = write_playbook(here, tmp_path, steps)
    words = json.loads(playbook.read_text())
    pager = [sys.executable, str(tmp_path / "pager.py")]
    words["notify"] = [
        {"command": pager, "window_ends_in": "48h"},
        {"command": [str(tmp_path / "gone")], "when": ["moved"]},
    ]
    playbook.write_text(json.dumps(words))
    return Told(here, playbook)


def test_people_are_told_of_each_turn_of_a_move(told: Told) -> None:
    test = call("notify", told.playbook)
    assert (test.status, test.error) == (
        4,
        (
            "error BG-4001: 1 notice of 2 could not be sent\n"
            f"  seen:    notify entry 2 (command) was not told test: "
            f"{told.playbook.parent / 'gone'}: No such file or directory\n"
            "  wanted:  each of them told\n"
            "  hint:    correct the entry in the playbook, then try again"
        ),
    )
    assert told.occasions == ["test"]
    # Before the cutover the timer has nothing to tell.
    call("decommission", "--if-due", told.playbook).require()

    with subprocess.Popen(
        [*command({}), "run", str(told.playbook)], stderr=subprocess.PIPE, text=True
    ) as run:
        wait_until(lambda: len(told.notices) == 2, 120)
        assert told.last["occasion"] == "waits_for_approval"
        assert f"bluegreen approve {told.playbook} --step approve" in told.last["body"]
        call("approve", told.playbook).require()
        _, said = run.communicate(timeout=120)
    assert run.returncode == 0, said
    # One that cannot be told is named in the log and stops nothing.
    assert "notify entry 2 (command) was not told moved" in said
    name = told.arena.name
    assert told.last["occasion"] == "moved"
    assert told.last["subject"].startswith(f"bluegreen {name}: green is serving (pause")
    assert f"bluegreen rollback {told.playbook}" in told.last["body"]

    for _ in range(2):
        call("decommission", "--if-due", told.playbook).require()
    assert told.occasions[3:] == ["window_ends"]
    assert "the rollback window ends in 23 h" in told.last["subject"]
    assert f"bluegreen hold {told.playbook} --for 24h" in told.last["body"]

    blue = told.arena.pair.blue
    [(stream,)] = blue.rows("SELECT quote_ident(subname) FROM pg_subscription")
    for times in (1, 2):
        blue.run(f"ALTER SUBSCRIPTION {stream} DISABLE")
        for _ in range(2):
            call("decommission", "--if-due", told.playbook).require()
        assert told.occasions[4:] == ["rollback_unavailable"] * times, told.last
        blue.run(f"ALTER SUBSCRIPTION {stream} ENABLE")
        call("decommission", "--if-due", told.playbook).require()
    call("rollback", told.playbook).require()
    assert told.last["subject"].startswith(f"bluegreen {name}: blue is serving")


def test_people_are_told_once_of_a_refusal_and_of_the_end(told: Told) -> None:
    words = json.loads(told.playbook.read_text())
    words["steps"] = [s for s in words["steps"] if s["step"] != "approve"]
    words["steps"][-2]["window"] = "1ms"
    told.playbook.write_text(json.dumps(words))
    call("run", told.playbook).require()
    assert told.occasions == ["moved"]
    with told.arena.pair.blue.connect(application_name="monthly report"):
        for _ in range(3):
            assert call("decommission", "--if-due", told.playbook).status == 7
    assert told.occasions[1:] == ["decommission_refused"]
    assert "1 client is connected to blue" in told.last["subject"]
    assert "monthly report" in told.last["body"]
    call("decommission", "--if-due", told.playbook).require()
    call("decommission", "--if-due", told.playbook).require()
    assert told.occasions[2:] == ["decommissioned"]


def test_a_run_that_fails_tells_its_error(told: Told) -> None:
    words = json.loads(told.playbook.read_text())
    words["pointers"][0]["database"] = "elsewhere"
    told.playbook.write_text(json.dumps(words))
    ended = call("run", told.playbook)
    assert ended.status != 0
    assert told.occasions == ["failed"]
    assert told.last["body"] == ended.error

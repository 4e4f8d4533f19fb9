"""The guard takes over every kind of pointer that the tool holds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bluegreen.model.side import Side
from bluegreen.pointers.handover import spec_of
from bluegreen.pointers.pointer import Pointer
from bluegreen.postgres.fence.fence import read_fence
from tests.kit.arena import Arena, replicate
from tests.kit.file_pointer import FilePointer
from tests.kit.nameserver import Knot
from tests.kit.programs import Programs
from tests.kit.route53 import a_record, fake_route53
from tests.kit.wait import wait_until

pytestmark = pytest.mark.timeout(300)

DIES = """
import json, os, signal, sys
from pathlib import Path

from bluegreen.engine.guard import guarded
from bluegreen.engine.journal import open_journal
from bluegreen.engine.writer import new_run_id
from bluegreen.model.side import Side
from bluegreen.pointers.handover import of_spec
from bluegreen.postgres.database import Database
from bluegreen.steps.world import World
from tests.kit.arena import move

given = json.loads(sys.argv[1])
blue, green = (Database(side, given[side]) for side in Side)
run = new_run_id()
world = World(
    given["name"],
    blue,
    green,
    (of_spec(given["pointer"]),),
    open_journal(blue, green, given["name"], run),
    home=Path(given["home"]),
    guard=lambda budget: guarded(world, run, budget),
    point=lambda name: name == given["at"] and os.kill(os.getpid(), signal.SIGKILL),
)
move(world, Side.GREEN)
"""


KINDS = ("foreign", "dns", "route53", "command")
ENDS = (
    ("move/paused", Side.BLUE),
    ("move/committed", Side.GREEN),
    ("move/resumed", Side.GREEN),
)


@pytest.fixture(params=KINDS)
def pointer(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    lab_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Pointer]:
    """One of each kind, which names blue."""
    if request.param == "foreign":
        yield FilePointer.make("foreign", tmp_path / "names.json", Side.BLUE)
        return
    values = {Side.BLUE: ("127.0.0.11",), Side.GREEN: ("127.0.0.12",)}
    if request.param == "command":
        yield Programs(tmp_path).pointer()
        return
    if request.param == "route53":
        with fake_route53(monkeypatch) as aws:
            aws.put(a_record("127.0.0.11"))
            yield aws.pointer(values)
        return
    with Knot.start(lab_folder / "knot", ["db 1 A 127.0.0.11"]) as knot:
        yield knot.pointer(values)


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("at", "side"), ENDS)
def test_every_kind_is_let_go_when_the_tool_dies_in_the_pause(
    arena: Callable[..., Arena], pointer: Pointer, tmp_path: Path, at: str, side: Side
) -> None:
    here = arena(16, 18)
    here.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY)")
    replicate(here.world())
    given: dict[str, object] = {str(one): here.conninfo(one) for one in Side}
    given |= {"name": here.name, "at": at, "home": str(tmp_path)}
    given["pointer"] = spec_of(pointer)
    home = str(Path(__file__).parents[2])
    ended = subprocess.run(
        [sys.executable, "-P", "-c", DIES, json.dumps(given)],
        env={**os.environ, "PYTHONPATH": home},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    wait_until(lambda: pointer.observe().paused is False, "the guard to let go", 30)
    wait_until(lambda: read_fence(here.database(side)).is_open, f"{side} to serve", 30)
    wait_until(lambda: pointer.observe().names is side, f"it to name {side}", 30)
    assert read_fence(here.database(side.other)).is_closed

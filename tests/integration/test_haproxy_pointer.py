"""A backend of a real HAProxy as a pointer: moved, refused, and in a whole move."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from bluegreen.lab.server import Server
from bluegreen.model.errors import BluegreenError
from bluegreen.model.side import Side
from bluegreen.pointers.handover import of_spec, require_guardable, spec_of
from bluegreen.pointers.haproxy.runtime import Runtime
from bluegreen.postgres.fence.fence import read_fence
from tests.kit.arena import Arena, move, replicate
from tests.kit.haproxy import BACKEND, Haproxy
from tests.kit.wait import wait_until

STATES = """
backend db
  load-server-state-from-file global
global
  server-state-file /var/lib/haproxy/states
"""


@pytest.fixture
def sides(servers: Callable[..., Server]) -> dict[Side, Server]:
    return {Side.BLUE: servers(16), Side.GREEN: servers(18)}


@pytest.fixture
def front(sides: dict[Side, Server], lab_folder: Path) -> Iterator[Haproxy]:
    with Haproxy.start(lab_folder / "haproxy", sides) as running:
        yield running


def version_of(session: psycopg.Connection) -> int:
    return session.info.server_version // 10_000


def test_it_names_the_side_that_it_was_told_and_cuts_the_other(front: Haproxy) -> None:
    pointer = require_guardable(front.pointer())
    assert pointer.observe().names is Side.BLUE
    with psycopg.connect(front.conninfo()) as stays:
        assert version_of(stays) == 16
        for _ in range(2):
            pointer.move(Side.GREEN)
            assert pointer.observe().names is Side.GREEN
        with pytest.raises(psycopg.OperationalError):
            stays.execute("SELECT 1")
    with psycopg.connect(front.conninfo()) as comes:
        assert version_of(comes) == 18
    of_spec(json.loads(json.dumps(spec_of(pointer)))).move(Side.BLUE)
    with psycopg.connect(front.conninfo()) as comes:
        assert version_of(comes) == 16


def test_a_restart_forgets_and_is_seen(front: Haproxy, tmp_path: Path) -> None:
    pointer = front.pointer()
    pointer.move(Side.GREEN)
    front.stop()
    front.start_again()
    assert pointer.observe().names is Side.BLUE
    (keeps := tmp_path / "keeps.cfg").write_text(STATES)
    told = {
        file: "reload-forgets-states"
        in [f.id for f in front.pointer(config_file=file).check()]
        for file in (None, str(front.folder / "haproxy.cfg"), "/nowhere", str(keeps))
    }
    assert list(told.values()) == [True, True, True, False]


@pytest.mark.parametrize(
    ("command", "seen"),
    [
        (f"set server {BACKEND}/green state ready", "blue ready, green ready"),
        (f"set server {BACKEND}/blue state maint", "blue maint, green maint"),
        (f"set server {BACKEND}/blue state drain", "blue maint, green maint"),
    ],
)
def test_two_or_none_are_neither_side(front: Haproxy, command: str, seen: str) -> None:
    pointer = front.pointer()
    assert Runtime(front.socket).say(command) == ""
    facts = pointer.observe()
    assert (facts.names, facts.seen) == (None, seen)
    assert [f.id for f in pointer.check() if f.is_blocking] == ["haproxy-3007"]
    assert pointer.observe().seen == seen
    pointer.move(Side.GREEN)
    assert pointer.observe().names is Side.GREEN


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ({"socket": "/nowhere.sock"}, 3001),
        ({"socket": "127.0.0.1:1"}, 3001),
        ({"backend": "other"}, 3007),
        ({"servers": {Side.BLUE: "blue", Side.GREEN: "verde"}}, 3007),
    ],
)
def test_what_is_not_there_is_told(
    front: Haproxy, words: dict[str, object], code: int
) -> None:
    pointer = front.pointer(**words)
    with pytest.raises(BluegreenError) as caught:
        pointer.observe()
    assert caught.value.code == code
    assert f"haproxy-{code}" in [f.id for f in pointer.check() if f.is_blocking]


def test_a_socket_without_the_right_is_found(
    sides: dict[Side, Server], lab_folder: Path
) -> None:
    with Haproxy.start(lab_folder / "low", sides, level="operator") as low:
        found = [f for f in low.pointer().check() if f.is_blocking]
        assert [f.id for f in found] == ["haproxy-3008"]
        with pytest.raises(BluegreenError) as caught:
            low.pointer().move(Side.GREEN)
        assert caught.value.code == 4009
        assert low.pointer().observe().names is Side.BLUE


def test_a_whole_move_there_and_back(
    arena: Callable[..., Arena], lab_folder: Path
) -> None:
    here = arena(16, 18)
    here.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY)")
    ends = {side: getattr(here.pair, str(side)).server for side in Side}
    with Haproxy.start(lab_folder / "haproxy", ends) as front:
        world = here.world()
        object.__setattr__(world, "pointers", (front.pointer(),))
        replicate(world)
        stays = psycopg.connect(front.conninfo(here.pair.blue.name), autocommit=True)
        for number, side in enumerate((Side.GREEN, Side.BLUE)):
            move(world, side)
            assert world.pointers[0].observe().names is side
            assert read_fence(here.database(side.other)).is_closed
            to = getattr(here.pair, str(side))
            with psycopg.connect(front.conninfo(to.name), autocommit=True) as app:
                app.execute("INSERT INTO t VALUES (%s)", [number])
            left = getattr(here.pair, str(side.other))
            wait_until(
                lambda left=left, number=number: (
                    (number,) in left.rows("SELECT id FROM t")
                ),
                "the row on the other side",
            )
        with pytest.raises(psycopg.OperationalError):
            stays.execute("SELECT 1")
        stays.close()

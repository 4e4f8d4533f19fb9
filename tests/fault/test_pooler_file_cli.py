"""The pooler's file through the command line: three entries, and what breaks them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from bluegreen.model.side import Side
from bluegreen.pointers.pgbouncer.pointer import PgBouncer
from tests.fault.test_two_operators import Operator, end_of, go_on, standing_still
from tests.kit.arena import ENTRY, Arena
from tests.kit.cli import call, write_playbook
from tests.kit.wait import wait_until

pytestmark = pytest.mark.timeout(600)
NAMES = (ENTRY, "shop_1", "shop_2")
STEPS = (
    {"step": "check"},
    {"step": "replicate"},
    {"step": "cutover", "max_pause": "6s", "probe": False},
)


@pytest.fixture
def here(arena: Callable[..., Arena]) -> Arena:
    """An arena whose pooler has three entries that lead to blue."""
    made = arena(16, 18)
    made.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY)")
    text = made.pooler.config_file.read_text()
    at = made.pair.blue
    more = "".join(
        f"{name} = host={at.server.host} port={at.server.port} dbname={at.name}\n"
        for name in NAMES[1:]
    )
    made.pooler.config_file.write_text(
        text.replace("[databases]\n", f"[databases]\n{more}")
    )
    reload(made)
    return made


def reload(here: Arena) -> None:
    with psycopg.connect(
        here.pooler.console_conninfo(), autocommit=True, prepare_threshold=None
    ) as console:
        console.execute("RELOAD")


def edit(here: Arena, before: str, after: str) -> None:
    text = here.pooler.config_file.read_text()
    assert before in text
    here.pooler.config_file.write_text(text.replace(before, after, 1))


def place(here: Arena, words: str) -> str:
    text = here.pooler.config_file.read_text()
    line = text.count("\n", 0, text.index(words)) + 1
    return f"{here.pooler.config_file}:{line}"


def three(here: Arena, folder: Path) -> Path:
    """A playbook that names all three."""
    folder.mkdir(exist_ok=True)
    pointers = [
        {
            "pointer": "pgbouncer",
            "id": name,
            "console": here.pooler.console_conninfo(),
            "config_file": str(here.pooler.config_file),
            "database": name,
            "client": here.pooler.conninfo(name),
        }
        for name in NAMES
    ]
    return write_playbook(here, folder, STEPS, pointers=pointers)


def point(here: Arena, name: str) -> PgBouncer:
    given = {**here.pointer().spec(), "id": name, "database": name, "client": None}
    made = PgBouncer.from_spec(given)
    here.stack.callback(made.close)
    return made


def named(here: Arena) -> list[Side | None]:
    facts = [point(here, name).observe() for name in NAMES]
    assert not any(one.paused for one in facts)
    return [one.names for one in facts]


def test_three_entries_of_one_file_go_there_and_back(
    here: Arena, tmp_path: Path
) -> None:
    playbook = three(here, tmp_path)
    call("run", playbook).require()
    assert named(here) == [Side.GREEN] * 3
    call("rollback", playbook).require()
    assert named(here) == [Side.BLUE] * 3
    assert not list(here.pooler.folder.glob(".*bluegreen*"))
    assert "bluegreen_probe" not in here.pooler.config_file.read_text()


def test_one_that_does_not_follow_behind_the_commit_ends_with_7(
    here: Arena, tmp_path: Path
) -> None:
    operator = Operator(tmp_path / "op", three(here, tmp_path / "op"))
    with standing_still(operator, "run", "move/committed") as (process, at_the_next):
        at_the_next()
        edit(here, "shop_1 = ", "shop_1 = nonsense=1 ")
        go_on(process)
        wait_until(lambda: process.poll() is not None, "the tool to end", 60)
        status, said = end_of(process)
    assert status == 7, said
    assert "error BG-7001: not every pointer names green: " in said
    resume = "-c RELOAD -c 'RESUME \"shop_1\"'`"
    assert f"shop_1: in {place(here, 'shop_1 = ')} let shop_1 lead to " in said
    assert resume in said
    ended = call("status", operator.playbook)
    assert ended.status == 7, ended.out
    edit(here, "nonsense=1 ", "")
    call("run", operator.playbook).require()
    assert named(here) == [Side.GREEN] * 3


CHANGES = {
    "an edit": (3, "has not loaded"),
    "an edit that is loaded": (4, "was edited while the move was made ready"),
    "a restart": (4, "changed while the move was made ready"),
}


def test_what_changes_right_before_the_pause_holds_nobody_back(
    here: Arena, tmp_path: Path
) -> None:
    operator = Operator(tmp_path / "op", three(here, tmp_path / "op"))
    log = here.pooler.folder / "log"
    for number, (what, (wanted, words)) in enumerate(CHANGES.items()):
        key = f"server_lifetime = {77 + number}"
        with standing_still(operator, "run", "move/ready") as (process, at_the_next):
            at_the_next()
            if what == "a restart":
                here.pooler.kill()
                here.pooler.start_again()
            else:
                edit(here, "[pgbouncer]\n", f"[pgbouncer]\n{key}\n")
            if what == "an edit that is loaded":
                reload(here)
            go_on(process)
            wait_until(lambda one=process: one.poll() is not None, "it to end", 60)
            status, said = end_of(process)
        assert status == wanted, said
        assert words in said
        assert "traffic: blue (backed out, nothing has moved)" in said
        assert "PAUSE" not in log.read_text()
        assert named(here) == [Side.BLUE] * 3
        if what == "an edit":
            assert f"{place(here, key)} says {key}, the running pooler 3600" in said
        if what != "a restart":
            edit(here, f"{key}\n", "")
            reload(here)
    call("run", operator.playbook).require()
    assert named(here) == [Side.GREEN] * 3
    assert "PAUSE" in log.read_text()

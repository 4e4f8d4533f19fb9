"""Several entries of one file: one draft, one rename, one RELOAD; and several tools."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bluegreen.lab.binaries import find_tool
from bluegreen.model.errors import TrafficUnknownError
from bluegreen.model.side import Side
from bluegreen.pointers.all_poolers import (
    by_place,
    move_all,
    name_side,
    prove_all,
    require_unchanged,
    resume_all,
    stage_all,
)
from bluegreen.pointers.pgbouncer.address import Address
from bluegreen.pointers.pgbouncer.config import ConfiguredFile
from bluegreen.pointers.pgbouncer.console import Console
from bluegreen.pointers.pgbouncer.file import ConfigFile
from tests.kit.pooler_file import NAMES, PORTS, Front, fronted, line


@pytest.fixture
def front(lab_root: Path) -> Iterator[Front]:
    with fronted(lab_root) as made:
        yield made


@pytest.fixture
def acts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often a draft was written, renamed and loaded."""
    done: Counter[str] = Counter()

    def counted(kind: type, name: str) -> None:
        real = getattr(kind, name)

        def act(self: Any, *words: Any) -> Any:
            done[name] += 1
            return real(self, *words)

        monkeypatch.setattr(kind, name, act)

    counted(ConfigFile, "write_draft")
    counted(ConfigFile, "put_draft")
    counted(Console, "reload")
    return done


def test_one_rename_and_one_reload_move_them_all(
    front: Front, acts: Counter[str]
) -> None:
    pointers = [front.point(name) for name in NAMES]
    for pointer in pointers:
        pointer.warm_up()
    prove_all(pointers, Side.GREEN)
    assert acts == {"write_draft": 2, "put_draft": 2, "reload": 2}
    acts.clear()
    # What a killed run of another order of pointers left; it may hold passwords.
    front.file.with_name(f".{front.file.name}.bluegreen-shop_1").write_text("x")
    stage_all(pointers, Side.GREEN)
    assert acts == {"write_draft": 1}
    assert front.drafts() == [f".{front.file.name}.bluegreen-shop"]
    acts.clear()
    move_all(pointers, Side.GREEN)
    assert acts == {"put_draft": 1, "reload": 1}
    assert [one.observe().names for one in pointers] == [Side.GREEN] * 3
    assert front.drafts() == []
    acts.clear()
    for ours in by_place(pointers):
        name_side(ours, Side.BLUE)
    assert acts == {"write_draft": 1, "put_draft": 1, "reload": 1}
    assert [one.observe().names for one in pointers] == [Side.BLUE] * 3


def test_the_guard_moves_only_those_that_are_astray(
    front: Front, acts: Counter[str]
) -> None:
    pointers = [front.point(name) for name in NAMES]
    pointers[1].move(Side.GREEN)
    acts.clear()
    name_side(pointers, Side.GREEN)
    assert acts == {"write_draft": 1, "put_draft": 1, "reload": 1}
    acts.clear()
    name_side(pointers, Side.GREEN)
    assert acts == {}


def test_one_that_does_not_follow_is_named_with_its_line_and_put_back(
    front: Front,
) -> None:
    pointers = [front.point(name) for name in NAMES]
    for pointer in pointers:
        pointer.warm_up()
    front.edit("shop_1 = ", "shop_1 = nonsense=1 ")
    with pytest.raises(TrafficUnknownError) as caught:
        move_all(pointers, Side.GREEN)
    for name in ("shop_1", "shop_2"):
        place = f"{front.file}:{front.number(f'{name} = ')}"
        port = PORTS[Side.GREEN]
        assert (
            f"{name}: in {place} let {name} lead to host=127.0.0.1 port={port} "
            f"dbname={name}, then `psql 'host=127.0.0.1 port={front.pooler.port} "
            f"user=postgres dbname=pgbouncer' -c RELOAD -c 'RESUME \"{name}\"'`"
        ) in caught.value.hint
        assert f"{name}: pooler" in caught.value.seen
    for pointer in pointers:
        # File and process agree, whether it followed or not.
        side = pointer.observe().names
        assert side is not None
        assert line(side, pointer.database) in front.text
    assert "nonsense=1" in front.text


def test_clients_that_may_still_wait_are_let_go_by_what_the_text_says(
    front: Front,
) -> None:
    pointers = [front.point(name) for name in NAMES[:2]]
    front.pooler.kill()
    with pytest.raises(TrafficUnknownError) as caught:
        resume_all(pointers)
    at = f"'host=127.0.0.1 port={front.pooler.port} user=postgres dbname=pgbouncer'"
    assert caught.value.hint == (
        "a pooler that is down holds no clients, and forgets PAUSE when it starts. "
        "For one that runs type:\n"
        f"shop: `psql {at} -c 'RESUME \"shop\"' -c 'SHOW DATABASES'`\n"
        f"shop_1: `psql {at} -c 'RESUME \"shop_1\"' -c 'SHOW DATABASES'`"
    )
    front.pooler.start_again()
    pointers[0].pause(timedelta(seconds=5))
    command = pointers[0].resume_by_hand()
    subprocess.run(
        ["sh", "-c", f"PATH=$PATH:{find_tool('psql').parent} {command}"], check=True
    )
    assert not pointers[0].observe().paused


def test_a_newer_word_of_another_is_not_put_back(front: Front) -> None:
    green = Address("127.0.0.1", PORTS[Side.GREEN], "shop")
    file = ConfiguredFile(front.file, "one", lambda: front.file)
    former = file.put({"shop": green})
    front.edit(line(Side.GREEN), "host=127.0.0.1 port=9 dbname=shop")
    text = front.text
    file.put_back(former, {"shop": green})
    assert front.text == text


def test_two_consoles_or_two_files_are_two_places(front: Front, tmp_path: Path) -> None:
    (tmp_path / "etc").symlink_to(front.file.parent)
    same = front.point("shop_1", config_file=tmp_path / "etc" / front.file.name)
    other = front.point("shop_2", console="host=localhost port=1 user=postgres")
    third = front.point("shop_2", config_file=front.file.with_name("x.ini"))
    first = front.point()
    assert by_place([first, same, other, third]) == [[first, same], [other], [third]]


TOOL = """
import sys
import threading
from bluegreen.model.side import Side
from tests.kit.pooler_file import child_point
name, *words = sys.argv[1:]
pointer = child_point(*words, name=name)
for side in (Side.GREEN, Side.BLUE) * 5 + (Side.GREEN,):
    pointer.warm_up()
    pointer.prove(Side.GREEN)
    pointer.stage(side)
    pointer.move(side)
    assert pointer.observe().names is side
pointer.close()
"""


@pytest.mark.timeout(180)
def test_two_processes_on_one_file_at_once_take_turns(front: Front) -> None:
    text = front.text
    words = [front.pooler.console_conninfo(), str(front.file)]
    tools = [
        subprocess.Popen(
            [sys.executable, "-c", TOOL, name, *words],
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in NAMES[:2]
    ]
    said = [tool.communicate(timeout=120)[1] for tool in tools]
    assert [tool.returncode for tool in tools] == [0, 0], said
    for name in NAMES[:2]:
        text = text.replace(
            f"{name} = {line(Side.BLUE, name)}\n",
            f"{name} = {line(Side.GREEN, name)}\n",
        )
    assert front.text == text
    assert sorted(front.names()) == sorted(["pgbouncer", *NAMES])
    assert front.drafts() == []


def test_the_trial_of_another_tool_is_no_edit(front: Front) -> None:
    """`check` from a timer, in the moment before the pause."""
    pointers = [front.point()]
    pointers[0].warm_up()
    stage_all(pointers, Side.GREEN)
    other = ConfiguredFile(front.file, "other", lambda: front.file)
    begun, ended = threading.Event(), threading.Event()

    def trial() -> None:
        leads = {"shop_1": Address("127.0.0.1", 1, "shop_1")}
        with other.trial({"shop_1": "bluegreen_probe_0a"}, leads):
            begun.set()
            ended.wait(0.2)

    thread = threading.Thread(target=trial)
    thread.start()
    assert begun.wait(10)
    assert "bluegreen_probe_0a" in front.text
    require_unchanged(pointers)
    thread.join()

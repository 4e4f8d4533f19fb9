"""The pooler's file, when others write to it or it is not what it seems."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bluegreen.lab.pooler import Pooler
from bluegreen.model.side import Side
from bluegreen.pointers.all_poolers import move_all, pause_all, resume_all
from bluegreen.pointers.pgbouncer import PgBouncer
from bluegreen.pointers.pgbouncer_address import Address
from bluegreen.pointers.pgbouncer_config import ConfiguredEntry
from bluegreen.pointers.pgbouncer_spec import of_spec, spec_of
from tests.kit.databases import Database, DatabasePair

LONG = timedelta(seconds=10)
NAMES = ("shop", "shop_1", "shop_2")


def address(database: Database) -> dict[str, str]:
    server = database.server
    return {"host": server.host, "port": str(server.port), "dbname": database.name}


def line(database: Database) -> str:
    return " ".join(f"{k}={v}" for k, v in address(database).items())


@pytest.fixture
def pair(database_pair: Callable[[int, int], DatabasePair]) -> DatabasePair:
    return database_pair(16, 16)


@pytest.fixture
def front(pooler: Callable[..., Pooler], pair: DatabasePair) -> Pooler:
    """One pooler with three entries that lead to blue."""
    return pooler({name: line(pair.blue) for name in NAMES})


Point = Callable[..., PgBouncer]


@pytest.fixture
def point(front: Pooler, pair: DatabasePair) -> Iterator[Point]:
    """`point("shop")`: the pointer of an entry of `front`."""
    with ExitStack() as stack:

        def make(name: str = "shop", **words: Any) -> PgBouncer:
            given: dict[str, Any] = {
                "id": name,
                "console": front.console_conninfo(),
                "config_file": front.config_file,
                "database": name,
                "addresses": {
                    Side.BLUE: address(pair.blue),
                    Side.GREEN: address(pair.green),
                },
                "client": front.conninfo(name),
            }
            made = PgBouncer(**{**given, **words})
            stack.callback(made.close)
            return made

        yield make


def aliased(front: Pooler, tmp_path: Path) -> Path:
    """The file by the way of a folder that is a link."""
    (tmp_path / "etc").symlink_to(front.folder)
    return tmp_path / "etc" / front.config_file.name


@pytest.mark.parametrize("spelled", ["alike", "by a link to its folder"])
def test_entries_of_one_file_move_together_each_time(
    front: Pooler, point: Point, tmp_path: Path, spelled: str
) -> None:
    other = front.config_file if spelled == "alike" else aliased(front, tmp_path)
    files = (front.config_file, other, front.config_file)
    pointers = [
        point(name, config_file=file) for name, file in zip(NAMES, files, strict=True)
    ]
    for side in (Side.GREEN, Side.BLUE) * 3:
        for pointer in pointers:
            pointer.warm_up()
            pointer.stage(side)
        pause_all(pointers, LONG)
        move_all(pointers, side)
        resume_all(pointers)
        assert [p.observe().names for p in pointers] == [side] * 3
    assert not list(front.folder.glob(".*bluegreen*"))


def test_tool_and_guard_may_move_at_the_same_time(point: Point) -> None:
    ours = [point(name) for name in NAMES]
    guards = [of_spec(spec_of(one)) for one in ours]
    for side in (Side.GREEN, Side.BLUE) * 3:
        thread = threading.Thread(target=move_all, args=(guards, side))
        thread.start()
        move_all(ours, side)
        thread.join()
        assert [p.observe().names for p in ours] == [side] * 3
    for guard in guards:
        guard.close()


def test_putting_one_line_back_keeps_what_the_neighbours_wrote(
    front: Pooler, pair: DatabasePair
) -> None:
    green = Address.of_playbook("shop", address(pair.green), "shop")
    first, second = (
        ConfiguredEntry(front.config_file, name, name, lambda: front.config_file)
        for name in NAMES[:2]
    )
    before = front.config_file.read_text()
    former = first.put(green)
    assert former == line(pair.blue)
    second.put(green)
    first.put_back(former)
    wanted = before.replace(f"shop_1 = {former}", f"shop_1 = {line(pair.green)}")
    assert front.config_file.read_text() == wanted

"""What poolers may open is read off real ones, and held against a real small green."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from bluegreen.lab.server import Server
from bluegreen.model.side import Side
from tests.kit.databases import DatabasePair, create_database, drop_databases
from tests.kit.file_pointer import FilePointer
from tests.kit.findings import seen
from tests.kit.pooler_file import Front, fronted
from tests.kit.steps import open_world

HEADING = "[pgbouncer]\n"
OPENED = {
    "as it is": ("", "", 20),
    "another default": ("default_pool_size = 20", "default_pool_size = 7", 7),
    "of the entry": ("shop = ", "shop = pool_size=3 ", 3),
    "with a reserve": (HEADING, HEADING + "reserve_pool_size = 5\n", 25),
    "limited": (HEADING, HEADING + "max_db_connections = 6\n", 6),
}


@pytest.fixture(scope="module")
def front(lab_root: Path) -> Iterator[Front]:
    with fronted(lab_root) as front:
        yield front


@pytest.mark.parametrize(("before", "after", "most"), OPENED.values(), ids=OPENED)
def test_what_an_entry_may_open(
    front: Front, before: str, after: str, most: int
) -> None:
    text = front.text
    try:
        front.edit(before, after)
        front.say("RELOAD")
        assert front.point().most_connections() == most
    finally:
        front.file.write_text(text)
        front.say("RELOAD")


class Pool(FilePointer):
    """A pointer that may open many connections."""

    def most_connections(self) -> int:
        return 60


def test_a_green_that_poolers_fill_is_stopped_at(
    servers: Callable[..., Server], lab_folder: Path, tmp_path: Path
) -> None:
    small = {"max_connections": "40", "max_prepared_transactions": "0"}
    with (
        Server.start(18, lab_folder / "small", settings=small) as server,
        ExitStack() as stack,
    ):
        green = create_database(server, "green")
        blue = create_database(servers(18), "blue")
        stack.callback(drop_databases, blue)
        world = stack.enter_context(open_world(DatabasePair(blue, green), tmp_path))
        pool = Pool.make("main", tmp_path / "pointer", Side.BLUE)
        world = replace(world, pointers=(pool,))
        assert seen(world)["connections-few"][0].is_blocking
        for id_ in ("connections-few", "limits-lower"):
            [finding] = seen(world)[id_]
            for one in finding.fix.split(" -- ")[0].split("; "):
                green.run(one)
            server.stop()
            server.start_again()
            world.green.close()
            assert id_ not in seen(world)

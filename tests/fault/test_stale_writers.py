"""Clients that go around the pooler: not one commit on the side that was left."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from bluegreen.model.side import Side
from bluegreen.postgres.fence.fence import read_fence
from tests.kit.arena import Arena, move, replicate
from tests.kit.databases import Database
from tests.kit.stale_writers import ROLE_MADE, TABLES, WAYS, StaleWriter
from tests.kit.wait import wait_until

REFUSED = "25006"
LATE_START = "-c post_auth_delay=1"
"""The session is let in, then stands still for a second before it is seen anywhere:
what a connection fence lets slip through."""


def open_writers(
    conninfo: str, when: str, over: threading.Event, **words: str
) -> list[StaleWriter]:
    writers = [StaleWriter(conninfo, way, when, over, **words) for way in WAYS]
    for writer in writers:
        writer.start()
    return writers


def rows(database: Database, table: str = "stale") -> dict[str, set[int]]:
    """What a side holds, by session."""
    found: dict[str, set[int]] = {}
    for who, n in database.rows(f"SELECT who, n FROM {table}"):
        found.setdefault(str(who), set()).add(int(str(n)))
    return found


@pytest.mark.sampled(1)
@pytest.mark.parametrize("to_and_fro", [False, True], ids=["cutover", "rollback"])
def test_no_session_commits_on_the_side_that_was_left(
    arena: Callable[..., Arena], to_and_fro: bool
) -> None:
    here = arena(16, 18)
    here.pair.green.run(ROLE_MADE)
    here.pair.blue.run(ROLE_MADE, *TABLES)
    left, to = here.pair.blue, here.pair.green
    begun, over = threading.Event(), threading.Event()
    writers: list[StaleWriter] = []

    def late(point: str) -> None:
        """They are let in before the fence and write when it is closed."""
        if point == "move/paused" and begun.is_set():
            words = {"options": LATE_START}
            writers.extend(open_writers(left.conninfo(), "during", over, **words))

    world = here.guarded_world(point=late)
    replicate(world)
    if to_and_fro:
        move(world, Side.GREEN)
        left, to = to, left
    try:
        writers.extend(open_writers(left.conninfo(), "before", over))
        for writer in writers:
            wait_until(lambda w=writer: len(w.acknowledged) > 20, writer.who)
        begun.set()
        move(world, Side.BLUE if to_and_fro else Side.GREEN)
        writers.extend(open_writers(left.conninfo(), "after", over))
        for writer in writers:
            wait_until(lambda w=writer: w.refused[REFUSED] > 20, f"no to {writer.who}")
    finally:
        over.set()
        for writer in writers:
            writer.join(30)
    assert len(writers) == 3 * len(WAYS)
    judge(writers, left, to)
    fence = read_fence(world.green if to_and_fro else world.blue)
    assert fence.is_closed


def judge(writers: list[StaleWriter], left: Database, to: Database) -> None:
    """By the data of both sides, session by session."""
    on_left, on_to = rows(left), rows(to)
    for writer in writers:
        assert set(writer.refused) == {REFUSED}, (writer.who, writer.refused)
        acknowledged = set(writer.acknowledged)
        assert on_left.get(writer.who, set()) == acknowledged, writer.who
        assert on_to.get(writer.who, set()) == acknowledged, writer.who
        if writer.who.endswith("after"):
            assert not acknowledged, writer.who
    assert rows(left, "emptied") == rows(to, "emptied")
    assert left.rows("SELECT gid FROM pg_prepared_xacts") == []

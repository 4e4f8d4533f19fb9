"""A commit that waits for a synchronous standby holds nobody up.

PostgreSQL ends such a wait neither at a timeout nor when the client is gone.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from bluegreen.lab.binaries import find_postgres
from bluegreen.lab.server import Server
from bluegreen.model.side import Side
from bluegreen.postgres.database import Database
from bluegreen.postgres.sync_wait import SyncWait, read_sync_wait
from tests.kit.battlefield import Battlefield, battlefield
from tests.kit.wait import wait_until

pytestmark = pytest.mark.timeout(600)

REPAIR = (
    "connect the standby, or ALTER SYSTEM SET synchronous_standby_names = ''; "
    "SELECT pg_reload_conf(); Then run again"
)


@pytest.fixture(scope="module")
def field() -> Iterator[Battlefield]:
    with battlefield() as made:
        yield made


@pytest.fixture
def here(field: Battlefield) -> Iterator[Battlefield]:
    """Blue serves."""
    with field.connect(Side.GREEN) as session:
        moved = session.execute(
            "SELECT to_regclass('bluegreen.journal') IS NOT NULL"
        ).fetchone() == (True,) and session.execute(
            "SELECT count(*) % 2 = 1 FROM bluegreen.journal WHERE kind = 'committed'"
        ).fetchone() == (True,)
    if moved:
        field.tool("rollback").require()
    yield field
    for side in Side:
        await_names(field, side, "")


def await_names(here: Battlefield, side: Side, names: str) -> None:
    """The server knows it once its checkpointer has read it too."""
    here.servers[side].configure(synchronous_standby_names=names)
    with here.connect(side) as session:
        wait_until(
            lambda: (
                session.execute("SHOW synchronous_standby_names").fetchone() == (names,)
            ),
            "the setting",
        )


def serving(here: Battlefield) -> str:
    """Which server answers a client that comes through the pooler."""
    with psycopg.connect(
        here.pooler.conninfo("shop", "app"), autocommit=True, connect_timeout=10
    ) as session:
        row = session.execute("SHOW server_version_num").fetchone()
        assert row is not None
        return "blue" if row[0].startswith("16") else "green"


def writes(here: Battlefield, side: Side) -> bool:
    with here.connect(side) as session:
        session.execute("SET synchronous_commit = local")
        try:
            with session.transaction(force_rollback=True):
                session.execute("DELETE FROM ledger")
        except psycopg.errors.ReadOnlySqlTransaction:
            return False
        return True


@pytest.mark.sampled(1)
@pytest.mark.parametrize("side", list(Side))
def test_a_run_does_not_begin_where_a_commit_would_hang(
    here: Battlefield, side: Side
) -> None:
    await_names(here, side, "FIRST 1 (s1)")
    tool = here.tool("run")
    assert tool.ended() == 3
    assert tool.said.endswith(
        f"error BG-3003: {side} waits for a synchronous standby that is not "
        "connected\n"
        f"  seen:    on {side}: every commit hangs: synchronous_standby_names is "
        "'FIRST 1 (s1)', 0 of 1 standbys stream\n"
        "  wanted:  a commit that returns: bluegreen writes its records on both sides\n"
        f"  hint:    on {side}: {REPAIR}\n"
    ), tool.said


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("side", "point"),
    [
        (Side.GREEN, "move/ready"),
        (Side.BLUE, "move/paused"),
        (Side.GREEN, "move/stream_stopped"),
    ],
)
def test_a_standby_that_goes_away_near_the_pause_backs_the_move_out(
    here: Battlefield, side: Side, point: str
) -> None:
    tool = here.tool("run", hold=point)
    assert tool.await_hold()
    await_names(here, side, "s1")
    tool.go_on()
    assert tool.ended() == 4
    assert "synchronous_standby_names is 's1'" in tool.said
    assert REPAIR in tool.said
    assert serving(here) == "blue"
    assert writes(here, Side.BLUE)
    assert not writes(here, Side.GREEN)
    await_names(here, side, "")
    here.tool("run").require()
    assert serving(here) == "green"


@contextmanager
def standby(server: Server, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """One that confirms every write at once, until it is stopped."""
    folder.mkdir()
    folder.chmod(0o777)
    process = subprocess.Popen(
        [
            find_postgres(server.major) / "pg_receivewal",
            "--synchronous",
            "--no-loop",
            "-D",
            folder,
            "-d",
            server.conninfo("postgres") + " application_name=s1",
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_standby_that_stands_still_at_the_commit_point_leaves_a_doubt_and_no_wait(
    here: Battlefield, tmp_path: Path
) -> None:
    green = Database(Side.GREEN, here.conninfo(Side.GREEN))
    with standby(here.servers[Side.GREEN], tmp_path / "wal") as process:
        await_names(here, Side.GREEN, "s1")
        wait_until(lambda: read_sync_wait(green) == SyncWait("s1", 1), "the standby")
        tool = here.tool("run", hold="move/stream_stopped")
        assert tool.await_hold()
        process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        tool.go_on()
        # Clients go on, whatever the commit does: the fence is on the data.
        assert serving(here) == "blue"
        waited = time.monotonic() - began
        assert tool.ended() == 7
        assert (
            tool.said.count(
                "a commit of ours on green waits for a synchronous standby: "
                "synchronous_standby_names is 's1'"
            )
            == 1
        ), tool.said
        assert "BG-7001: it is not known whether the move to green was" in tool.said
        assert f"hint:    on green: {REPAIR}" in tool.said
        assert waited < time.monotonic() - began
        assert not writes(here, Side.BLUE)
        process.send_signal(signal.SIGCONT)
        # The guard of the pause ends what the tool could not.
        wait_until(lambda: serving(here) == "green", "the guard", deadline_s=60)
        await_names(here, Side.GREEN, "")
    green.close()
    here.tool("run").require()


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("names", "there", "unseen", "hangs"),
    [
        ("", 0, 0, False),
        ("  ", 0, 0, False),
        ("s1", 0, 0, True),
        ("s1, s2", 1, 0, False),
        ("*", 0, 1, False),
        ("2 (s1, s2)", 1, 0, True),
        ("first 2 (s1, s2, s3)", 2, 0, False),
        ("ANY 3(s1, s2, s3)", 2, 0, True),
        ('"2 (odd"', 1, 0, False),
    ],
)
def test_how_many_standbys_a_commit_waits_for(
    names: str, there: int, unseen: int, hangs: bool
) -> None:
    assert SyncWait(names, there, unseen).hangs is hangs

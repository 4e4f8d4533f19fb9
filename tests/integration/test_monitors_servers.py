"""A server that failed over, was restored or exchanged is seen, and stops a move."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from bluegreen.lab.pooler import Pooler
from bluegreen.lab.processes import wait_for
from bluegreen.lab.server import Server
from bluegreen.model.errors import StepError
from bluegreen.model.finding import Blocks, Severity
from bluegreen.model.record import Kind
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.server_life import read_server_life
from bluegreen.postgres.journal.table import read_records
from bluegreen.steps.monitors.every import look_round, round_of
from bluegreen.steps.monitors.gate import PassMonitors
from bluegreen.steps.monitors.servers import RememberServers
from bluegreen.steps.world import World
from tests.kit.arena import Arena, bring_about, move, open_arena, replicate
from tests.kit.databases import DatabasePair, create_database, drop_databases
from tests.kit.monitoring import beat, monitored

MAJOR = 18
"""The lab has pg_basebackup for it."""


@pytest.fixture
def own_arena(
    lab_folder: Path, pooler: Callable[..., Pooler]
) -> Iterator[Callable[[], Arena]]:
    """Two servers of one test."""
    with contextmanager(_own_arena)(lab_folder, pooler) as here:
        yield lambda: here


def _own_arena(folder: Path, pooler: Callable[..., Pooler]) -> Iterator[Arena]:
    roots = [Path(tempfile.mkdtemp(dir=folder)) for _ in range(2)]
    for root in roots:
        root.chmod(0o755)
    with Server.start(MAJOR, roots[0]) as blue, Server.start(MAJOR, roots[1]) as green:
        pair = DatabasePair(
            create_database(blue, "blue"), create_database(green, "green")
        )
        pair.blue.run("CREATE TABLE t (id int PRIMARY KEY)")
        with open_arena(pair, pooler) as here:
            yield here
        drop_databases(pair.blue, pair.green)


def fail_over(server: Server) -> None:
    """What a failover leaves: the same port, a standby's copy, the next timeline.

    The copy is taken while it runs, without its slots, as a standby has none of them.
    """
    copy = server.folder / "copy"
    copy.mkdir(mode=0o700)
    server._who.own(copy)
    programs = server._programs
    done = subprocess.run(
        [
            programs / "pg_basebackup",
            "--no-sync",
            "--checkpoint=fast",
            f"--dbname={server.conninfo()}",
            f"--pgdata={copy}",
        ],
        capture_output=True,
        text=True,
        cwd=server.folder,
        **server._who.popen(),
    )
    assert done.returncode == 0, done.stderr
    server.stop("immediate")
    shutil.rmtree(server.data)
    copy.rename(server.data)
    (server.data / "recovery.signal").touch()
    auto = server.data / "postgresql.auto.conf"
    auto.write_text("restore_command = 'false'\nrecovery_target_timeline = 'latest'\n")
    server._who.own(auto)
    server._who.own(server.data / "recovery.signal")
    server.start_again()
    with server.connect() as asks:
        wait_for(lambda: _is_primary(asks), "the end of the recovery", 30)


def _is_primary(asks: psycopg.Connection) -> bool:
    row = asks.execute("SELECT NOT pg_is_in_recovery()").fetchone()
    return row is not None and bool(row[0])


def servers(world: World) -> dict[str, Severity]:
    return {one.where: one.severity for one in monitored(world, "servers")}


def test_a_failover_of_blue_while_green_follows_stops_the_move(
    own_arena: Callable[[], Arena],
) -> None:
    here = own_arena()
    world = here.world()
    replicate(world)
    beat(world)
    assert set(servers(world).values()) == {Severity.OK}
    world.blue.close()
    before = read_server_life(world.green)
    fail_over(here.pair.blue.server)
    world = here.world()
    found = {one.where: one for one in monitored(world, "servers")}
    assert found["green"].severity is Severity.OK
    assert found["blue"].severity is Severity.CRITICAL
    assert found["blue"].blocks is Blocks.SWITCHOVER
    assert found["blue"].seen == (
        "timeline 2, it was 1: the server failed over or was restored; its rows were "
        "not compared since"
    )
    assert "a step `validate`" in found["blue"].fix
    with pytest.raises(StepError) as caught:
        bring_about(world, PassMonitors("cutover", Side.GREEN))
    assert caught.value.code == 4011
    assert "timeline 2, it was 1" in caught.value.seen
    # The standby had no slot: that is seen as well.
    assert "the slot on blue that green counts on is gone" in caught.value.seen
    bring_about(world, RememberServers("again"))
    assert servers(world)["blue"] is Severity.CRITICAL, (
        "it is not forgotten by a new run"
    )
    assert read_server_life(world.green) == before


def test_a_failover_of_green_in_the_window_closes_the_way_back(
    own_arena: Callable[[], Arena],
) -> None:
    here = own_arena()
    world = here.world()
    replicate(world)
    move(world, Side.GREEN)
    beat(world)
    assert set(servers(world).values()) == {Severity.OK}
    world.green.close()
    fail_over(here.pair.green.server)
    world = here.world()
    found = {one.where: one for one in monitored(world, "servers")}
    assert found["green"].blocks is Blocks.SWITCHOVER
    assert "rollback PLAYBOOK --prove" in found["green"].fix
    (stream,) = monitored(world, "stream")
    assert stream.seen == "the slot on green that blue counts on is gone"
    assert stream.fix.startswith("the way back is lost")


def test_a_failover_before_anything_streams_costs_nothing(
    own_arena: Callable[[], Arena],
) -> None:
    here = own_arena()
    world = here.world()
    bring_about(world, RememberServers("again"))
    world.blue.close()
    fail_over(here.pair.blue.server)
    world = here.world()
    assert servers(world)["blue"] is Severity.CRITICAL
    bring_about(world, RememberServers("again"))
    assert set(servers(world).values()) == {Severity.OK}
    told = [r for r in world.journal.records() if r.kind is Kind.MONITORED]
    assert [r.body["sides"]["blue"]["timeline"] for r in told] == [1, 2]


def test_a_server_that_is_away_is_unknown_and_stops_the_move(
    own_arena: Callable[[], Arena],
) -> None:
    here = own_arena()
    world = here.world()
    replicate(world)
    here.pair.green.server.stop("immediate")
    world.green.close()
    seen = round_of(world, read_records(world.blue), away=[Side.GREEN])
    found = {(one.id, one.where): one for one in look_round(seen)}
    for key in (("servers", "green"), ("heartbeats", "blue → green")):
        assert found[key].severity is Severity.UNKNOWN, key
        assert found[key].blocks is Blocks.SWITCHOVER, key
    assert found["kept-wal", "blue"].severity is Severity.OK
    here.pair.green.server.start_again()

"""The lab's servers: each major starts, crashes, restarts, and keeps what it said."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from bluegreen.lab import processes
from bluegreen.lab.binaries import MAJORS, find_postgres
from bluegreen.lab.server import Server
from bluegreen.model.errors import ServerRefused
from tests.kit.databases import Database, DatabasePair, drop_databases
from tests.kit.wait import wait_until


@pytest.mark.sampled(3)
@pytest.mark.parametrize("major", MAJORS)
def test_a_server_survives_a_crash(major: int, lab_folder: Path) -> None:
    with Server.start(major, lab_folder / "server") as server:
        port = server.port
        with server.connect() as session:
            assert session.info.server_version // 10000 == major
            session.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        before = processes.family(server.pid or 0)
        server.kill()
        assert server.pid is None
        assert not any(map(processes.alive, before))
        server.start_again()
        assert server.port == port
        with server.connect() as session:
            assert session.execute("SELECT answer FROM kept").fetchall() == [(42,)]
        assert "was not properly shut down" in server.log_text()


def test_a_stopped_server_refuses_and_leaves_no_folder(lab_folder: Path) -> None:
    with Server.start(16, lab_folder / "server") as server:
        server.stop()
        with pytest.raises(psycopg.OperationalError):
            server.connect()
    assert not server.folder.exists()


def test_settings_are_seen_by_the_next_session(lab_folder: Path) -> None:
    with Server.start(
        16, lab_folder / "server", settings={"work_mem": "3MB"}
    ) as server:
        assert show(server, "work_mem") == "3MB"
        assert show(server, "wal_level") == "logical"
        assert show(server, "fsync") == "on"
        server.configure(work_mem="5MB", log_line_prefix="it's %p ")
        assert show(server, "work_mem") == "5MB"
        assert show(server, "log_line_prefix") == "it's %p "


def test_a_server_that_cannot_start_says_why(lab_folder: Path) -> None:
    with pytest.raises(ServerRefused, match="did not start") as caught:
        Server.start(16, lab_folder / "server", settings={"no_such_setting": "1"})
    assert "no_such_setting" in caught.value.seen
    assert not (lab_folder / "server").exists()


def test_a_folder_closed_to_others_gets_a_stand_in(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with Server.start(16, tmp_path / "server") as server:
        assert show(server, "server_encoding") == "UTF8"


@pytest.mark.sampled(1)
@pytest.mark.parametrize("major", [15, 16])
def test_programs_in_a_private_home_run_from_a_copy(
    major: int,
    tmp_path: Path,
    lab_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tree = find_postgres(major).parent
    private = tmp_path / tree.parent.name / tree.name
    shutil.copytree(tree, private, symlinks=True)
    libraries = tree.parent.with_name(f"{tree.parent.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, tmp_path / libraries.name)
    tmp_path.chmod(0o700)
    monkeypatch.setenv(f"BLUEGREEN_PG_{major}", str(private / "bin"))
    with Server.start(major, lab_folder / "server") as server:
        assert show(server, "server_encoding") == "UTF8"
    if server._programs != private / "bin":
        shutil.rmtree(server._programs.parent.parent.parent)


def test_clusters_of_one_major_differ(servers: Callable[..., Server]) -> None:
    ids = set()
    for role in ("blue", "green"):
        with servers(16, role).connect() as session:
            ids.add(
                session.execute(
                    "SELECT system_identifier FROM pg_control_system()"
                ).fetchone()
            )
    assert len(ids) == 2


def test_a_pair_streams_and_leaves_nothing(
    database_pair: Callable[[int, int], DatabasePair],
) -> None:
    pair = database_pair(16, 18)
    stream(pair.blue, pair.green)
    drop_databases(pair.blue, pair.green)
    assert left_behind(pair.blue) == []
    assert left_behind(pair.green) == []
    # The fixture drops them once more at its end.
    create_again(pair)


def left_behind(database: Database) -> list[object]:
    with database.server.connect() as session:
        return session.execute(
            "SELECT datname FROM pg_catalog.pg_database WHERE datname = %(name)s"
            " UNION ALL SELECT subname FROM pg_catalog.pg_subscription"
            " WHERE subname = 's_' || %(name)s"
            " UNION ALL SELECT slot_name FROM pg_catalog.pg_replication_slots"
            " WHERE database = %(name)s"
            " UNION ALL SELECT roname FROM pg_catalog.pg_replication_origin",
            {"name": database.name},
        ).fetchall()


def stream(blue: Database, green: Database) -> None:
    for side in (blue, green):
        side.run("CREATE TABLE t (id int PRIMARY KEY)")
    blue.run("INSERT INTO t VALUES (1)", "CREATE PUBLICATION p FOR TABLE t")
    green.run(
        f"CREATE SUBSCRIPTION s_{green.name} CONNECTION '{blue.conninfo()}'"
        " PUBLICATION p"
    )
    wait_until(lambda: green.rows("SELECT id FROM t") == [(1,)], "the row on green")


def create_again(pair: DatabasePair) -> None:
    for side in (pair.blue, pair.green):
        with side.server.connect() as session:
            session.execute(f"CREATE DATABASE {side.name}".encode())


def show(server: Server, setting: str) -> object:
    with server.connect() as session:
        row = session.execute(
            "SELECT pg_catalog.current_setting(%s)", [setting]
        ).fetchone()
    assert row is not None
    return row[0]

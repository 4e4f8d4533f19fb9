"""The bad night: rollback by the playbook and without it, and when it must say no."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from bluegreen.lab.ledger import LedgerClients, audit
from bluegreen.lab.server import Server
from bluegreen.model.side import Side
from bluegreen.postgres.fence.fence import read_fence
from tests.kit.arena import Arena
from tests.kit.cli import Ended, call, write_playbook
from tests.kit.fingerprint import fingerprint
from tests.kit.shared_arena import shared_arena
from tests.kit.wait import wait_until

STEPS = (
    {"step": "check"},
    {"step": "replicate"},
    {"step": "cutover", "probe": False},
    {"step": "hold", "window": "24h"},
)
Arenas = Callable[..., Arena]


def dsns(here: Arena) -> tuple[str, ...]:
    return ("--blue", here.conninfo(Side.BLUE), "--green", here.conninfo(Side.GREEN))


def serving(playbook: Path) -> str:
    return str(call("status", playbook, "--json").require().json["serving"])


def reversed_dsns(here: Arena) -> tuple[str, ...]:
    return ("--blue", here.conninfo(Side.GREEN), "--green", here.conninfo(Side.BLUE))


def write_through(here: Arena, number: int) -> None:
    with psycopg.connect(here.client, autocommit=True, prepare_threshold=None) as app:
        app.execute("INSERT INTO t VALUES (%s)", [number])


@pytest.fixture(scope="module")
def cut_over(
    servers: Callable[..., Server],
    lab_root: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Arena, Path]]:
    """A small pair on green, its way back open; for tests that change nothing."""
    with shared_arena(servers, lab_root) as here:
        playbook = write_playbook(here, tmp_path_factory.mktemp("shared"), STEPS)
        call("run", playbook).require()
        yield here, playbook


@pytest.mark.always
def test_there_and_back_twice_under_writes_loses_nothing(
    arena: Arenas, tmp_path: Path
) -> None:
    here = arena(16, 18)
    LedgerClients.prepare(here.conninfo(Side.BLUE))
    playbook, elsewhere = write_playbook(here, tmp_path, STEPS), tmp_path / "empty"
    elsewhere.mkdir()
    with LedgerClients(here.client, 4) as clients:
        clients.start()
        call("run", playbook).require()
        call("rollback", playbook).require()
        assert serving(playbook) == "blue"
        call("run", playbook).require()
        playbook.rename(tmp_path / "lost.yml")
        call("rollback", *dsns(here), cwd=elsewhere).require()
        enough = clients.acknowledged() + 50
        wait_until(lambda: clients.acknowledged() > enough, "writes on blue")
        result = clients.stop()
    assert (result.errors, result.unknown) == (0, 0), result.error_texts
    assert audit(here.conninfo(Side.BLUE), result).ok
    wait_until(
        lambda: audit(here.conninfo(Side.GREEN), result).ok, "green to have it all too"
    )
    assert not list(elsewhere.iterdir())


def test_before_any_cutover_and_a_second_time_there_is_nothing_to_do(
    arena: Arenas, tmp_path: Path
) -> None:
    here = arena(16, 18)
    here.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY)")
    playbook = write_playbook(here, tmp_path, STEPS)
    before_cutover = write_steps(playbook, STEPS[:2])
    call("run", before_cutover).require()
    assert_nothing_to_do(here, playbook)
    call("run", playbook).require()
    call("rollback", playbook).require()
    assert_nothing_to_do(here, playbook)
    write_through(here, 1)
    wait_until(lambda: here.pair.green.rows("SELECT id FROM t") == [(1,)], "the row")


def write_steps(playbook: Path, steps: object) -> Path:
    told = json.loads(playbook.read_text())
    path = playbook.with_name("other.yml")
    path.write_text(json.dumps({**told, "steps": steps}))
    return path


def assert_nothing_to_do(here: Arena, playbook: Path) -> None:
    before = fingerprint(here)
    checked = call("rollback", playbook, "--check").require()
    assert checked.out.splitlines()[0] == "blue serves: there is nothing to roll back"
    assert fingerprint(here) == before
    ended = call("rollback", playbook).require()
    assert ended.out.endswith("Nothing had to be changed. Blue is serving.\n")
    told = call("rollback", playbook, "--json").require().json
    assert told["acted"] == []
    assert serving(playbook) == "blue"


def test_check_says_yes_and_changes_nothing(cut_over: tuple[Arena, Path]) -> None:
    here, playbook = cut_over
    before = fingerprint(here)
    for words in ((playbook,), dsns(here)):
        ended = call("rollback", *words, "--check").require()
        assert ended.out.splitlines()[0] == "yes: a rollback would work now"
        told = call("rollback", *words, "--check", "--json").require().json
        assert told["serving"] == "green"
        verdicts = {one["id"]: one["kind"] for one in told["plan"]["actions"]}
        assert verdicts["rollback/check_way_back"] == "satisfied"
        assert verdicts["rollback/switch_traffic"] == "needed"
    assert fingerprint(here) == before


def test_a_stream_that_is_dead_refuses_and_green_serves_on(
    arena: Arenas, tmp_path: Path
) -> None:
    here = arena(16, 18)
    LedgerClients.prepare(here.conninfo(Side.BLUE))
    here.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY)")
    playbook = write_playbook(here, tmp_path, STEPS)
    with LedgerClients(here.client, 2, think_s=0.02) as clients:
        clients.start()
        call("run", playbook).require()
        plant(here, 1)
        write_through(here, 1)
        wait_until(
            lambda: "duplicate key" in here.pair.blue.server.log_text(),
            "blue's apply worker to fail",
        )
        refused = refusal(call("rollback", playbook))
        checked = call("rollback", playbook, "--check")
        enough = clients.acknowledged() + 50
        wait_until(lambda: clients.acknowledged() > enough, "writes on green")
        assert read_fence(here.database(Side.GREEN)).is_open
        assert read_fence(here.database(Side.BLUE)).is_closed
        plant(here, None)
        wait_until(
            lambda: here.pair.blue.rows("SELECT id FROM t") == [(1,)], "blue to follow"
        )
        call("rollback", playbook).require()
        result = clients.stop()
    assert refused == [
        "error BG-6001: blue does not hold what was written on green",
        "  seen:    the apply worker on blue does not stay up",
        "  wanted:  every change on green applied on blue",
        "  traffic: green",
        (
            "  hint:    its reason is the last ERROR of a logical replication worker "
            "in blue's log; was a row written on blue by hand? Fix that, then run "
            "`bluegreen rollback --check`"
        ),
    ]
    assert checked.status == 6
    assert checked.out.splitlines()[0] == "no: a rollback would be refused now"
    assert "error BG-6001: blue does not hold what was written on green" in checked.out
    assert (result.errors, result.unknown) == (0, 0), result.error_texts
    assert audit(here.conninfo(Side.BLUE), result).ok


def plant(here: Arena, row: int | None) -> None:
    """Put a row on blue past its fence, or take all of them away."""
    with here.pair.blue.connect() as session:
        session.execute("SET session_replication_role = replica")
        session.execute("DELETE FROM t")
        if row is not None:
            session.execute("INSERT INTO t VALUES (%s)", [row])


def refusal(ended: Ended) -> list[str]:
    """The error's lines, without times and counts."""
    assert ended.status == 6, ended
    lines = ended.error.splitlines()
    return [line.split(" (since ")[0].split(": 7.")[0] for line in lines]


def test_a_slot_that_was_dropped_refuses(arena: Arenas, tmp_path: Path) -> None:
    here = arena(16, 18)
    here.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY)")
    playbook = write_playbook(here, tmp_path, STEPS)
    call("run", playbook).require()
    drop_slot(here)
    before = fingerprint(here)
    checked = call("rollback", playbook, "--check")
    assert checked.status == 6
    assert checked.out.splitlines()[0] == "no: a rollback would be refused now"
    told = call("rollback", playbook, "--check", "--json")
    assert (told.status, fingerprint(here)) == (6, before)
    assert refusal(call("rollback", playbook)) == [
        "error BG-6001: blue does not hold what was written on green",
        "  seen:    the slot on green is gone",
        "  wanted:  the stream from green to blue, unbroken since the cutover",
        "  traffic: green",
        "  hint:    was it dropped, or green failed over? Blue must be made again",
    ]
    write_through(here, 1)
    assert here.pair.green.rows("SELECT id FROM t") == [(1,)]
    assert read_fence(here.database(Side.BLUE)).is_closed


def drop_slot(here: Arena) -> None:
    def dropped() -> bool:
        try:
            here.pair.green.run(
                "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots"
                " WHERE database = current_database()",
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
                " WHERE database = current_database()",
            )
        except psycopg.errors.ObjectInUse:
            return False
        return True

    wait_until(dropped, "green's slot to be dropped")


def test_exchanged_addresses_are_refused_and_blue_stays_fenced(
    cut_over: tuple[Arena, Path], tmp_path: Path
) -> None:
    here, playbook = cut_over
    told = json.loads(playbook.read_text())
    told["blue"], told["green"] = told["green"], told["blue"]
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(json.dumps(told))
    before = fingerprint(here)
    calls = [
        ("run", wrong),
        ("rollback", wrong),
        ("rollback", wrong, "--check"),
        ("rollback", *reversed_dsns(here)),
        ("rollback", *reversed_dsns(here), "--check"),
    ]
    for words in calls:
        ended = call(*words)
        assert ended.status == 3, ended
        assert ended.error.startswith(
            "error BG-3002: the database given as blue says that it is green\n"
        )
    assert fingerprint(here) == before
    assert read_fence(here.database(Side.BLUE)).is_closed
    write_through(here, 1)
    wait_until(lambda: here.pair.blue.rows("SELECT id FROM t") == [(1,)], "the row")


def test_after_the_release_there_is_no_way_back(arena: Arenas, tmp_path: Path) -> None:
    here = arena(16, 18)
    here.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY)")
    steps = (
        {"step": "backup", "workers": 1},
        *STEPS[1:3],
        {"step": "hold", "window": "1ms"},
        {"step": "decommission"},
    )
    playbook = write_playbook(here, tmp_path, steps)
    call("run", playbook).require()
    call("decommission", playbook).require()
    before = fingerprint(here)
    lines = [
        "error BG-6002: blue was released and is no way back any more",
        "  seen:    the journal tells of the release",
        "  wanted:  a rollback before `bluegreen decommission`",
        "  traffic: green",
        "  hint:    restore the final backup, or move forward on green",
    ]
    assert refusal(call("rollback", playbook)) == lines
    assert refusal(call("rollback", *dsns(here))) == lines
    checked = call("rollback", playbook, "--check")
    assert checked.status == 6
    assert checked.out.splitlines()[0] == "no: a rollback would be refused now"
    assert call("rollback", playbook, "--check", "--json").status == 6
    assert call("rollback", playbook, "--json").json["error"]["code"] == "BG-6002"
    assert fingerprint(here) == before

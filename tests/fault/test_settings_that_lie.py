"""Settings by which a commit is no promise stop traffic, whoever set them and when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from bluegreen.lab.pooler import Pooler
from bluegreen.lab.server import Server
from bluegreen.model.side import Side
from tests.kit.arena import Arena
from tests.kit.cli import Ended, accepting, call, write_playbook
from tests.kit.own_servers import own_arena
from tests.kit.wait import wait_until

TABLE = "CREATE TABLE t (id int PRIMARY KEY, note text)"
ROWS = "INSERT INTO t SELECT n, 'x' FROM generate_series(1, 20) n"
LOADED = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off"}


@pytest.fixture
def here(lab_folder: Path, pooler: Callable[..., Pooler]) -> Iterator[Arena]:
    """Servers whose settings a test may change."""
    with own_arena(lab_folder, pooler) as arena:
        arena.pair.blue.run(TABLE, ROWS)
        yield arena


def steps(*, cutover: bool = True) -> list[dict[str, object]]:
    more = [{"step": "cutover"}] if cutover else []
    return [{"step": "check"}, {"step": "replicate"}, *more]


def set_all(server: Server, **settings: str) -> None:
    """By ALTER SYSTEM and a reload, seen by a new session before it returns."""
    with server.connect() as session:
        for name, value in settings.items():
            session.execute(f"ALTER SYSTEM SET {name} = {value}".encode())
        session.execute("SELECT pg_reload_conf()")
    wait_until(lambda: _stand(server, settings), "the reload")


def _stand(server: Server, settings: dict[str, str]) -> bool:
    with server.connect() as session:
        found = [
            session.execute("SELECT current_setting(%s)", [name]).fetchone()
            for name in settings
        ]
    return found == [(value,) for value in settings.values()]


def findings(playbook: Path, status: int) -> set[tuple[str, str, bool]]:
    ended = call("check", playbook, "--json").require(status)
    told = ended.json["findings"]
    return {(one["where"], one["id"], one["blocks"]) for one in told}


def serves(here: Arena) -> object:
    """Which database a client of the pooler reaches."""
    with psycopg.connect(here.client) as client:
        row = client.execute("SELECT current_database()").fetchone()
    return row and row[0]


def refused(ended: Ended, *words: str) -> None:
    assert ended.status in {3, 4, 6}, (ended.status, ended.err)
    for word in words:
        assert word in ended.err + ended.out


def test_a_green_that_is_still_set_up_for_its_load_is_not_moved_to(
    here: Arena, tmp_path: Path
) -> None:
    green = here.pair.green.server
    playbook = write_playbook(here, tmp_path, steps())
    set_all(green, **LOADED, track_counts="off")
    blocking = findings(playbook, 3)
    for name in ("crash-unsafe", "vacuum-off"):
        assert ("green", name, "run") in blocking
    refused(call("run", playbook), "crash-unsafe", "fsync is off", "ALTER SYSTEM SET")

    moving = write_playbook(
        here,
        tmp_path,
        steps(),
        accept=accepting(dict.fromkeys(("crash-unsafe", "vacuum-off"), "meant")),
    )
    # What the check accepts is accepted for the copy; the gate looks for itself.
    refused(call("run", moving), "BG-4011", "settings", "fsync is off")
    assert serves(here) == here.pair.blue.name

    set_all(green, **dict.fromkeys(LOADED, "on"), track_counts="on")
    call("run", playbook).require()
    assert serves(here) == here.pair.green.name


@pytest.mark.sampled(1)
@pytest.mark.parametrize("side", list(Side), ids=str)
def test_what_is_switched_off_behind_the_check_stops_both_directions(
    here: Arena, tmp_path: Path, side: Side
) -> None:
    server = getattr(here.pair, str(side)).server
    call("run", write_playbook(here, tmp_path, steps(cutover=False))).require()
    # Without the step check: only what looks right before traffic moves can see it.
    playbook = write_playbook(here, tmp_path, steps()[1:])
    set_all(server, fsync="off")
    refused(call("run", playbook), "BG-4011", f"settings, {side}", "fsync is off")
    set_all(server, fsync="on")
    call("run", playbook).require()

    set_all(server, full_page_writes="off")
    refused(call("rollback", playbook, "--check"), "full_page_writes is off")
    refused(call("rollback", playbook), "BG-6001", "full_page_writes is off")
    assert serves(here) == here.pair.green.name
    set_all(server, full_page_writes="on")
    call("rollback", playbook).require()
    assert serves(here) == here.pair.blue.name


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("ALTER DATABASE {db} SET zero_damaged_pages = on", "damage-hidden"),
        ("ALTER ROLE postgres SET ignore_checksum_failure = on", "damage-hidden"),
        ("ALTER ROLE ALL SET zero_damaged_pages = on", "damage-hidden"),
        ("ALTER ROLE app IN DATABASE {db} SET zero_damaged_pages = t", "damage-hidden"),
        ("ALTER SYSTEM SET ignore_system_indexes = on", "damage-hidden"),
        ("ALTER DATABASE {db} SET track_counts = off", "vacuum-off"),
        ("ALTER SYSTEM SET zero_damaged_pages = on", "damage-hidden"),
    ],
)
def test_however_it_was_set_it_is_found_and_its_own_repair_ends_it(
    here: Arena, tmp_path: Path, statement: str, finding: str
) -> None:
    green = here.pair.green
    playbook = write_playbook(here, tmp_path, steps())
    green.run("CREATE ROLE app")
    green.run(statement.format(db=green.name), "SELECT pg_reload_conf()")
    found = wait_until(
        lambda: [
            one
            for one in call("check", playbook, "--json").json["findings"]
            if (one["where"], one["id"], one["blocks"]) == ("green", finding, "run")
        ],
        "the finding",
    )
    green.run(*(part for part in found[0]["fix"].split(";") if part.strip()))
    blocking = ("green", finding, "run")
    wait_until(lambda: blocking not in findings(playbook, 0), "an end")


def test_our_own_sessions_commit_synchronously_and_read_committed_whatever_is_set(
    here: Arena, tmp_path: Path
) -> None:
    world = here.world()
    for side in (here.pair.blue, here.pair.green):
        side.run(
            f"ALTER DATABASE {side.name} SET synchronous_commit = off",
            "ALTER ROLE postgres SET default_transaction_isolation = 'serializable'",
            "ALTER ROLE postgres SET default_transaction_deferrable = on",
        )
    for side in Side:
        with here.database(side).connect() as session:
            rows = session.execute(
                "SELECT current_setting('synchronous_commit'),"
                " current_setting('transaction_isolation'),"
                " current_setting('transaction_deferrable')"
            ).fetchall()
        assert rows == [("on", "read committed", "off")]
    world.blue.close()
    ended = call("check", write_playbook(here, tmp_path, steps()), "--json")
    told = [f for f in ended.json["findings"] if f["id"] == "asynchronous-commit"]
    assert {one["where"] for one in told} == {"blue", "green"}
    assert all("our own records are committed synchronously" in f["why"] for f in told)

"""The monitors through the command line: status, metrics, a run that stops, abandon."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bluegreen.lab.pooler import Pooler
from bluegreen.lab.server import Server
from bluegreen.model.side import Side
from bluegreen.postgres.replication.stream import ReplicationStream
from bluegreen.steps.world import World
from tests.kit.arena import Arena, move, open_arena, replicate
from tests.kit.cli import ALLOW, accepting, call, write_playbook
from tests.kit.databases import (
    DatabasePair,
    create_database,
    drop_databases,
    recreate,
)
from tests.kit.exposition import read
from tests.kit.monitoring import recreate_slot
from tests.kit.wait import wait_until

STEPS: list[dict[str, Any]] = [
    {"step": "replicate"},
    {"step": "approve", "message": "look first"},
    {"step": "cutover"},
]


def following(here: Arena) -> World:
    here.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY, note text)")
    world = here.world()
    replicate(world)
    return world


def stuck(here: Arena) -> str:
    """Green takes nothing, and blue writes 4 MB. Returns the slot's name."""
    slot = ReplicationStream(here.name, Side.BLUE).name
    here.pair.green.run(f"ALTER SUBSCRIPTION {slot} DISABLE")
    here.pair.blue.run(
        "INSERT INTO t SELECT n, repeat('x', 1000) FROM generate_series(1, 4000) n"
    )
    return slot


def has_slot(here: Arena, side: Side, slot: str) -> bool:
    publisher = getattr(here.pair, str(side))
    return bool(
        publisher.rows("SELECT FROM pg_replication_slots WHERE slot_name = %s", slot)
    )


def test_status_tells_every_watch_worst_first_and_in_each_form(
    arena: Callable[..., Arena], tmp_path: Path
) -> None:
    here = arena(16, 18)
    following(here)
    playbook = write_playbook(here, tmp_path, STEPS)
    text = call("status", playbook).require().out
    told = text.splitlines()[text.splitlines().index("monitors") + 1 :]
    assert told[0].split()[:2] == ["ok", "heartbeats"]
    assert "came through, none is missing" in told[0]
    here.pair.blue.run("CREATE TABLE new_one (id int)")
    seen = call("status", playbook, "--json").require().json
    first = seen["monitors"][0]
    assert (first["id"], first["where"]) == ("schema-drift", "blue")
    assert (first["severity"], first["blocks"]) == ("critical", "switchover")
    assert first["seen"].endswith("table public.new_one is new")
    ids = {one["id"] for one in seen["monitors"]}
    assert ids == {
        "application",
        "heartbeats",
        "stream",
        "servers",
        "kept-wal",
        "schema-drift",
        "follower",
        "foreign-slots",
        "pointers",
        "sequences",
        "settings",
        "transactions",
    }
    metrics = read(call("status", playbook, "--prometheus").require().out)
    named = (("monitor", "schema-drift"), ("playbook", here.name), ("where", "blue"))
    (drift,) = [s for s in metrics["bluegreen_monitor_severity"] if s.labels == named]
    assert drift.value == 4
    (kept,) = metrics["bluegreen_slot_kept_bytes"]
    assert dict(kept.labels)["side"] == "blue"
    assert {s.value for s in metrics["bluegreen_heartbeats_lost"]} == {0}
    serving = {dict(s.labels)["side"]: s.value for s in metrics["bluegreen_serving"]}
    assert serving == {"blue": 1, "green": 0}
    page = (Path(__file__).parents[2] / "docs" / "monitors.md").read_text()
    assert [name for name in metrics if f"`{name}`" not in page] == []
    both = call("status", playbook, "--prometheus", "--watch").require(2)
    assert "BG-2008: --prometheus stands alone" in both.err


def test_what_cannot_be_seen_is_unknown_and_no_doubt_of_who_serves(
    servers: Callable[..., Server], pooler: Callable[..., Pooler], tmp_path: Path
) -> None:
    with _with_green_of_its_own(servers, pooler) as here:
        following(here)
        playbook = write_playbook(here, tmp_path, STEPS)
        here.pair.green.server.kill()
        seen = call("status", playbook, "--json").require().json
        found = {(w["id"], w["where"]): w["severity"] for w in seen["monitors"]}
        assert found["heartbeats", "blue → green"] == "unknown"
        assert found["servers", "green"] == "unknown"
        assert found["kept-wal", "blue"] == "ok"
        metrics = read(call("status", playbook, "--prometheus").require().out)
        assert metrics["bluegreen_confirmed"][0].value == 1
        assert "bluegreen_lag_seconds" not in metrics, "0 would be an answer"


def test_a_run_that_waits_ends_when_rows_are_lost(
    arena: Callable[..., Arena], tmp_path: Path
) -> None:
    here = arena(16, 18)
    here.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY, note text)")
    playbook = write_playbook(here, tmp_path, STEPS)
    slot = ReplicationStream(here.name, Side.BLUE).name
    with subprocess.Popen(
        [sys.executable, "-m", "bluegreen", "run", playbook, "--log", "json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        wait_until(
            lambda: _heartbeats(here) > 3 or run.poll() is not None,
            "heartbeats of the run to arrive",
            90,
        )
        wait_until(
            lambda: here.pair.blue.rows(
                "SELECT FROM bluegreen.journal WHERE kind = 'result'"
                " AND action = 'replicate/follow_blue'"
            ),
            "the run to wait for a person",
            90,
        )
        recreate_slot(here.pair.blue, slot, "INSERT INTO t VALUES (1, 'lost')")
        _, err = run.communicate(timeout=120)
    assert run.returncode == 4, err
    # The stream may have been seen down as well by then.
    assert re.search(r"BG-4011: a monitor blocks .* green: .*heartbeats", err)
    events = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    changed = [e for e in events if e["event"] == "monitor_changed"]
    assert ("heartbeats", "critical", "run") in {
        (e["id"], e["severity"], e["blocks"]) for e in changed
    }
    found = here.pair.green.value(
        "SELECT body -> 'found' -> 0 ->> 'id' FROM bluegreen.journal"
        " WHERE kind = 'note' AND body ? 'found'"
    )
    assert found == "heartbeats"
    again = call("run", playbook)
    again.require(4)
    assert "BG-4011" in again.err, "a new run does not forget it"


def test_abandon_needs_blue_alone_and_is_told_in_the_journal(
    servers: Callable[..., Server], pooler: Callable[..., Pooler], tmp_path: Path
) -> None:
    with _with_green_of_its_own(servers, pooler) as here:
        following(here)
        playbook = write_playbook(here, tmp_path, STEPS)
        slot = stuck(here)
        here.pair.green.server.kill()
        done = call("drop-slot", playbook).require()
        assert done.out.startswith(f"dropped slot {slot} on blue, which kept ")
        assert not has_slot(here, Side.BLUE, slot)
        told = here.pair.blue.rows(
            "SELECT kind, body ->> 'serving' FROM bluegreen.journal"
            " ORDER BY seq DESC LIMIT 1"
        )
        assert told == [("abandoned", "blue")]
        again = call("drop-slot", playbook).require()
        assert again.out == "nothing was dropped: blue has no slot of ours\n"
        here.pair.green.server.start_again()
        seen = call("status", playbook, "--json").require().json
        assert seen["monitors"][0]["id"] == "stream"
        assert seen["monitors"][0]["seen"].startswith("green was given up")
        refused = call("run", playbook).require(4)
        assert "green was given up" in refused.err


def test_a_green_that_is_made_anew_has_a_clean_record(
    arena: Callable[..., Arena], tmp_path: Path
) -> None:
    here = arena(16, 18)
    following(here)
    for number in range(30):
        here.pair.blue.run(f"INSERT INTO t VALUES (-{number}, 'counted')")
    playbook = write_playbook(here, tmp_path, [{"step": "replicate"}])
    slot = stuck(here)
    call("drop-slot", playbook).require()
    assert "given up" in call("run", playbook).require(4).err
    recreate(here.pair.green)
    call("run", playbook).require()
    assert has_slot(here, Side.BLUE, slot)
    seen = call("status", playbook, "--json").require().json
    assert [w for w in seen["monitors"] if w["severity"] != "ok"] == []


def test_from_a_timer_only_over_the_limit_and_only_when_allowed(
    arena: Callable[..., Arena], tmp_path: Path
) -> None:
    here = arena(16, 18)
    following(here)
    generous = write_playbook(here, tmp_path, STEPS, allow=[*ALLOW, "ABANDONS_GREEN"])
    slot = stuck(here)
    quiet = call("drop-slot", generous, "--if-over").require()
    assert (quiet.out, quiet.err) == ("", "")
    assert has_slot(here, Side.BLUE, slot)
    small = {"wal_limit": "1MB"}
    silent = write_playbook(here, tmp_path, STEPS, monitor=small)
    seen = call("status", silent, "--json").require().json
    (kept,) = [w for w in seen["monitors"] if w["id"] == "kept-wal"]
    assert (kept["severity"], kept["blocks"]) == ("critical", "switchover")
    assert "the playbook's limit is 1 MB" in kept["seen"]
    refused = call("drop-slot", silent, "--if-over").require(2)
    assert "BG-2006: the playbook does not allow ABANDONS_GREEN" in refused.err
    assert has_slot(here, Side.BLUE, slot)
    allowed = write_playbook(
        here, tmp_path, STEPS, monitor=small, allow=[*ALLOW, "ABANDONS_GREEN"]
    )
    dropped = call("drop-slot", allowed, "--if-over", "--json").require().json
    assert dropped["slot"] == slot
    assert not has_slot(here, Side.BLUE, slot)


def test_a_run_drops_the_slot_by_itself_where_that_is_allowed(
    arena: Callable[..., Arena], tmp_path: Path
) -> None:
    here = arena(16, 18)
    following(here)
    slot = stuck(here)
    steps = [{"step": "approve", "message": "look first"}]
    playbook = write_playbook(
        here,
        tmp_path,
        [{"step": "check", "id": "first"}, *steps],
        monitor={"wal_limit": "1MB"},
        allow=[*ALLOW, "ABANDONS_GREEN"],
        accept=accepting({"long-read": "meant"}),
    )
    ended = call("run", playbook, deadline_s=120).require(4)
    assert "BG-4011" in ended.err
    assert not has_slot(here, Side.BLUE, slot)
    told = here.pair.green.rows(
        "SELECT body ->> 'by' FROM bluegreen.journal WHERE kind = 'abandoned'"
    )
    assert told == [("monitor",)]


def test_while_green_serves_the_end_of_the_way_back_must_be_said(
    arena: Callable[..., Arena], tmp_path: Path
) -> None:
    here = arena(16, 18)
    world = following(here)
    move(world, Side.GREEN)
    playbook = write_playbook(here, tmp_path, STEPS)
    slot = ReplicationStream(here.name, Side.GREEN).name
    refused = call("drop-slot", playbook).require(2)
    assert "BG-2006: green serves: dropping its slot would end the way back" in (
        refused.err
    )
    assert has_slot(here, Side.GREEN, slot)
    call("drop-slot", playbook, "--allow", "ENDS_ROLLBACK").require()
    assert not has_slot(here, Side.GREEN, slot)
    seen = call("status", playbook, "--json").require().json
    assert seen["way_back"].startswith("LOST: blue was given up")
    assert "BG-6001" in call("rollback", playbook).require(6).err


def test_a_side_that_may_not_serve_is_not_touched(
    arena: Callable[..., Arena], tmp_path: Path
) -> None:
    here = arena(16, 18)
    world = following(here)
    move(world, Side.GREEN)
    move(world, Side.BLUE)
    playbook = write_playbook(here, tmp_path, STEPS)
    here.pair.blue.run("CALL bluegreen.set_fence(true)")
    refused = call("drop-slot", playbook).require(7)
    assert "BG-7001: it cannot be confirmed which side serves" in refused.err
    assert has_slot(here, Side.BLUE, ReplicationStream(here.name, Side.BLUE).name)


def _heartbeats(here: Arena) -> int:
    there = "SELECT to_regclass('bluegreen.marker') IS NOT NULL"
    if not here.pair.green.value(there):
        return 0
    return int(
        str(
            here.pair.green.value(
                "SELECT count(*) FROM bluegreen.marker WHERE number IS NOT NULL"
            )
        )
    )


@contextmanager
def _with_green_of_its_own(
    servers: Callable[..., Server], pooler: Callable[..., Pooler]
) -> Iterator[Arena]:
    blue, green = servers(16), servers(18, "dies")
    pair = DatabasePair(create_database(blue, "blue"), create_database(green, "green"))
    try:
        with open_arena(pair, pooler) as here:
            yield here
    finally:
        drop_databases(pair.blue, pair.green)

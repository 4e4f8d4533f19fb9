"""A run that stops behind a step, and the run that goes on days later."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.kit.arena import Arena
from tests.kit.cli import call, write_playbook

STEPS: list[dict[str, object]] = [
    {"step": "check"},
    {"step": "replicate"},
    {"step": "validate"},
    {"step": "cutover", "probe": False},
    {"step": "hold", "window": "24h"},
    {"step": "decommission"},
]


def test_the_copy_is_made_first_and_traffic_moves_later(
    arena: Callable[..., Arena], tmp_path: Path
) -> None:
    here = arena()
    here.pair.blue.run(
        "CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)"
    )
    playbook = write_playbook(here, tmp_path, STEPS)
    words = json.loads(playbook.read_text())
    allow, words["allow"] = words["allow"], ["RETAINS_WAL_ON_BLUE", "LOADS_BLUE"]
    words["allow"] += ["CHANGES_GREEN_SCHEMA", "CHANGES_BLUE_SCHEMA"]
    playbook.write_text(json.dumps(words))

    for step in ("decommission", "cut", ""):
        ended = call("run", playbook, "--until", step)
        assert ended.error.startswith(
            f"error BG-2008: a run has no step {step!r} to stop behind\n"
            "  wanted:  one of: check, replicate, validate, cutover, hold"
        )
        assert ended.status == 2
    # What lies behind it need not be allowed yet.
    assert call("plan", playbook).status == 2
    planned = call("plan", playbook, "--until", "replicate", "--json").require().json
    for _ in range(2):
        ended = call("run", playbook, "--until", "replicate").require()
        assert ended.out.splitlines()[-1] == (
            f"Stopped where --until says. To go on: bluegreen run {playbook}"
        )
    records = call("journal", playbook, "--json").require().json["records"]
    steps = {record["action"].partition("/")[0] for record in records}
    assert "replicate" in steps
    assert not steps & {"validate", "cutover", "hold"}
    assert call("status", playbook, "--json").require().json["serving"] == "blue"
    here.pair.blue.run("INSERT INTO t VALUES (2)")

    words["allow"] = allow
    playbook.write_text(json.dumps(words))
    stale = call("run", playbook, "--plan", planned["plan"]["digest"])
    assert stale.status == 2, stale
    ended = call("run", playbook).require()
    assert "--until" not in ended.out
    assert call("status", playbook, "--json").require().json["serving"] == "green"
    assert here.pair.green.value("SELECT count(*) FROM t") == 2
    # Behind the cutover there is nothing to stop before.
    call("run", playbook, "--until", "replicate").require()
    assert call("status", playbook, "--json").require().json["serving"] == "green"


def test_a_playbook_that_lost_its_cutover_feeds_green_no_more(
    arena: Callable[..., Arena], tmp_path: Path
) -> None:
    here = arena()
    here.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY)")
    call("run", write_playbook(here, tmp_path, STEPS)).require()
    kept = [step for step in STEPS if step["step"] not in {"cutover", "hold"}]
    playbook = write_playbook(here, tmp_path, kept[:-1])
    assert call("plan", playbook).status == 0
    assert call("run", playbook, "--json").require().json["acted"] == []
    assert "from_blue" not in str(here.pair.green.rows("TABLE pg_subscription"))
    assert call("status", playbook, "--json").require().json["serving"] == "green"

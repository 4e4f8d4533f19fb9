"""A pooler's file that is written back is told before anybody restarts the pooler."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psycopg

from bluegreen.model.finding import Blocks, Severity
from bluegreen.model.side import Side
from bluegreen.steps.monitors.gate import AGAINST_A_ROLLBACK, PassMonitors
from tests.kit.arena import Arena, move, replicated
from tests.kit.cli import call, write_playbook
from tests.kit.monitoring import only
from tests.kit.wait import wait_until

POOL_SIZE = 20
"""The lab's."""


def test_a_file_that_was_written_back_is_told_until_it_is_right(
    arena: Callable[..., Arena],
) -> None:
    here, world = replicated(arena)
    file = here.pooler.config_file
    former = file.read_text()
    move(world, Side.GREEN)
    moved = file.read_text()
    assert only(world, "pointers").seen == (
        "it leads to green, also after a restart, and serves a client"
    )

    file.write_text(former)
    found = only(world, "pointers")
    assert (found.where, found.severity) == ("main", Severity.CRITICAL)
    assert found.blocks is Blocks.NOTHING
    assert str(file) in found.seen
    assert "clients are not led to green, which serves" in found.seen
    assert "RELOAD" in found.fix
    assert str(here.pair.green.name) in found.fix

    here.pooler.stop()
    here.pooler.start_again()
    found = only(world, "pointers")
    assert found.severity is Severity.CRITICAL
    assert found.seen == "clients are led to blue, and green serves"

    file.write_text(moved)
    here.pooler.stop()
    here.pooler.start_again()
    assert only(world, "pointers").severity is Severity.OK


def test_a_client_that_is_not_served_is_no_all_clear(
    arena: Callable[..., Arena],
) -> None:
    """The pooler names the right side, and all of its connections are taken."""
    here, world = replicated(arena)
    move(world, Side.GREEN)
    assert "serves a client" in only(world, "pointers").seen
    with ExitStack() as sessions:
        for _ in range(POOL_SIZE):
            one = sessions.enter_context(psycopg.connect(here.client))
            one.execute("SELECT 1")
        found = only(world, "pointers")
        assert found.severity is Severity.CRITICAL
        assert found.seen.startswith("a client is not served: ")
        assert "SHOW POOLS" in found.fix
        # What is no reason against a rollback does not hold it up either.
        before = PassMonitors("rollback", Side.BLUE).observe(world).found
        assert {one.id for one in before} == AGAINST_A_ROLLBACK
    assert only(world, "pointers").severity is Severity.OK


def test_a_pooler_that_is_away_and_a_file_that_is_broken_are_no_all_clear(
    arena: Callable[..., Arena],
) -> None:
    here, world = replicated(arena)
    file = here.pooler.config_file
    former = file.read_text()
    file.write_text(former + "\n[databases\n")
    assert only(world, "pointers").severity is Severity.UNKNOWN
    file.write_text(former)
    assert only(world, "pointers").severity is Severity.OK
    here.pooler.stop()
    found = only(world, "pointers")
    assert found.severity is Severity.UNKNOWN
    assert found.seen.startswith("not seen: ")


def test_status_and_a_run_that_waits_tell_it(
    arena: Callable[..., Arena], tmp_path: Path
) -> None:
    here = arena(16, 18)
    here.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY)")
    steps = [{"step": "replicate"}, {"step": "cutover", "probe": False}]
    playbook = write_playbook(here, tmp_path, steps)
    file = here.pooler.config_file
    former = file.read_text()
    call("run", playbook).require()
    file.write_text(former)
    told = wait_until(
        lambda: (said := call("status", playbook)).out.count("pointers") and said,
        "the monitor",
    )
    assert "clients are not led to green" in " ".join(told.out.split())
    metrics = call("status", playbook, "--prometheus").out
    assert 'bluegreen_monitor_severity{monitor="pointers"' in metrics.replace(
        f'playbook="{here.name}",', ""
    )

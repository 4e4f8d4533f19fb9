"""A guard that was stopped and wakes up in a newer move lets none of its clients go."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from bluegreen.engine import guard, lifeline
from bluegreen.engine.journal import TwinJournal
from bluegreen.engine.lifeline import Lifeline
from bluegreen.lab.processes import alive, family
from bluegreen.model.errors import LeaseRefused
from bluegreen.model.side import Side
from bluegreen.pointers.pointer import PointerFacts
from bluegreen.postgres.database import Database
from bluegreen.postgres.fence.fence import read_fence
from bluegreen.steps.switchover.recover import claim_back_out, recover
from bluegreen.steps.world import World
from tests.fault.test_cut_in_the_pause import paused, ready
from tests.kit.arena import Arena
from tests.kit.armed import command
from tests.kit.cli import call, write_playbook
from tests.kit.wait import wait_until

pytestmark = pytest.mark.timeout(600)
NOBODY = (
    Database(Side.BLUE, "host=127.0.0.1 port=1"),
    Database(Side.GREEN, "host=127.0.0.1 port=1"),
)


def lifeline_of(world: World) -> Lifeline:
    """The lifeline of that run's guard, its sessions open."""
    assert isinstance(world.journal, TwinJournal)
    made = Lifeline(guard.guard_spec(world, world.journal.run, timedelta(0)))
    made.warm_up()
    return made


def pull(line: Lifeline) -> None:
    """As if its time had come while it was stopped."""
    with line.pulled_at(time.monotonic() - 60):
        pass
    for pointer in line._pointers:
        pointer.close()
    for server in line._servers:
        server.close()


def held_back(world: World) -> bool:
    return any(pointer.observe().paused for pointer in world.pointers)


def test_it_leaves_a_newer_pause_to_the_guard_of_that_one(
    arena: Callable[..., Arena],
) -> None:
    here = arena(16, 18)
    world = ready(here)
    paused(world)
    stopped = lifeline_of(world)
    claim_back_out(world)
    recover(world)
    newer = here.world()
    paused(newer)
    pull(stopped)
    assert held_back(newer)
    pull(lifeline_of(newer))
    assert not held_back(newer)
    claim_back_out(newer)
    recover(newer)


@contextmanager
def console_of_another_move(here: Arena) -> Iterator[None]:
    """PgBouncer tells in whole seconds when a client came."""
    now = int(time.time())
    wait_until(lambda: int(time.time()) > now + 1, "the next second")
    name = "bluegreen move elsewhere 1"
    conninfo = here.pooler.console_conninfo()
    with psycopg.connect(conninfo, application_name=name, autocommit=True):
        yield


def test_where_no_server_answers_the_pooler_tells_of_a_newer_move(
    arena: Callable[..., Arena], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And where none is there any more nobody else would let its clients go."""
    monkeypatch.setattr(lifeline, "TRIES", 3)
    here = arena(16, 18)
    world = ready(here)
    paused(world)
    for others_left in (False, True):
        cut_off = lifeline_of(world)
        for server in cut_off._servers:
            server.close()
        cut_off._servers = list(NOBODY)
        if others_left:
            pull(cut_off)
        else:
            with console_of_another_move(here):
                pull(cut_off)
        assert held_back(world) is not others_left
    claim_back_out(world)
    recover(world)


class Slow:
    """A pointer before which the process stands still, and another run begins."""

    id, client, place, holds_clients = "slow", None, "slow", True

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self._meanwhile = meanwhile

    def observe(self) -> PointerFacts:
        self._meanwhile()
        return PointerFacts(Side.BLUE, False, "blue")

    def resume(self) -> None:
        """Nobody waits here."""


def test_stopped_between_two_poolers_it_does_not_touch_the_second_one(
    arena: Callable[..., Arena],
) -> None:
    here = arena(16, 18)
    world = ready(here)
    paused(world)
    claim_back_out(world)
    newer = here.world()
    slow = Slow(lambda: paused(newer))
    with pytest.raises(LeaseRefused) as caught:
        recover(replace(world, pointers=(slow, *world.pointers)))  # type: ignore[arg-type]
    assert caught.value.problem == "another run has begun to move traffic meanwhile"
    assert held_back(newer)
    assert read_fence(newer.blue).is_closed
    claim_back_out(newer)
    recover(newer)


BUDGET_S = 6.0


@contextmanager
def standing_in_its_pause(playbook: Path) -> Iterator[tuple[int, int]]:
    """`bluegreen run`, stopped with its fence closed: its pid and its guard's."""
    log = playbook.with_name("passed")
    log.unlink(missing_ok=True)
    fault = {
        "BLUEGREEN_FAULT": "move/fenced:stop:1",
        "BLUEGREEN_FAULT_LOG": str(log),
    }
    with subprocess.Popen(
        [*command(fault), "run", str(playbook)],
        env={**os.environ, **fault},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as tool:

        def stands() -> bool:
            assert tool.poll() is None, tool.returncode
            return log.exists() and log.read_text().endswith("move/fenced\n")

        wait_until(stands, "the tool to stand in its pause", 120)
        [guard_pid] = family(tool.pid)[1:]
        try:
            yield tool.pid, guard_pid
        finally:
            for pid in (tool.pid, guard_pid):
                if alive(pid):
                    os.kill(pid, signal.SIGCONT)


def test_a_guard_that_wakes_up_in_the_pause_of_a_later_run_ends_without_a_word(
    arena: Callable[..., Arena], tmp_path: Path
) -> None:
    here = arena(16, 18)
    here.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY)")
    steps: list[dict[str, object]] = [
        {"step": "replicate"},
        {"step": "cutover", "max_pause": f"{BUDGET_S:g}s", "probe": False},
    ]
    playbook = write_playbook(here, tmp_path, steps)
    with standing_in_its_pause(playbook) as (tool, stopped):
        begun = time.monotonic()
        os.kill(stopped, signal.SIGSTOP)
        os.kill(tool, signal.SIGKILL)
        over = begun + BUDGET_S + 1
        wait_until(lambda: time.monotonic() > over, "the budget to be over", 30)
        with standing_in_its_pause(playbook) as (later, _):
            os.kill(stopped, signal.SIGCONT)
            wait_until(lambda: not alive(stopped), "the guard to end", BUDGET_S)
            assert here.pointer().observe().paused
            notes = "SELECT count(*) FROM bluegreen.journal WHERE body ? 'guard'"
            assert here.pair.blue.value(notes) == 0
            os.kill(later, signal.SIGCONT)
            wait_until(lambda: not alive(later), "the later run to end", 60)
    assert call("status", playbook, "--json").require().json["serving"] == "green"

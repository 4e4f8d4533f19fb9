"""The verbs over two real servers, each as a process of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from bluegreen.lab.server import Server
from tests.kit.cli import call
from tests.kit.databases import Database, DatabasePair
from tests.kit.wait import wait_until

PLAYBOOK = """\
version: 1
name: shop
blue:
  dsn: {blue}
green:
  dsn: {green}
steps:
  - step: approve
    message: look at the graphs
{rest}"""


@dataclass
class Desk:
    """Where an operator sits: a playbook, and the verbs."""

    pair: DatabasePair
    folder: Path
    stack: ExitStack = field(default_factory=ExitStack)
    rest: str = ""

    @property
    def playbook(self) -> Path:
        path = self.folder / "shop.yml"
        text = PLAYBOOK.format(
            blue=_dsn(self.pair.blue), green=_dsn(self.pair.green), rest=self.rest
        )
        path.write_text(text)
        return path

    def start(self, verb: str, *words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "bluegreen", verb, str(self.playbook), *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "XDG_STATE_HOME": str(self.folder)},
        )
        self.stack.enter_context(process)
        self.stack.callback(process.kill)
        return process

    def call(self, verb: str, *words: str) -> tuple[int, str, str]:
        environ = {"XDG_STATE_HOME": str(self.folder)}
        ended = call(verb, self.playbook, *words, environ=environ, deadline_s=90)
        return ended.status, ended.out, ended.err


def _dsn(database: Database) -> str:
    words = conninfo_to_dict(database.conninfo())
    return " ".join(f"{key}={value}" for key, value in words.items())


@pytest.fixture
def desk(
    database_pair: Callable[[int, int], DatabasePair], tmp_path: Path
) -> Iterator[Desk]:
    this = Desk(database_pair(15, 16), tmp_path)
    with this.stack:
        yield this


def begun(desk: Desk, *words: str) -> subprocess.Popen[str]:
    """A run that has made our schema on both sides and begun its story."""
    run = desk.start("run", *words)

    def has_begun() -> bool:
        assert run.poll() is None, run.communicate()
        there = [
            database.value("SELECT to_regclass('bluegreen.journal') IS NOT NULL")
            for database in (desk.pair.blue, desk.pair.green)
        ]
        return all(there) and bool(
            desk.pair.blue.value("SELECT count(*) FROM bluegreen.journal")
        )

    wait_until(has_begun, "the run to begin its story")
    return run


def test_before_anything_was_done(desk: Desk) -> None:
    status, out, error = desk.call("status")
    assert (status, error) == (0, "")
    assert out.splitlines()[0] == "shop: blue serves, nothing has moved"
    assert desk.call("journal") == (0, "nothing was done yet for shop\n", "")
    status, out, _ = desk.call("approve")
    assert (status, out) == (2, "")
    assert desk.pair.blue.value("SELECT to_regnamespace('bluegreen') IS NULL")


def test_a_run_waits_for_a_yes_from_another_desk(desk: Desk) -> None:
    run = begun(desk, "--log", "json", "--json")
    out = approved(desk, "--by", "ann")
    assert out.startswith("approved approve as ann at 20")
    result, events = run.communicate(timeout=60)
    assert run.returncode == 0
    ended = json.loads(result)
    assert (ended["acted"], ended["waiting"]) == (["approve/await_approval"], "")
    told = [json.loads(line) for line in events.splitlines()]
    assert [one["event"] for one in told] == [
        "run_started",
        *["action_satisfied"] * 3,
        "action_started",
        "action_waited",
        "action_done",
        "run_ended",
    ]
    assert told[5]["why"].startswith("look at the graphs; then `bluegreen approve")
    _, out, _ = desk.call("journal", "--last", "1")
    assert out.splitlines()[0] == "(3 earlier records)"
    assert out.splitlines()[1].endswith("approved  -  approve, by ann")
    story = json.loads(desk.call("journal", "--json")[1])
    assert [one["kind"] for one in story["records"]] == [
        "run_started",
        "intent",
        "result",
        "approved",
    ]


def approved(desk: Desk, *words: str) -> str:
    """What `approve` says once the run waits for it."""
    said: list[str] = []

    def is_taken() -> bool:
        status, out, _ = desk.call("approve", *words)
        said.append(out)
        return status == 0

    wait_until(is_taken, "the run to wait for a yes")
    return said[-1]


def test_a_yes_is_for_the_run_that_asked_and_no_other(desk: Desk) -> None:
    desk.rest = "  - step: approve\n    id: second\n"
    status, _, error = desk.call("approve", "--step", "approve")
    assert status == 2, error
    run = begun(desk)
    first = ("--step", "approve", "--by", "ann")
    said = approved(desk, *first)
    assert said.endswith("UTC; the run goes on with step second\n")
    assert desk.call("approve", *first)[1].startswith("approve was approved before")
    run.terminate()
    run.communicate(timeout=30)
    assert run.returncode == 4
    status, _, error = desk.call("approve", "--step", "second")
    assert status == 2
    assert error == (
        "error BG-2008: no run waits at step second\n"
        "  seen:    no run of this playbook is going on now\n"
        "  wanted:  an approval of what the run that waits has shown\n"
        "  hint:    start `bluegreen run PLAYBOOK`, or let it go on; approve once it "
        "says that it waits\n"
    )
    again = begun(desk)
    wait_until(lambda: waits_at(desk, "approve"), "the second run to ask again")
    assert desk.call("approve", "--step", "second")[0] == 2
    again.terminate()
    again.communicate(timeout=30)


def waits_at(desk: Desk, step: str) -> bool:
    """Whether the newest run has asked there."""
    records = json.loads(desk.call("journal", "--json")[1])["records"]
    kinds = [one["kind"] for one in records]
    newest = len(kinds) - kinds[::-1].index("run_started")
    return f"{step}/await_approval" in [one["action"] for one in records[newest:]]


def test_a_second_run_is_told_who_runs(desk: Desk) -> None:
    first = begun(desk)
    status, out, error = desk.call("run", "--json", "--log", "text")
    assert (status, error) == (8, "")
    told = json.loads(out)["error"]
    assert told["code"] == "BG-8001"
    assert f" {first.pid}'" in told["seen"]
    status, out, _ = desk.call("status")
    assert status == 0
    assert f" {first.pid}', from 127.0.0.1, since" in out
    first.terminate()
    _, error = first.communicate(timeout=30)
    assert first.returncode == 4
    assert "error BG-4007: interrupted while waiting for: a person has app" in error


def test_a_plan_is_run_only_while_it_is_true(desk: Desk) -> None:
    status, out, _ = desk.call("plan", "--json")
    assert status == 0
    plan = json.loads(out)["plan"]
    assert [one["kind"] for one in plan["actions"]] == [
        *["satisfied"] * 3,
        "not_yet",
    ]
    status, out, error = desk.call("run", "--plan", "0123456789ab", "--log", "text")
    assert (status, out) == (2, "")
    assert error.startswith("error BG-2007: the plan is out of date")
    run = begun(desk, "--plan", plan["digest"], "--log", "text")
    approved(desk)
    run.communicate(timeout=60)
    assert run.returncode == 0
    # The next run asks again, whatever was said to this one.
    assert "the run asks for it" in desk.call("plan")[1]


def test_a_hazard_that_is_not_allowed_stops_before_anything_is_built(
    desk: Desk,
) -> None:
    desk.rest = "  - step: replicate\n"
    desk.pair.blue.run("CREATE TABLE public.t (id int PRIMARY KEY)")
    status, out, error = desk.call("run", "--log", "text")
    assert (status, out) == (2, ""), error
    assert "BG-2006" in error
    assert "allow: [" in error
    assert desk.pair.blue.value("SELECT to_regnamespace('bluegreen') IS NULL")
    assert desk.pair.green.value("SELECT to_regnamespace('bluegreen') IS NULL")


def test_a_step_that_is_not_there_cannot_be_approved(desk: Desk) -> None:
    status, _, error = desk.call("approve", "--step", "other")
    assert status == 2
    assert error == (
        f"error BG-2008: {desk.playbook} has no step 'other' that waits for a person\n"
        "  seen:    steps that wait: approve\n"
        "  wanted:  one of them, by --step\n"
    )
    desk.rest = "  - step: approve\n    id: second\n"
    status, _, error = desk.call("approve")
    assert status == 2
    assert error.splitlines()[:2] == [
        "error BG-2008: it is not clear which step is meant",
        "  seen:    steps that wait: approve, second",
    ]


@pytest.mark.sampled(1)
@pytest.mark.parametrize("side", ["blue", "green"])
def test_a_side_that_is_not_seen_is_unknown_and_ends_with_7(
    desk: Desk, side: str, servers: Callable[..., Server]
) -> None:
    down = servers(15, "one-that-goes-down")
    here = Database(down, "postgres")
    pair = desk.pair
    desk.pair = (
        DatabasePair(here, pair.green)
        if side == "blue"
        else DatabasePair(pair.blue, here)
    )
    down.stop("immediate")
    status, out, error = desk.call("status")
    assert (status, error) == (7, "")
    lines = out.splitlines()
    assert lines[0] == "shop: NOT CONFIRMED (blue serves, if the journal is right)"
    assert f"  doubt: {side}: {side} cannot be reached" in out
    assert "not seen:" in out
    told = json.loads(desk.call("status", "--json")[1])
    assert told["serving"] is None
    assert told["journal"][side] is None
    status, _, error = desk.call("journal")
    assert (status, error.splitlines()[0]) == (
        3,
        f"error BG-3001: {side} cannot be reached",
    )


def test_two_stories_are_a_doubt(desk: Desk) -> None:
    run = begun(desk)
    run.kill()
    run.communicate(timeout=30)
    desk.pair.green.run(
        "INSERT INTO bluegreen.journal (seq, kind, epoch, run, action, body, writer)"
        " VALUES (2, 'note', 0, 'r-x', '', '{}', 'bob@there 9')"
    )
    desk.pair.blue.run(
        "INSERT INTO bluegreen.journal (seq, kind, epoch, run, action, body, writer)"
        " VALUES (2, 'released', 0, 'r-y', '', '{}', 'eve@there 9')"
    )
    status, out, _ = desk.call("status")
    assert status == 7
    assert "doubt: the journals disagree from record 2 on" in out
    status, _, error = desk.call("run", "--log", "text")
    assert status == 8
    assert "BG-8002" in error


def test_an_open_move_is_a_doubt_and_cannot_be_approved_into(desk: Desk) -> None:
    run = begun(desk)
    run.kill()
    run.communicate(timeout=30)
    for database in (desk.pair.blue, desk.pair.green):
        database.run(
            "INSERT INTO bluegreen.journal"
            " (seq, at, kind, epoch, run, action, body, writer)"
            " VALUES (2, '2026-05-04 01:02:03Z', 'pausing', 0, 'r-x', 'cutover/move',"
            " '{\"to\": \"green\"}', 'bob')"
        )
    status, out, _ = desk.call("status")
    assert status == 7
    assert "doubt: a move to green was begun and has not ended" in out
    status, _, error = desk.call("approve")
    assert status == 8
    assert error == (
        "error BG-8001: a move of traffic is going on\n"
        "  seen:    to green, begun at 2026-05-04 01:02:03 UTC\n"
        "  wanted:  an approval before a move or after it\n"
        "  hint:    look at `bluegreen status`; it is over in seconds\n"
    )


def test_check_says_what_blocks_and_ends_with_3(desk: Desk) -> None:
    desk.pair.blue.run("CREATE TABLE public.t (id int PRIMARY KEY)")
    assert desk.call("check")[0] == 0
    desk.pair.blue.run("CREATE TABLE public.keyless (id int)")
    status, out, error = desk.call("check")
    assert (status, error) == (3, ""), out
    assert re.search("of them blocks? a run$", out)
    told = json.loads(desk.call("check", "--json")[1])
    assert [one["id"] for one in told["findings"] if one["blocks"] == "run"]
    assert desk.pair.blue.value("SELECT to_regnamespace('bluegreen') IS NULL")


def test_watching_looks_again(desk: Desk) -> None:
    monitor = desk.start("status", "--watch", "--json")
    assert monitor.stdout is not None
    first, second = monitor.stdout.readline(), monitor.stdout.readline()
    assert json.loads(first)["serving"] == json.loads(second)["serving"] == "blue"


def test_leaving_a_watch_is_no_error(desk: Desk) -> None:
    monitor = desk.start("status", "--watch", "--json")
    assert monitor.stdout is not None
    json.loads(monitor.stdout.readline())
    monitor.send_signal(signal.SIGINT)
    out, error = monitor.communicate(timeout=60)
    assert (monitor.returncode, error) == (0, "")
    assert [json.loads(line)["serving"] for line in out.splitlines()] in ([], ["blue"])

"""Taking blue down: not a moment too early, never half, and quiet when it is done."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from bluegreen.lab.pooler import Pooler
from bluegreen.lab.server import Server
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.identity import identity_of
from tests.kit.arena import Arena, open_arena
from tests.kit.cli import Ended, call, write_playbook
from tests.kit.databases import DatabasePair, create_database, drop_databases
from tests.kit.fingerprint import fingerprint

COMMAND = """
import json, os, signal, sys
from pathlib import Path

here = Path(__file__).parent
told = {key: value for key, value in os.environ.items() if key[:10] == "BLUEGREEN_"}
told.pop("BLUEGREEN_FAULT", None), told.pop("BLUEGREEN_FAULT_LOG", None)
with (here / "told").open("a") as file:
    print(json.dumps([sys.argv[1:], told, os.getcwd()]), file=file)
if (here / "broken").exists():
    print("the cloud said no")
    sys.exit(3)
try:
    os.kill(int(Path(sys.argv[1]).read_text().split()[0]), signal.SIGQUIT)
except (FileNotFoundError, ProcessLookupError):
    pass
"""
"""Notes what it was told and stops blue's server; it bears being run twice."""


@dataclass
class Leaving:
    """A pair whose blue has a server of its own, which the command stops."""

    arena: Arena
    server: Server
    folder: Path
    playbook: Path

    @property
    def told(self) -> list[list[object]]:
        """What the command was told, each time that it ran."""
        path = self.folder / "told"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    @property
    def words(self) -> list[str]:
        return [str(self.server.data / "postmaster.pid"), "two words", "$HOME *"]


@pytest.fixture
def leaving(
    servers: Callable[..., Server],
    pooler: Callable[..., Pooler],
    lab_folder: Path,
    tmp_path: Path,
) -> Iterator[Callable[..., Leaving]]:
    """`leaving("1ms")`: a playbook with that window, nothing run yet."""
    with ExitStack() as stack:

        def make(window: str) -> Leaving:
            count = len(list(tmp_path.iterdir()))
            own = stack.enter_context(Server.start(16, lab_folder / f"blue{count}"))
            folder = tmp_path / str(count)
            folder.mkdir()
            green = create_database(servers(18), "green")
            stack.callback(drop_databases, green)
            pair = DatabasePair(create_database(own, "blue"), green)
            pair.blue.run(
                "CREATE TABLE t (id int PRIMARY KEY)",
                "INSERT INTO t SELECT generate_series(1, 100)",
            )
            here = stack.enter_context(open_arena(pair, pooler))
            (folder / "command.py").write_text(COMMAND)
            made = Leaving(here, own, folder, folder / "playbook.yml")
            write_playbook(here, folder, steps(window, made))
            return made

        yield make


def steps(window: str, made: Leaving) -> list[dict[str, object]]:
    command = [sys.executable, str(made.folder / "command.py"), *made.words]
    return [
        {"step": "backup", "workers": 1},
        {"step": "replicate"},
        {"step": "cutover", "probe": False},
        {"step": "hold", "window": window},
        {
            "step": "decommission",
            "final_backup": "last",
            "command": command,
            "quarantine": "1ms",
        },
    ]


def assert_quiet(one: Leaving) -> None:
    before = fingerprint(one.arena)
    ended = call("decommission", "--if-due", one.playbook)
    assert (ended.status, ended.out, ended.err) == (0, "", "")
    assert fingerprint(one.arena) == before


def test_it_is_quiet_until_it_is_due(leaving: Callable[..., Leaving]) -> None:
    one = leaving("24h")
    assert_quiet(one)
    call("run", one.playbook).require()
    assert_quiet(one)
    before = fingerprint(one.arena)
    ended = call("decommission", one.playbook)
    text = re.sub(r"\d{4}-.* UTC, in .*", "TIME UTC, in SPAN", ended.error)
    text = re.sub(r"since \d{4}-.* UTC", "since TIME UTC", text)
    assert text == (
        "error BG-8003: decommission is not due\n"
        "  seen:    the window ends at TIME UTC, in SPAN\n"
        "  wanted:  the end of the window, or of blue's quarantine\n"
        "  traffic: green (since TIME UTC)\n"
        "  hint:    a timer with `bluegreen decommission --if-due` does it when it is "
        "time"
    )
    assert (ended.status, fingerprint(one.arena)) == (8, before)
    told = call("decommission", one.playbook, "--if-due", "--json").require().json
    assert told["due"] is False
    call("rollback", one.playbook).require()
    assert_quiet(one)
    assert one.told == []


def test_what_speaks_against_it_is_named_and_nothing_is_destroyed(
    leaving: Callable[..., Leaving],
) -> None:
    one = leaving("1ms")
    call("run", one.playbook).require()
    blue, before = one.arena.pair.blue, fingerprint(one.arena)

    with blue.connect(application_name="monthly report") as session:
        pid = session.info.backend_pid
        ended = call("decommission", "--if-due", one.playbook)
    assert re.sub(r"since .* UTC", "since TIME", ended.error) == (
        "error BG-7002: 1 client is connected to blue\n"
        f"  seen:    pid {pid}: postgres, monthly report from 127.0.0.1/32\n"
        "  wanted:  no client but bluegreen\n"
        "  traffic: green (since TIME)\n"
        "  hint:    send them to green, or end their sessions; then try again"
    )
    assert (ended.status, fingerprint(one.arena)) == (7, before)

    blue.run("ALTER TABLE t DISABLE TRIGGER bluegreen_fence")
    assert_refused(one, "blue's fence is not closed", "1 table takes writes")
    blue.run("ALTER TABLE t ENABLE TRIGGER bluegreen_fence")
    blue.rows("SELECT pg_create_logical_replication_slot('debezium', 'pgoutput')")
    assert_refused(one, "something else follows blue", "logical slots: debezium")
    blue.rows("SELECT pg_drop_replication_slot('debezium')")
    [dump] = (one.folder / "backups").glob("*.dump")
    dump.rename(dump.with_suffix(".away"))
    assert_refused(one, "there is no proved backup of blue", f"{dump} is not there")
    dump.with_suffix(".away").rename(dump)

    told = json.loads(one.playbook.read_text())
    told["blue"], told["green"] = told["green"], told["blue"]
    wrong = one.folder / "wrong.yml"
    wrong.write_text(json.dumps(told))
    ended = call("decommission", "--if-due", wrong)
    assert "given as blue is not the blue of the cutover" in ended.error
    assert (ended.status, fingerprint(one.arena)) == (7, before)
    assert one.told == []
    assert blue.value("SELECT count(*) FROM t") == 100


def assert_refused(one: Leaving, problem: str, seen: str) -> None:
    before = fingerprint(one.arena)
    ended = call("decommission", "--if-due", one.playbook)
    lines = ended.error.splitlines()
    assert lines[:2] == [f"error BG-7002: {problem}", f"  seen:    {seen}"]
    assert (ended.status, fingerprint(one.arena)) == (7, before)


def test_a_command_that_fails_is_told_of_and_run_again_as_asked(
    leaving: Callable[..., Leaving],
) -> None:
    one = leaving("1ms")
    (one.folder / "broken").touch()
    call("run", one.playbook).require()
    blue = identity_of(one.arena.database(Side.BLUE))
    ended = call("decommission", "--if-due", one.playbook)
    assert re.sub(r" \(since .* UTC\)", "", ended.error) == (
        f"error BG-4001: the command {sys.executable!r} ended with status 3\n"
        "  seen:    the cloud said no\n"
        "  wanted:  status 0\n"
        "  traffic: green\n"
        "  hint:    blue is released and its final backup is proved; fix the command, "
        "then run `bluegreen decommission` again"
    )
    assert ended.status == 4
    (one.folder / "broken").unlink()
    call("decommission", "--if-due", one.playbook).require()
    environment = {
        "BLUEGREEN_SIDE": "blue",
        "BLUEGREEN_DATABASE": f"127.0.0.1:{one.server.port}/{one.arena.pair.blue.name}",
        "BLUEGREEN_IDENTITY": blue,
    }
    assert one.told == [[one.words, environment, str(one.folder)]] * 2
    assert one.server.pid is None
    assert_over(one)


def assert_over(one: Leaving) -> None:
    """Blue is gone for good; everything else answers."""
    for _ in range(2):
        ended = call("decommission", "--if-due", one.playbook)
        assert (ended.status, ended.out, ended.err) == (0, "", "")
    ended = call("decommission", one.playbook).require()
    assert ended.out == "blue was let go before; nothing is left to do\n"
    status = call("status", one.playbook).require()
    lines = status.out.splitlines()
    assert re.fullmatch(
        rf"{one.arena.name}: green serves since .* \(epoch 1\)", lines[0]
    )
    assert lines[1] == "rollback: closed: blue was released"
    assert "doubt" not in status.out
    story = call("journal", one.playbook).require().out
    assert " released " in story
    assert "decommission/take_blue_down" in story
    green = one.arena.pair.green
    assert green.value("SELECT count(*) FROM t") == 100
    assert (
        green.rows(
            "SELECT slot_name FROM pg_replication_slots"
            " WHERE database = current_database()"
        )
        == []
    )
    assert green.rows("SELECT FROM pg_trigger WHERE tgname = 'bluegreen_fence'") == []
    assert len(list((one.folder / "last").glob("*.dump"))) >= 1


def test_killed_at_each_point_and_started_again_it_ends_the_same(
    leaving: Callable[..., Leaving],
) -> None:
    calm = leaving("1ms")
    call("run", calm.playbook).require()
    log = calm.folder / "points"
    environ = {"BLUEGREEN_FAULT_LOG": str(log)}
    call("decommission", "--if-due", calm.playbook, environ=environ).require()
    points = list(dict.fromkeys(log.read_text().split()))
    assert len(points) == 12, points

    # Behind a kill after the act its wanted state holds, so its result is not written.
    results = [point for point in points if point.endswith("/after_result")]
    for chosen in (results, [point for point in points if point not in results]):
        one = leaving("1ms")
        call("run", one.playbook).require()
        for point in chosen:
            environ = {"BLUEGREEN_FAULT": f"{point}:kill:1"}
            ended = call("decommission", "--if-due", one.playbook, environ=environ)
            assert ended.status == -signal.SIGKILL, (point, ended)
        call("decommission", "--if-due", one.playbook).require()
        assert one.server.pid is None
    assert_over(one)


def test_in_its_quarantine_blue_stands_and_the_timer_is_quiet(
    leaving: Callable[..., Leaving],
) -> None:
    one = leaving("1ms")
    told = json.loads(one.playbook.read_text())
    told["steps"][-1]["quarantine"] = "72h"
    one.playbook.write_text(json.dumps(told))
    call("run", one.playbook).require()
    ended = call("decommission", "--if-due", one.playbook).require()
    assert "blue was released and is kept until" in ended.out + ended.err
    assert one.told == []
    blue = one.arena.pair.blue
    assert blue.value("SELECT count(*) FROM t") == 100
    assert_quiet(one)
    ended = call("decommission", one.playbook)
    assert (ended.status, "for 2 d 23 h more" in ended.err) == (8, True), ended

    # Whoever took blue back into service meanwhile is asked, not cut off.
    told["steps"][-1]["quarantine"] = "1ms"
    one.playbook.write_text(json.dumps(told))
    blue.run("ALTER TABLE t DISABLE TRIGGER bluegreen_fence")
    ended = call("decommission", "--if-due", one.playbook)
    assert ended.error.splitlines()[0] == "error BG-7002: blue's fence is not closed"
    blue.run("ALTER TABLE t ENABLE TRIGGER bluegreen_fence")
    assert one.told == []
    call("decommission", "--if-due", one.playbook).require()
    assert len(one.told) == 1
    assert_over(one)


def typed(word: str, *words: str | Path) -> Ended:
    """Call `bluegreen` with a terminal at which somebody types a word."""
    master, terminal = pty.openpty()
    try:
        os.write(master, f"{word}\n".encode())
        with subprocess.Popen(
            [sys.executable, "-m", "bluegreen", *map(str, words)],
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            out, err = process.communicate(timeout=240)
        return Ended(process.returncode, out, err)
    finally:
        os.close(master)
        os.close(terminal)


def test_a_person_types_the_word_of_the_blue_that_goes(
    leaving: Callable[..., Leaving],
) -> None:
    one = leaving("1ms")
    call("run", one.playbook).require()
    before = fingerprint(one.arena)
    word = identity_of(one.arena.database(Side.BLUE))[:8]
    ended = typed("yes", "decommission", one.playbook)
    assert ended.err.endswith(
        f"Type {word} to confirm: "
        "error BG-2008: what was typed does not name blue\n"
        "  seen:    'yes'\n"
        f"  wanted:  {word}\n"
        "  hint:    is this the database that is to go? Nothing was touched\n"
    )
    assert f"{one.arena.pair.blue.name}) permanently. Type {word}" in ended.err
    assert (ended.status, fingerprint(one.arena)) == (2, before)
    assert one.told == []
    typed(word, "decommission", one.playbook).require()
    assert len(one.told) == 1


def test_killed_without_a_command_it_is_over_and_blue_may_go(
    leaving: Callable[..., Leaving],
) -> None:
    """The last act is on green; a kill behind it leaves no result in the journal."""
    one = leaving("1ms")
    told = json.loads(one.playbook.read_text())
    del told["steps"][-1]["command"]
    one.playbook.write_text(json.dumps(told))
    call("run", one.playbook).require()
    point = "decommission/remove_green_fence/after_act"
    ended = call(
        "decommission",
        one.playbook,
        environ={"BLUEGREEN_FAULT": f"{point}:kill:1"},
    )
    assert ended.status == -signal.SIGKILL
    one.server.stop("immediate")
    ended = call("decommission", "--if-due", one.playbook)
    assert (ended.status, ended.out, ended.err) == (0, "", "")

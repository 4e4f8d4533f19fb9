"""Two operators at once, as if from two machines: one acts, the other is told who."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pytest

from bluegreen.lab.ledger import LedgerClients, audit
from bluegreen.lab.proxy import Mode, Proxy
from bluegreen.model.side import Side
from tests.kit.arena import Arena
from tests.kit.armed import command
from tests.kit.cli import Ended, call, write_playbook
from tests.kit.databases import Database
from tests.kit.fingerprint import fingerprint
from tests.kit.wait import wait_until

STEPS = (
    {"step": "backup", "to": "backups", "workers": 1},
    {"step": "replicate"},
    {"step": "approve"},
    # Longer than four refusals take: whoever stands still in the pause is looked at.
    {"step": "cutover", "max_pause": "2m", "probe": False},
    {"step": "hold", "window": "1ms"},
    {"step": "decommission", "final_backup": "backups"},
)
VERBS = ("run", "rollback", "decommission", "approve")
WHO = re.compile(
    r"error BG-8001: another operator holds the lease\n"
    r"  seen:    on (?:blue|green) \(127\.0\.0\.1:\d+/\w+\): '(?P<holder>[^']+)', "
    r"from 127\.0\.0\.1, since [\d: -]+ UTC \([^)]+\)\n"
    r"  wanted:  one operator at a time\n"
)
IN_A_MOVE = re.compile(
    r"error BG-8001: a move of traffic is going on\n"
    r"  seen:    to \w+, begun at [\d: -]+ UTC\n"
    r"           by '(?P<holder>[^']+)', from 127\.0\.0\.1, since .* \([^)]+\)\n"
)


@dataclass
class Operator:
    """One machine with its own copy of the playbook and its own home."""

    folder: Path
    playbook: Path

    @classmethod
    def at(cls, folder: Path, playbook: Path) -> Operator:
        shutil.copytree(playbook.parent, folder)
        return cls(folder, folder / playbook.name)

    @property
    def environ(self) -> dict[str, str]:
        return {
            **os.environ,
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "XDG_STATE_HOME": str(self.folder / "state"),
        }

    def call(self, verb: str) -> Ended:
        return call(verb, self.playbook, environ=self.environ, cwd=self.folder)

    def start(self, verb: str, **environ: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*command(environ), verb, str(self.playbook)],
            env={**self.environ, **environ},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@contextmanager
def standing_still(
    operator: Operator, verb: str, *points: str
) -> Iterator[tuple[subprocess.Popen[str], Callable[[], str]]]:
    """An operator that stops itself at each of the points; the next one's name."""
    log = operator.folder / f"passed-{verb}"
    log.unlink(missing_ok=True)
    left = list(points)
    process = operator.start(
        verb,
        BLUEGREEN_FAULT=f"{','.join(points)}:stop:1",
        BLUEGREEN_FAULT_LOG=str(log),
    )

    def at_the_next() -> str:
        def stopped() -> bool:
            if process.poll() is not None:
                out, err = process.communicate()
                raise AssertionError(f"it ended: {process.returncode}\n{out}\n{err}")
            passed = log.read_text().split() if log.exists() else []
            state = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2]
            return bool(passed) and passed[-1] in left and state.split()[0] == "T"

        wait_until(stopped, f"{verb} to stand still at one of {left}", 120)
        left.remove(log.read_text().split()[-1])
        return log.read_text().split()[-1]

    try:
        yield process, at_the_next
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def end_of(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Its status and the error it ended with."""
    _, err = process.communicate(timeout=120)
    return process.returncode, err[max(0, err.find("error BG-")) :]


def go_on(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGCONT)


def all_at_once(operators: Mapping[str, Operator]) -> dict[str, Ended]:
    with ThreadPoolExecutor(len(operators)) as crowd:
        ended = {verb: crowd.submit(one.call, verb) for verb, one in operators.items()}
        return {verb: one.result() for verb, one in ended.items()}


def all_that_stands(here: Arena) -> tuple[object, ...]:
    facts = here.pointer().observe()
    return fingerprint(here), facts.names, facts.paused


def require_told_who(
    here: Arena, process: subprocess.Popen[str], others: Mapping[str, Operator]
) -> None:
    """Each other operator is sent away with the name of the first, and acts on nothing.

    `decommission` asks whether it is time before it asks for the lease.
    """
    before = all_that_stands(here)
    for verb, ended in all_at_once(others).items():
        if verb == "decommission" and "BG-8001" not in ended.err:
            assert ended.status in {7, 8}, ended
            continue
        assert ended.status == 8, (verb, ended)
        found = (IN_A_MOVE if verb == "approve" else WHO).search(ended.err)
        assert found, ended.err
        name, host, pid = found["holder"].rsplit(" ", 2)
        assert name.startswith("bluegreen ")
        assert (host, pid) == (socket.gethostname()[:30], str(process.pid))
    assert all_that_stands(here) == before


@dataclass
class Stage:
    """An arena with a ledger, the first operator, and another one for each verb."""

    here: Arena
    first: Operator
    others: dict[str, Operator]

    def only(self, *verbs: str) -> dict[str, Operator]:
        return {verb: self.others[verb] for verb in verbs}

    def records(self, kind: str) -> int:
        query = "SELECT count(*) FROM bluegreen.journal WHERE kind = %s"
        return int(str(self.here.pair.green.value(query, kind)))

    def require_one_story(self) -> None:
        """Both sides tell the same, and no run's records stand among another's."""
        query = (
            "SELECT seq, run, kind FROM bluegreen.journal WHERE kind <> 'approved'"
            " ORDER BY seq"
        )
        blue, green = (
            side.rows(query) for side in (self.here.pair.blue, self.here.pair.green)
        )
        assert blue == green
        runs = [run for run, _ in groupby(str(run) for _, run, _ in green)]
        assert len(runs) == len(set(runs)), runs


@pytest.fixture
def stage(arena: Callable[..., Arena], tmp_path: Path) -> Stage:
    here = arena(16, 18)
    LedgerClients.prepare(here.conninfo(Side.BLUE))
    folder = tmp_path / "first"
    folder.mkdir()
    playbook = write_playbook(here, folder, STEPS)
    others = {verb: Operator.at(tmp_path / verb, playbook) for verb in VERBS}
    return Stage(here, Operator(folder, playbook), others)


def approved(stage: Stage) -> bool:
    return stage.others["approve"].call("approve").status == 0


def run_approved(stage: Stage, operator: Operator) -> None:
    """A whole run; each asks anew."""
    process = operator.start("run")
    wait_until(lambda: approved(stage), "the approval", 60)
    status, said = end_of(process)
    assert status == 0, said


EARLY = ("replicate/create_slot/before_act", "replicate/create_slot/after_act")
INSIDE = ("move/paused", "move/fenced", "move/stream_stopped")
# An approval may be given again here: it counts for the next move.
LATE = ("move/committed", "move/resumed", "way_back/enabled")


@pytest.mark.timeout(900)
def test_whoever_comes_second_is_told_who_and_touches_nothing(stage: Stage) -> None:
    here, first = stage.here, stage.first
    actors = stage.only("run", "rollback", "decommission")
    everybody = stage.only(*VERBS)
    wanted = (*EARLY, *INSIDE, *LATE)
    with standing_still(first, "run", *wanted) as (process, at_the_next):
        for point in EARLY:
            assert at_the_next() == point
            require_told_who(here, process, actors)
            go_on(process)
        wait_until(lambda: approved(stage), "the approval", 60)
        for point in (*INSIDE, *LATE):
            assert at_the_next() == point
            require_told_who(here, process, everybody if point in INSIDE else actors)
            go_on(process)
        assert end_of(process)[0] == 0
    with standing_still(first, "rollback", "move/fenced") as (process, at_the_next):
        at_the_next()
        require_told_who(here, process, everybody)
        go_on(process)
        assert end_of(process)[0] == 0
    run_approved(stage, first)
    ends = "decommission/end_way_back/before_act"
    with standing_still(first, "decommission", ends) as (process, at_the_next):
        at_the_next()
        require_told_who(here, process, stage.only("run", "rollback"))
        go_on(process)
        assert end_of(process)[0] == 0
    assert stage.records("committed") == 3
    assert stage.records("released") == 1


@pytest.mark.timeout(600)
def test_of_all_who_begin_at_once_one_acts(stage: Stage, tmp_path: Path) -> None:
    here, playbook = stage.here, stage.first.playbook
    crowd = {n: Operator.at(tmp_path / f"crowd{n}", playbook) for n in range(4)}
    verbs = ["run", "run", "run", "rollback"]
    with LedgerClients(here.client, 4) as clients:
        clients.start()
        processes = [crowd[n].start(verb) for n, verb in enumerate(verbs)]
        wait_until(lambda: approved(stage), "the approval", 60)
        ended = [process.communicate(timeout=240) for process in processes]
        result = clients.stop()
    statuses = [process.returncode for process in processes]
    # Who comes after the first has ended finds nothing left to do, or may go back;
    # a rollback that comes before the first has begun finds no story.
    assert statuses[:3].count(0) >= 1, ended
    assert set(statuses[:3]) <= {0, 8}, ended
    assert statuses[3] in {0, 3, 6, 8}, ended
    assert stage.records("committed") == statuses[3:].count(0) + 1
    stage.require_one_story()
    assert (result.errors, result.unknown) == (0, 0), result.error_texts
    side = Side.BLUE if statuses[3] == 0 else Side.GREEN
    assert audit(here.conninfo(side), result).ok


def end_the_lease(side: Database) -> None:
    ended = side.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_locks"
        " WHERE locktype = 'advisory' AND (classid, objid) = (7331, 1)"
        " AND database = (SELECT oid FROM pg_database"
        "  WHERE datname = current_database())"
    )
    assert ended == [(True,)]
    held = "SELECT count(*) FROM pg_locks WHERE (classid, objid) = (7331, 1)"
    wait_until(lambda: side.value(held) == 0, "the lock to go")


@pytest.mark.timeout(600)
@pytest.mark.sampled(1)
@pytest.mark.parametrize("lost_on", ["blue", "green"])
def test_a_lease_lost_before_traffic_moves_stops_the_move(
    stage: Stage, lost_on: str
) -> None:
    here, first = stage.here, stage.first
    ready = "cutover/switch_traffic/before_act"
    with standing_still(first, "run", ready) as (process, at_the_next):
        wait_until(lambda: approved(stage), "the approval", 60)
        at_the_next()
        end_the_lease(getattr(here.pair, lost_on))
        before = here.pointer().observe()
        go_on(process)
        status, err = end_of(process)
    assert status == 8, err
    assert "error BG-8001: the lease is not held any more" in err
    assert f"  seen:    {lost_on} (" in err
    assert stage.records("pausing") == 0
    assert here.pointer().observe() == before
    run_approved(stage, stage.others["run"])
    assert here.pointer().observe().names is Side.GREEN


@pytest.mark.timeout(600)
def test_two_in_the_pause_at_once_make_one_move(stage: Stage) -> None:
    """The first stands still there, its lease goes, the second does all; it wakes."""
    here, first = stage.here, stage.first
    here.pair.blue.run("CREATE SEQUENCE numbers", "SELECT nextval('numbers')")
    with LedgerClients(here.client, 4) as clients:
        clients.start()
        with standing_still(first, "run", "move/caught_up") as (process, at_the_next):
            wait_until(lambda: approved(stage), "the approval", 60)
            at_the_next()
            for side in (here.pair.blue, here.pair.green):
                end_the_lease(side)
            run_approved(stage, stage.others["run"])
            given = here.pair.green.value(
                "SELECT max(nextval('numbers')) FROM generate_series(1, 50)"
            )
            go_on(process)
            status, said = end_of(process)
            assert status in {4, 5, 7, 8}, said
            assert "nothing has moved" not in said
        enough = clients.acknowledged() + 20
        facts = here.pointer().observe()
        assert (facts.names, facts.paused) == (Side.GREEN, False), said
        wait_until(lambda: clients.acknowledged() > enough, f"clients to go on\n{said}")
        result = clients.stop()
    assert stage.records("committed") == 1
    assert int(str(here.pair.green.value("SELECT nextval('numbers')"))) > int(
        str(given)
    )
    assert (result.errors, result.unknown) == (0, 0), result.error_texts
    assert audit(here.conninfo(Side.GREEN), result).ok
    stage.others["run"].call("run").require()
    told = first.call("status")
    assert told.status == 0, told


@pytest.mark.timeout(600)
def test_a_network_that_falls_silent_is_noticed_before_traffic_moves(
    stage: Stage,
) -> None:
    here, first = stage.here, stage.first
    blue = here.pair.blue
    with Proxy(blue.server.host, blue.server.port) as proxy:
        told = json.loads(first.playbook.read_text())
        real = {"host": blue.server.host, "port": str(blue.server.port)}
        told["blue"] = {
            "dsn": proxy.conninfo(blue.conninfo()),
            "seen_from_peer": real,
        }
        told["pointers"][0]["blue"] = {**real, "port": blue.server.port}
        first.playbook.write_text(json.dumps(told))
        ready = "cutover/switch_traffic/before_act"
        with standing_still(first, "run", ready) as (process, at_the_next):
            wait_until(lambda: approved(stage), "the approval", 60)
            at_the_next()
            proxy.set(Mode.BLACK_HOLE)
            go_on(process)
            status, err = end_of(process)
        assert status == 8, err
        assert "error BG-8001: the lease is not held any more" in err
        assert "  seen:    blue (" in err
        assert stage.records("pausing") == 0
        assert here.pointer().observe().names is Side.BLUE
        proxy.set(Mode.RESET)
        # The server hears of it now; the other operator comes by another road.
        run_approved(stage, stage.others["run"])
    assert here.pointer().observe().names is Side.GREEN

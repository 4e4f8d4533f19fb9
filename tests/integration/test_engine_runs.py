"""Whole runs over two real servers: killed, stopped, doubled, cut off, and again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from bluegreen.engine.lease import Lease
from bluegreen.engine.plan import plan
from bluegreen.engine.runner import Runner
from bluegreen.engine.session import engage
from bluegreen.lab.proxy import Proxy
from bluegreen.lab.server import Server
from bluegreen.model.errors import LeaseRefused, ServerRefused, StepError
from bluegreen.model.hazard import Hazard
from bluegreen.model.side import Side
from bluegreen.postgres.database import Database
from bluegreen.postgres.journal.lease import read_holder
from bluegreen.postgres.journal.table import read_records
from bluegreen.steps.world import World
from tests.kit.databases import DatabasePair
from tests.kit.small_steps import MakeShelf, PutBook, Shelf
from tests.kit.wait import wait_until

POINTS = [
    f"shelf/{action}/{point}"
    for action in ("make_shelf", "put_book")
    for point in ("before_act", "after_act", "after_result")
]


@dataclass
class Here:
    """A pair of databases, and ways to work on them."""

    pair: DatabasePair
    stack: ExitStack = field(default_factory=ExitStack)

    def open(self, label: str = "bluegreen run") -> tuple[Database, Database]:
        blue = Database(Side.BLUE, self.pair.blue.conninfo(), label=label)
        green = Database(Side.GREEN, self.pair.green.conninfo(), label=label)
        self.stack.callback(blue.close)
        self.stack.callback(green.close)
        return blue, green

    def world(self) -> World:
        blue, green = self.open()
        held = self.stack.enter_context(engage(blue, green, "shop", "r-1"))
        return World(
            "shop", blue, green, (), held.journal, require_lease=held.lease.require_held
        )

    def start(
        self, run: str = "r-1", *flags: str, **environ: str
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.kit.small_run",
                self.pair.blue.conninfo(),
                self.pair.green.conninfo(),
                run,
                *flags,
            ],
            env={**os.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.stack.enter_context(process)
        self.stack.callback(process.kill)
        return process

    def run(
        self, run: str = "r-1", *flags: str, **environ: str
    ) -> tuple[int, str, str]:
        with self.start(run, *flags, **environ) as process:
            out, error = process.communicate(timeout=60)
        return process.returncode, out, error

    def story(self) -> list[tuple[str, str]]:
        """Both sides' story, which must be one."""
        blue, green = self.open("look")
        there = read_records(blue)
        assert there == read_records(green)
        return [(str(record.kind), record.action) for record in there]

    @property
    def books(self) -> object:
        return self.pair.green.value("SELECT count(*) FROM public.shelf")


@pytest.fixture
def here(database_pair: Callable[[int, int], DatabasePair]) -> Iterator[Here]:
    this = Here(database_pair(15, 16))
    with this.stack:
        yield this


def test_a_run_brings_it_about_and_a_second_finds_it_done(here: Here) -> None:
    assert here.run() == (0, "acted: shelf/make_shelf shelf/put_book\n", "")
    assert here.run("r-2") == (0, "acted:\n", "")
    assert here.books == 1
    assert here.story() == [
        ("run_started", ""),
        ("intent", "shelf/make_shelf"),
        ("result", "shelf/make_shelf"),
        ("intent", "shelf/put_book"),
        ("result", "shelf/put_book"),
        ("run_started", ""),
    ]


def test_a_run_passes_the_points_that_the_kill_tests_know(
    here: Here, tmp_path: Path
) -> None:
    log = tmp_path / "points"
    here.run(BLUEGREEN_FAULT_LOG=str(log))
    assert log.read_text().split() == POINTS


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_point_the_next_run_finishes(here: Here, point: str) -> None:
    status, _, _ = here.run(BLUEGREEN_FAULT=f"{point}:kill:1")
    assert status == -signal.SIGKILL
    status, _, error = here.run("r-2")
    assert (status, error) == (0, "")
    assert here.books == 1
    kinds = [kind for kind, _ in here.story()]
    assert kinds.count("run_started") == 2
    assert kinds[-1] in {"result", "run_started"}


def test_a_fault_is_remembered_and_the_next_run_goes_on(here: Here) -> None:
    status, _, error = here.run(BLUEGREEN_FAULT="shelf/put_book/before_act:error:1")
    assert status == 4
    assert error == (
        "error BG-4001: fault asked for at shelf/put_book/before_act\n"
        "  traffic: blue (nothing has moved)\n"
    )
    assert here.story()[-1] == ("failed", "shelf/put_book")
    assert here.run("r-2")[:2] == (0, "acted: shelf/put_book\n")


def stopped(here: Here, process: subprocess.Popen[str]) -> None:
    """Wait until the process has stopped itself at a point."""
    wait_until(
        lambda: Path(f"/proc/{process.pid}/stat").read_text().split()[2] == "T",
        "the run to stop at its point",
    )


def test_two_runs_at_once_and_the_second_is_told_who(here: Here) -> None:
    first = here.start(BLUEGREEN_FAULT="shelf/put_book/before_act:stop:1")
    stopped(here, first)
    status, out, error = here.run("r-2")
    assert (status, out) == (8, "")
    lines = error.splitlines()
    assert lines[0] == "error BG-8001: another operator holds the lease"
    assert lines[1].startswith(
        f"  seen:    on blue (127.0.0.1:{here.pair.blue.server.port}/"
    )
    assert f" {first.pid}', from 127.0.0.1, since 20" in lines[1]
    assert "'bluegreen run " in lines[1]
    assert [kind for kind, _ in here.story()].count("run_started") == 1
    first.send_signal(signal.SIGCONT)
    assert first.communicate(timeout=30)[0] == (
        "acted: shelf/make_shelf shelf/put_book\n"
    )


def test_a_killed_holder_holds_nothing(here: Here) -> None:
    first = here.start(BLUEGREEN_FAULT="shelf/put_book/before_act:stop:1")
    stopped(here, first)
    first.kill()
    blue, green = here.open()

    def free() -> bool:
        return read_holder(blue) is None and read_holder(green) is None

    wait_until(free, "the dead run's lease to be free")
    assert here.run("r-2")[0] == 0


def test_ctrl_c_lets_the_act_end_and_then_stops(here: Here) -> None:
    first = here.start(BLUEGREEN_FAULT="shelf/make_shelf/before_act:stop:1")
    stopped(here, first)
    first.send_signal(signal.SIGINT)
    first.send_signal(signal.SIGCONT)
    _, error = first.communicate(timeout=30)
    assert first.returncode == 4
    assert error == (
        "error BG-4007: interrupted before the shelf holds one book\n"
        "  seen:    nothing was half way\n"
        "  traffic: blue (nothing has moved)\n"
        "  hint:    run again; it goes on from here\n"
    )
    assert here.story()[-1] == ("result", "shelf/make_shelf")


def twice(here: Here, process: subprocess.Popen[str]) -> str:
    """Two signals that both come in: each is handled before the next is sent."""
    stopped(here, process)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGCONT)
    return process.communicate(timeout=30)[1]


def test_a_second_ctrl_c_stops_in_the_act(here: Here) -> None:
    first = here.start(BLUEGREEN_FAULT="shelf/make_shelf/before_act:stop:1")
    error = twice(here, first)
    assert first.returncode == 4
    assert error.splitlines()[:2] == [
        "error BG-4007: interrupted in the middle of shelf/make_shelf",
        "  seen:    the table is there or it is not.",
    ]
    assert here.story()[-1] == ("failed", "shelf/make_shelf")
    assert here.run("r-2")[0] == 0


def test_a_critical_act_is_not_left_for_a_second_ctrl_c(here: Here) -> None:
    first = here.start(
        "r-1", "--critical", BLUEGREEN_FAULT="shelf/make_shelf/before_act:stop:1"
    )
    error = twice(here, first)
    assert error.startswith("error BG-4007: interrupted before the shelf holds")
    assert here.story()[-1] == ("result", "shelf/make_shelf")


def test_the_laws_of_an_action(here: Here) -> None:
    """What every registered action must keep, on the smallest ones."""
    world = here.world()
    for action in (MakeShelf("shelf"), PutBook("shelf")):
        facts = action.observe(world)
        assert action.observe(world) == facts
        for _ in range(2):
            action.act(world, facts)
            assert type(action.judge(action.observe(world))).__name__ == "Satisfied"
        action.undo(world, facts)
        assert action.observe(world) == facts
        action.act(world, facts)


def test_a_plan_sees_ahead_and_changes_nothing(here: Here) -> None:
    world = here.world()
    made = plan([Shelf()], world)
    assert [one.kind for one in made.actions] == ["needed", "unseen"]
    assert made.not_allowed == (Hazard.CHANGES_GREEN_SCHEMA,)
    assert world.journal.records() == []
    Runner(world, run="r-1", allow=[Hazard.CHANGES_GREEN_SCHEMA]).run([Shelf()])
    again = plan([Shelf()], world)
    assert [one.kind for one in again.actions] == ["satisfied", "satisfied"]
    assert again.digest != made.digest
    assert plan([Shelf()], world, allow=Hazard).not_allowed == ()


def test_one_side_each_is_never_held(here: Here) -> None:
    """Green is taken by somebody who went past blue; blue is let go again."""
    blue, green = here.open("bluegreen rollback")
    with green.connect() as other:
        other.execute("SELECT pg_advisory_lock(7331, 1)")
        with pytest.raises(LeaseRefused, match="another operator"), Lease(blue, green):
            raise AssertionError("the lease was given twice")
        assert read_holder(blue) is None


def test_the_lease_is_lost_with_its_session(here: Here) -> None:
    blue, green = here.open()
    with Lease(blue, green) as lease:
        assert lease.still_held()
        lease.require_held()
        here.pair.green.run(
            "SELECT pg_terminate_backend(pid) FROM pg_locks"
            " WHERE locktype = 'advisory' AND (classid, objid) = (7331, 1)"
        )
        wait_until(lambda: not lease.still_held(), "the loss to be seen")
        with pytest.raises(LeaseRefused) as caught:
            lease.require_held()
    assert str(caught.value) == (
        "error BG-8001: the lease is not held any more\n"
        f"  seen:    {green.describe()} does not confirm it within 1.0 s\n"
        "  wanted:  this run's session holds the lease on both sides\n"
        "  hint:    did the network or a server break? Look at `bluegreen status`, "
        "then run again"
    )
    assert not lease.still_held(), "a lease that was given back is not held"


def test_a_lease_that_was_given_back_can_be_taken_at_once(here: Here) -> None:
    blue, green = here.open()
    for _ in range(20):
        with Lease(blue, green) as lease:
            assert lease.still_held()


def test_a_network_that_swallows_packets_is_a_no_in_good_time(here: Here) -> None:
    blue, _ = here.open()
    server = here.pair.green.server
    with Proxy(server.host, server.port) as proxy:
        green = Database(Side.GREEN, proxy.conninfo(here.pair.green.conninfo()))
        with Lease(blue, green) as lease:
            assert lease.still_held()
            proxy.set("black_hole")
            assert not lease.still_held(timedelta(milliseconds=50))
            proxy.set("ok")


@pytest.mark.parametrize("side", ["blue", "green"])
def test_a_side_that_is_down_stops_the_run_before_anything(
    here: Here, side: str, servers: Callable[..., Server]
) -> None:
    server = servers(15, "one-that-goes-down")
    server.stop("immediate")
    blue, green = here.open()
    down = Database(Side(side), server.conninfo())
    pair = (down, green) if side == "blue" else (blue, down)
    with pytest.raises(ServerRefused) as caught, engage(*pair, "shop", "r-1"):
        raise AssertionError("it was engaged")
    assert caught.value.problem == f"{side} cannot be reached"
    other = green if side == "blue" else blue
    assert read_holder(other) is None
    assert read_records(other) == []


def test_a_side_that_breaks_in_a_run_is_said_and_mended_by_the_next(
    here: Here,
) -> None:
    """The journal of green ends before blue's or the other way: both come back."""
    world = here.world()

    class Cut(MakeShelf):
        def act(self, world: World, facts: bool) -> dict[str, object]:
            world.green.session.close()
            here.pair.green.server.kill()
            return dict(super().act(world, facts))

        @classmethod
        def name(cls) -> str:
            return "make_shelf"

    class Broken(Shelf):
        def actions(self) -> tuple[Cut, ...]:  # type: ignore[override]
            return (Cut("shelf"),)

    allow = [Hazard.CHANGES_GREEN_SCHEMA]
    with pytest.raises((StepError, ServerRefused)) as caught:
        Runner(world, run="r-1", allow=allow).run([Broken()])
    assert caught.value.problem == "green cannot be reached"
    assert caught.value.traffic == "not confirmed: green cannot be reached"
    assert "the journal could not be told" in caught.value.seen
    here.stack.close()
    here.pair.green.server.start_again()
    assert here.run("r-2")[:2] == (0, "acted: shelf/make_shelf shelf/put_book\n")
    assert here.story()[1:3] == [("intent", "shelf/make_shelf"), ("run_started", "")]


def test_a_journal_that_lost_its_end_is_mended_by_the_next_run(here: Here) -> None:
    here.run()
    blue, _ = here.open()
    with blue.connect() as session:
        session.execute("ALTER TABLE bluegreen.journal DISABLE TRIGGER append_only")
        session.execute(
            "DELETE FROM bluegreen.journal"
            " WHERE seq = (SELECT max(seq) FROM bluegreen.journal)"
        )
        session.execute("ALTER TABLE bluegreen.journal ENABLE TRIGGER append_only")
    assert here.run("r-2")[0] == 0
    assert len(here.story()) == 6

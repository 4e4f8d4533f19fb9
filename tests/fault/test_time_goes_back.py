"""A side whose time went back is recognised before anything is done to either side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from bluegreen.lab.pooler import Pooler
from tests.kit.arena import Arena
from tests.kit.cli import Ended, call, write_playbook
from tests.kit.databases import Database
from tests.kit.own_servers import own_arena
from tests.kit.time_machine import set_back, snapshot
from tests.kit.wait import wait_until

pytestmark = pytest.mark.timeout(600)

STEPS = ({"step": "replicate"}, {"step": "cutover", "probe": False})
KILLED = -9


@contextmanager
def shop(
    folder: Path, pooler: Callable[..., Pooler], steps: object = STEPS
) -> Iterator[tuple[Arena, Path]]:
    """A table on blue, and the playbook that moves it."""
    with own_arena(folder, pooler) as here:
        here.pair.blue.run(
            "CREATE TABLE t (id int PRIMARY KEY, note text)",
            "INSERT INTO t SELECT g, 'first' FROM generate_series(1, 100) g",
        )
        yield here, write_playbook(here, folder, list(steps))  # type: ignore[call-overload]


def write(database: Database, rows: int) -> None:
    """As clients do, on the side that serves."""
    database.run(
        "INSERT INTO t SELECT m + g, 'more' FROM (SELECT max(id) m FROM t) x,"
        f" generate_series(1, {rows}) g"
    )


def count(database: Database) -> int:
    return int(str(database.value("SELECT count(*) FROM t")))


def refused(database: Database) -> bool:
    """Whether the fence refuses an application's write."""
    try:
        database.run("INSERT INTO t VALUES (-1, 'probe')", "DELETE FROM t WHERE id < 0")
    except psycopg.errors.ReadOnlySqlTransaction:
        return True
    return False


def objects(database: Database) -> tuple[object, ...]:
    """What a careless recovery would open, enable or drop."""
    return (
        database.rows(
            "SELECT slot_name FROM pg_replication_slots"
            " WHERE database = current_database() ORDER BY 1"
        ),
        database.rows("SELECT subname, subenabled FROM pg_subscription ORDER BY 1"),
        database.rows(
            "SELECT tgrelid, tgenabled FROM pg_trigger"
            " WHERE tgname = 'bluegreen_fence' ORDER BY 1"
        ),
        database.value("SELECT count(*) FROM bluegreen.journal"),
    )


def require_untouched(here: Arena, playbook: Path, says: str) -> None:
    """No verb acts, each says why, and `status` asks to stop and look."""
    before = [objects(one) for one in (here.pair.blue, here.pair.green)]
    for verb in ("run", "rollback"):
        ended = call(verb, playbook).require(8)
        assert "BG-8002" in ended.err
        assert says in ended.err, ended.err
    assert call("rollback", playbook, "--check").status != 0
    assert says in call("status", playbook).require(7).out
    assert [objects(one) for one in (here.pair.blue, here.pair.green)] == before


def arm(playbook: Path) -> Ended:
    """Everything but the pause."""
    return call("run", playbook, environ={"BLUEGREEN_FAULT": "move/ready:kill:1"})


@pytest.mark.sampled(2)
@pytest.mark.parametrize("promoted", [False, True], ids=["restored", "promoted"])
@pytest.mark.parametrize("side", ["blue", "green"])
def test_a_side_of_before_the_cutover_comes_back_behind_it(
    lab_folder: Path, pooler: Callable[..., Pooler], side: str, promoted: bool
) -> None:
    with shop(lab_folder, pooler) as (here, playbook):
        arm(playbook).require(KILLED)
        lost = getattr(here.pair, side)
        old = snapshot(lost.server)
        write(here.pair.blue, 50)
        call("run", playbook).require()
        write(here.pair.green, 10)
        wait_until(lambda: count(here.pair.blue) == 160, "blue to follow")
        set_back(lost.server, old, promoted=promoted)
        require_untouched(here, playbook, f"{side} went back in time: it had confirmed")


@pytest.mark.sampled(1)
@pytest.mark.parametrize("side", ["blue", "green"])
def test_a_side_comes_back_without_a_rollback(
    lab_folder: Path, pooler: Callable[..., Pooler], side: str
) -> None:
    with shop(lab_folder, pooler) as (here, playbook):
        call("run", playbook).require()
        lost = getattr(here.pair, side)
        old = snapshot(lost.server)
        write(here.pair.green, 10)
        # The snapshot took a restart, which only comparing rows can tell from a loss.
        call("rollback", playbook, "--prove").require()
        write(here.pair.blue, 10)
        wait_until(lambda: count(here.pair.green) == 120, "green to follow")
        set_back(lost.server, old)
        require_untouched(here, playbook, f"{side} went back in time: it had confirmed")


@pytest.mark.sampled(1)
@pytest.mark.parametrize("side", ["blue", "green"])
def test_a_side_comes_back_without_its_copy(
    lab_folder: Path, pooler: Callable[..., Pooler], side: str
) -> None:
    copying = ({"step": "replicate"},)
    with shop(lab_folder, pooler, copying) as (here, playbook):
        write_playbook(here, lab_folder, [{"step": "check"}])
        call("run", playbook)
        lost = getattr(here.pair, side)
        old = snapshot(lost.server)
        write_playbook(here, lab_folder, list(copying))
        call("run", playbook).require()
        set_back(lost.server, old)
        require_untouched(here, playbook, f"{side} went back in time: it had confirmed")

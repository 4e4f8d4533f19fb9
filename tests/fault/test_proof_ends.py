"""A proof says what it proves, and ends with it: no gap is moved over in silence."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from bluegreen.lab.pooler import Pooler
from bluegreen.model.errors import BluegreenError
from bluegreen.model.history import fold
from bluegreen.model.side import Side
from bluegreen.postgres.fence.fence import open_fence, read_fence
from bluegreen.steps.validate import Validate
from tests.fault.test_time_goes_back import STEPS, count, shop, write
from tests.kit.arena import Arena, bring_about, move, replicate
from tests.kit.cli import call
from tests.kit.databases import Database
from tests.kit.time_machine import fail_over, set_back, snapshot
from tests.kit.wait import wait_until

pytestmark = pytest.mark.timeout(600)

PROVED = (
    {"step": "replicate"},
    {"step": "validate"},
    {"step": "cutover", "probe": False},
)


either_way = pytest.mark.parametrize(
    "steps", [PROVED, STEPS], ids=["validate", "no-validate"]
)


def require_in_doubt(playbook: Path, says: str) -> None:
    """`status` says so, and a rollback without a proof refuses."""
    told = call("status", playbook).require().out
    assert "in doubt: follower" in told, told
    assert says in told
    assert call("rollback", playbook, "--check").status != 0
    ended = call("rollback", playbook).require(6)
    assert "BG-6001" in ended.err
    assert "rollback PLAYBOOK --prove" in ended.err


def await_confirmed(publisher: Database) -> None:
    """What a slot has confirmed is not sent again."""
    position = publisher.value("SELECT pg_current_wal_insert_lsn()")
    wait_until(
        lambda: publisher.value(
            "SELECT bool_and(confirmed_flush_lsn >= %s) FROM pg_replication_slots"
            " WHERE active",
            position,
        ),
        "the slot to confirm",
    )


def restart(here: Arena) -> None:
    here.pair.blue.server.stop()
    here.pair.blue.server.start_again()


def test_a_follower_that_was_set_back_in_the_window(
    lab_folder: Path, pooler: Callable[..., Pooler]
) -> None:
    with shop(lab_folder, pooler) as (here, playbook):
        call("run", playbook).require()
        blue, green = here.pair.blue, here.pair.green
        old = snapshot(blue.server)
        write(green, 50)
        wait_until(lambda: count(blue) == 150, "blue to follow")
        await_confirmed(green)
        set_back(blue.server, old)
        write(green, 10)
        wait_until(lambda: count(blue) >= 110, "blue to follow again")
        assert count(blue) < 160, "rows are lost in the gap"
        require_in_doubt(playbook, "blue was started again")
        ended = call("rollback", playbook, "--prove").require(6)
        assert "blue does not hold the rows of green in 1 table" in ended.err
        assert call("status", playbook, "--json").json["serving"] == "green"


def test_a_planned_restart_in_the_window_is_proved_and_passes(
    lab_folder: Path, pooler: Callable[..., Pooler]
) -> None:
    with shop(lab_folder, pooler) as (here, playbook):
        call("run", playbook).require()
        green = here.pair.green
        green.server.stop()
        green.server.start_again()
        assert "rollback: open" in call("status", playbook).require().out
        restart(here)
        write(green, 10)
        require_in_doubt(playbook, "blue was started again")
        call("rollback", playbook, "--prove").require()
        assert count(here.pair.blue) == 110
        assert call("status", playbook, "--json").json["serving"] == "blue"


def test_a_transaction_skipped_in_the_window(
    lab_folder: Path, pooler: Callable[..., Pooler]
) -> None:
    with shop(lab_folder, pooler) as (here, playbook):
        call("run", playbook).require()
        blue, green = here.pair.blue, here.pair.green
        with blue.connect() as session:
            session.execute("SET session_replication_role = replica")
            session.execute("INSERT INTO t VALUES (120, 'stray')")
        write(green, 41)
        counted = "SELECT sum(apply_error_count) FROM pg_stat_subscription_stats"
        wait_until(lambda: int(str(blue.value(counted))) > 0, "an apply error")
        skip(here)
        write(green, 1)
        wait_until(
            lambda: blue.value("SELECT count(*) FROM t WHERE id = 142") == 1, "the rest"
        )
        require_in_doubt(playbook, "the subscription on blue failed and was altered")
        ended = call("rollback", playbook, "--prove").require(6)
        assert "public.t differs" in ended.err


def leave_out(publisher: Database) -> None:
    """A table is not sent for a moment, and nothing shows it afterwards."""
    name = publisher.value("SELECT pubname FROM pg_publication")
    publisher.run(f"ALTER PUBLICATION {name} DROP TABLE t")
    write(publisher, 40)
    publisher.run(f"ALTER PUBLICATION {name} ADD TABLE t")


def test_a_publication_changed_and_put_back_in_the_window(
    lab_folder: Path, pooler: Callable[..., Pooler]
) -> None:
    with shop(lab_folder, pooler) as (here, playbook):
        call("run", playbook).require()
        leave_out(here.pair.green)
        require_in_doubt(playbook, "the publication on green was changed")
        ended = call("rollback", playbook, "--prove").require(6)
        assert "public.t differs" in ended.err


def test_a_table_published_in_the_window_is_no_doubt(
    lab_folder: Path, pooler: Callable[..., Pooler]
) -> None:
    with shop(lab_folder, pooler) as (here, playbook):
        call("run", playbook).require()
        blue, green = here.pair.blue, here.pair.green
        for one in (green, blue):
            one.run("CREATE TABLE more (id int PRIMARY KEY)")
        name = green.value("SELECT pubname FROM pg_publication")
        green.run(f"ALTER PUBLICATION {name} ADD TABLE more")
        told = call("status", playbook).out
        assert re.search(r"ok +follower", told), told


def skip(here: Arena) -> None:
    """As PostgreSQL's manual says: by the position in the worker's error."""
    log = here.pair.blue.server.log_text
    words = "finished at "
    wait_until(lambda: words in log(), "the error's position")
    position = log().rsplit(words, 1)[1].split()[0].strip(",")
    name = here.pair.blue.value("SELECT subname FROM pg_subscription")
    here.pair.blue.run(f"ALTER SUBSCRIPTION {name} SKIP (lsn = '{position}')")


def proved(playbook: Path) -> None:
    """Replicate and validate, and die before the pause."""
    fault = {"BLUEGREEN_FAULT": "move/ready:kill:1"}
    call("run", playbook, environ=fault).require(-9)


@pytest.mark.sampled(1)
@either_way
def test_a_follower_set_back_before_the_cutover_is_compared_again(
    lab_folder: Path, pooler: Callable[..., Pooler], steps: object
) -> None:
    with shop(lab_folder, pooler, steps) as (here, playbook):
        blue, green = here.pair.blue, here.pair.green
        proved(playbook)
        old = snapshot(green.server)
        write(blue, 50)
        wait_until(lambda: count(green) == 150, "green to follow")
        await_confirmed(blue)
        set_back(green.server, old)
        write(blue, 5)
        wait_until(lambda: count(green) >= 105, "green to follow again")
        assert re.search(r"warning +follower", call("status", playbook).require().out)
        assert "rows differ between blue and green in 1 tables" in require_refused(
            playbook
        )


def require_refused(playbook: Path) -> str:
    """No client was held back for it."""
    ended = call("run", playbook).require(4)
    assert "switch_traffic" not in ended.err
    assert call("status", playbook, "--json").json["serving"] == "blue"
    return ended.err


@pytest.mark.sampled(1)
@either_way
def test_a_planned_restart_before_the_cutover_is_compared_and_passes(
    lab_folder: Path, pooler: Callable[..., Pooler], steps: object
) -> None:
    with shop(lab_folder, pooler, steps) as (here, playbook):
        proved(playbook)
        for one in (here.pair.green, here.pair.blue):
            one.server.stop()
            one.server.start_again()
        write(here.pair.blue, 5)
        ended = call("run", playbook).require()
        assert count(here.pair.green) == 105
        assert ("every row is compared" in ended.err) is (steps is STEPS), ended.err


def test_a_publication_that_was_changed_and_put_back_ends_the_proof(
    lab_folder: Path, pooler: Callable[..., Pooler]
) -> None:
    with shop(lab_folder, pooler, PROVED) as (here, playbook):
        blue, green = here.pair.blue, here.pair.green
        proved(playbook)
        name = next(
            str(one)
            for (one,) in blue.rows("SELECT pubname FROM pg_publication")
            if here.name in str(one)
        )
        follows = green.value(
            "SELECT subname FROM pg_subscription WHERE %s = ANY (subpublications)", name
        )
        refresh = f"ALTER SUBSCRIPTION {follows} REFRESH PUBLICATION"
        blue.run(f"ALTER PUBLICATION {name} DROP TABLE t")
        green.run(refresh)
        write(blue, 40)
        blue.run(f"ALTER PUBLICATION {name} ADD TABLE t")
        green.run(f"{refresh} WITH (copy_data = false)")
        ended = call("run", playbook).require(4)
        assert "rows differ between blue and green" in ended.err, ended.err
        assert call("status", playbook, "--json").json["serving"] == "blue"


def test_a_fence_found_open_on_the_other_side_is_closed_and_a_doubt(
    lab_folder: Path, pooler: Callable[..., Pooler]
) -> None:
    with shop(lab_folder, pooler) as (here, playbook):
        call("run", playbook).require()
        blue = here.database(Side.BLUE)
        open_fence(blue)
        here.pair.blue.run("INSERT INTO t VALUES (500, 'stale client')")
        call("status", playbook).require(7)
        call("run", playbook).require()
        assert read_fence(blue).is_closed
        require_in_doubt(playbook, "blue did not serve and its fence found open at")
        ended = call("rollback", playbook, "--prove").require(6)
        assert "public.t differs" in ended.err


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    "point", ["recover/doubt_noted", "run/recover_switchover/after_act"]
)
def test_the_doubt_of_an_open_fence_outlives_the_run_that_closed_it(
    lab_folder: Path, pooler: Callable[..., Pooler], point: str
) -> None:
    with shop(lab_folder, pooler) as (here, playbook):
        call("run", playbook).require()
        open_fence(here.database(Side.BLUE))
        here.pair.blue.run("INSERT INTO t VALUES (500, 'stale client')")
        killed = {"BLUEGREEN_FAULT": f"{point}:kill:1"}
        assert call("run", playbook, environ=killed).status == -signal.SIGKILL
        call("run", playbook).require()
        assert read_fence(here.database(Side.BLUE)).is_closed
        require_in_doubt(playbook, "blue did not serve and its fence found open at")


@pytest.mark.sampled(1)
@pytest.mark.parametrize("again", [True, False], ids=["enabled-again", "left-off"])
def test_a_trigger_that_was_disabled_on_the_other_side_is_a_doubt(
    lab_folder: Path, pooler: Callable[..., Pooler], again: bool
) -> None:
    """The idiom of a bulk load, by a stale client; a run enables what it left off."""
    with shop(lab_folder, pooler) as (here, playbook):
        call("run", playbook).require()
        here.pair.blue.run(
            "ALTER TABLE t DISABLE TRIGGER ALL",
            "INSERT INTO t VALUES (500, 'stale client')",
            *(["ALTER TABLE t ENABLE TRIGGER ALL"] if again else []),
        )
        says = (
            "was off for a while on public.t" if again else "its fence is half closed"
        )
        assert says in call("status", playbook).out
        call("run", playbook).require()
        assert read_fence(here.database(Side.BLUE)).is_closed
        require_in_doubt(playbook, "blue did not serve and its fence found open at")
        ended = call("rollback", playbook, "--prove").require(6)
        assert "public.t differs" in ended.err


def test_a_failover_to_a_standby_that_has_everything_passes_before_the_cutover(
    lab_folder: Path, pooler: Callable[..., Pooler]
) -> None:
    with shop(lab_folder, pooler, PROVED) as (here, playbook):
        proved(playbook)
        for one in (here.pair.blue, here.pair.green):
            fail_over(one.server)
        write(here.pair.blue, 5)
        assert "timeline 2, it was 1" in call("status", playbook).out
        call("run", playbook).require()
        assert count(here.pair.green) == 105


def test_a_failover_to_a_standby_that_has_everything_passes_in_the_window(
    lab_folder: Path, pooler: Callable[..., Pooler]
) -> None:
    with shop(lab_folder, pooler) as (here, playbook):
        call("run", playbook).require()
        for one in (here.pair.green, here.pair.blue):
            fail_over(one.server)
        write(here.pair.green, 10)
        told = call("status", playbook).out
        assert "in doubt" in told, told
        ended = call("rollback", playbook).require(6)
        assert "--prove" in ended.err
        call("rollback", playbook, "--prove").require()
        assert count(here.pair.blue) == 110
        assert call("status", playbook, "--json").json["serving"] == "blue"


def test_a_publication_changed_and_put_back_behind_the_proof_stops_the_move(
    lab_folder: Path, pooler: Callable[..., Pooler]
) -> None:
    """Hours may lie between the two: an approval, a calendar."""
    with shop(lab_folder, pooler) as (here, _):
        world = here.world()
        replicate(world)
        bring_about(world, *Validate().actions())
        blue, green = here.pair.blue, here.pair.green
        name = f"bluegreen_{here.name}_from_blue"
        refresh = f"ALTER SUBSCRIPTION {name} REFRESH PUBLICATION"
        blue.run(f"ALTER PUBLICATION {name} DROP TABLE t")
        green.run(refresh)
        write(blue, 40)
        blue.run(f"ALTER PUBLICATION {name} ADD TABLE t")
        green.run(f"{refresh} WITH (copy_data = false)")
        with pytest.raises(BluegreenError) as caught:
            move(world, Side.GREEN)
        assert caught.value.code == 4011
        assert "validate/compare_rows" in caught.value.problem
        assert fold(world.journal.records()).serving is Side.BLUE

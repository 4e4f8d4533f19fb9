"""Green becomes a replica of blue, whatever blue's schema holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from bluegreen.model.errors import ServerRefused
from bluegreen.model.secret import Secret
from bluegreen.model.side import Side
from bluegreen.postgres.database import Database as Handle
from bluegreen.postgres.replication.publication import PublishedTable, publish
from bluegreen.postgres.replication.stream import (
    create_slot,
    create_subscription,
    drop_slot,
)
from bluegreen.postgres.schema.dump import schema_dump
from bluegreen.postgres.schema.missing import missing_of
from bluegreen.steps.replicate import Replicate
from tests.kit.arena import Arena, bring_about, replicate, replicated
from tests.kit.cli import call, write_playbook
from tests.kit.counts import counts
from tests.kit.databases import recreate
from tests.kit.wait import wait_until

RICH = Path(__file__).parents[1] / "cases" / "schemas" / "rich.sql"
PAIRS = [(13, 18), (15, 15)]


def load_rich(here: Arena) -> None:
    with here.pair.blue.connect() as session:
        session.execute(RICH.read_bytes())


@pytest.mark.parametrize("majors", PAIRS, ids=lambda m: f"{m[0]}-{m[1]}")
def test_a_rich_schema_arrives_whole(
    arena: Callable[..., Arena], majors: tuple[int, int]
) -> None:
    here = arena(*majors)
    load_rich(here)
    world = here.world()
    replicate(world, identity_full=("sales.log",))
    for section in ("pre-data", "post-data"):
        with schema_dump(world.blue, section) as dump:
            assert missing_of(world.blue, world.green, dump.entries()) == set()
    assert counts(here.pair.green) == counts(here.pair.blue)
    here.pair.blue.run(
        "UPDATE sales.log SET line = 'changed' WHERE line = 'line 7'",
        "DELETE FROM sales.lines WHERE article = 'article 9'",
        "INSERT INTO sales.events (at, what) VALUES ('2026-12-31', 'a')",
        "UPDATE sales.orders SET net = net + 1 WHERE id = 3",
    )
    wait_until(
        lambda: here.pair.green.value(
            "SELECT count(*) FROM sales.events WHERE at = '2026-12-31'"
        ),
        "the stream",
    )
    same = "SELECT net, gross, changed FROM sales.orders WHERE id = 3"
    wait_until(
        lambda: here.pair.green.rows(same) == here.pair.blue.rows(same), "the update"
    )


def test_run_again_changes_nothing(arena: Callable[..., Arena]) -> None:
    _, world = replicated(arena)
    told = len(world.journal.records())
    replicate(world)
    assert len(world.journal.records()) == told + 1


def test_a_table_without_identity_refuses_before_anything_is_made(
    arena: Callable[..., Arena],
) -> None:
    here = arena(16, 18)
    here.pair.blue.run("CREATE TABLE keyless (id int)")
    world = here.world()
    with pytest.raises(ServerRefused) as caught:
        replicate(world)
    assert caught.value.problem == "1 tables of blue have no replica identity"
    assert here.pair.blue.value("SELECT count(*) FROM pg_publication") == 0
    assert here.pair.green.value("SELECT to_regclass('keyless')") is None


def test_a_green_with_tables_of_its_own_is_refused(
    arena: Callable[..., Arena],
) -> None:
    here = arena(16, 18)
    here.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY)")
    here.pair.green.run("CREATE TABLE someone_elses (id int PRIMARY KEY)")
    with pytest.raises(ServerRefused) as caught:
        replicate(here.world())
    assert str(caught.value) == (
        "error BG-3004: green is not empty\n"
        "  seen:    1 tables, among them public.someone_elses\n"
        "  wanted:  an empty database, or one with all of blue's tables\n"
        "  traffic: blue (nothing has moved)\n"
        "  hint:    make a new database for green; was this one meant for something "
        "else?"
    )


def test_an_excluded_table_comes_without_rows(arena: Callable[..., Arena]) -> None:
    here = arena(16, 18)
    here.pair.blue.run(
        "CREATE TABLE t (id int PRIMARY KEY)",
        "CREATE TABLE versions (v int)",
        "INSERT INTO versions VALUES (1)",
        "INSERT INTO t VALUES (1)",
    )
    replicate(here.world(), exclude=("public.versions",))
    assert here.pair.green.value("SELECT count(*) FROM versions") == 0
    assert here.pair.green.value("SELECT count(*) FROM t") == 1


def test_green_refuses_early_writers(arena: Callable[..., Arena]) -> None:
    here = arena(16, 18)
    here.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY)")
    replicate(here.world())
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        here.pair.green.run("INSERT INTO t VALUES (1)")


def test_undoing_every_action_leaves_blue_as_it_was(
    arena: Callable[..., Arena],
) -> None:
    here = arena(16, 18)
    here.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE k (i int)")
    world = here.world()
    step = Replicate(identity_full=("public.k",))
    bring_about(world, *step.actions())
    for action in reversed(step.actions()):
        if not action.no_undo:
            action.undo(world, action.observe(world))
    for what in ("pg_publication", "pg_replication_slots"):
        count = f"SELECT count(*) FROM {what}"
        if what == "pg_replication_slots":
            count += " WHERE database = current_database()"
        assert here.pair.blue.value(count) == 0
    identity = "SELECT relreplident FROM pg_class WHERE relname = 'k'"
    assert here.pair.blue.value(identity) == "d"


def test_no_password_reaches_the_server_log(
    arena: Callable[..., Arena],
) -> None:
    here = arena(16, 18)
    here.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY)")
    here.pair.green.run(
        f"ALTER DATABASE {here.pair.green.name} SET log_statement = 'all'"
    )
    world = here.world()
    secret = Handle(Side.BLUE, here.conninfo(Side.BLUE), password=Secret("c4nary-p4ss"))
    here.stack.callback(secret.close)
    publish(world.blue, here.name, (PublishedTable("public", "t"),))
    here.pair.green.run("CREATE TABLE t (id int PRIMARY KEY)")
    create_slot(world.blue, here.name)
    create_subscription(world.green, secret, here.name, copy_data=True, enabled=False)
    log = here.pair.green.server.log_text()
    assert "CREATE TABLE t" in log
    assert "c4nary-p4ss" not in log


def test_a_new_slot_is_not_made_under_an_old_stream(
    arena: Callable[..., Arena],
) -> None:
    here, world = replicated(arena)
    drop_slot(world.blue, f"bluegreen_{here.name}_from_blue", world.clock)
    here.pair.blue.run("INSERT INTO t VALUES (1)")
    with pytest.raises(ServerRefused) as caught:
        replicate(world)
    assert caught.value.problem == "the slot on blue has lost what green still needs"
    assert caught.value.seen == "green has its subscription, and the slot is gone"


def test_a_green_that_was_made_anew_is_filled_anew(
    arena: Callable[..., Arena], tmp_path: Path
) -> None:
    here = arena(16, 18)
    here.pair.blue.run(
        "CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)"
    )
    playbook = write_playbook(here, tmp_path, [{"step": "replicate"}])
    call("run", playbook).require()
    green = here.pair.green
    recreate(green)
    here.pair.blue.run("INSERT INTO t VALUES (2)")
    call("run", playbook).require()
    assert green.rows("SELECT id FROM t ORDER BY id") == [(1,), (2,)]

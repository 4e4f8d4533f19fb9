"""What the check reads from servers of every major, and what it makes of them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from bluegreen.lab.server import Server
from bluegreen.model.accept import Accepted
from bluegreen.model.errors import ServerRefused
from bluegreen.model.record import Kind
from bluegreen.model.secret import Secret
from bluegreen.model.side import Side
from bluegreen.model.verdict import Refused, Satisfied
from bluegreen.postgres.catalog.server_facts import read_server_facts
from bluegreen.postgres.database import Database
from bluegreen.steps.check import Check, find
from bluegreen.steps.monitors.limits import Limits
from bluegreen.steps.world import World
from tests.integration.test_check_planted import FAR, NOTE, PARTS
from tests.kit.databases import (
    Database as PlainDatabase,
)
from tests.kit.databases import (
    DatabasePair,
    create_database,
    drop_databases,
)
from tests.kit.findings import blocking, seen
from tests.kit.steps import open_world, replicate

Pairs = Callable[[int, int], DatabasePair]


@pytest.mark.parametrize("major", range(13, 19))
def test_every_major_is_read(
    major: int, database: Callable[[int], PlainDatabase]
) -> None:
    planted = database(major)
    planted.run(*NOTE, *PARTS, *FAR, "CREATE SEQUENCE s")
    side = Database(Side.BLUE, planted.conninfo())
    try:
        facts = read_server_facts(side, filled=True)
    finally:
        side.close()
    assert facts.major == major
    assert facts.database == planted.name
    kinds = {relation.name: relation.kind for relation in facts.relations}
    assert kinds == {
        "far": "foreign",
        "log": "table",
        "orders": "table",
        "parts": "partitioned",
        "parts_1": "table",
    }
    assert facts.relations[2].identity_columns == ("id",)
    assert facts.relations[4].root_name == "public.parts"
    assert facts.contents.sequences == 1
    assert facts.rights.superuser
    assert facts.settings.text("TimeZone") == "UTC"
    assert facts.settings.number("max_wal_size") == 1024**3
    assert facts.collation.collate == "C.UTF-8"
    assert facts.extensions.installed == {"plpgsql": "1.0"}
    assert facts.extensions.offered["plpgsql"].default == "1.0"
    assert facts.streams.worker_processes >= 1
    assert facts.streams.wal_bytes
    assert abs(facts.clock_ahead_s) < 1


@pytest.mark.parametrize(("blue", "green"), [(13, 15), (14, 16), (15, 17), (18, 18)])
def test_two_good_servers_let_the_run_go_on(
    blue: int, green: int, database_pair: Pairs, tmp_path: Path
) -> None:
    pair = database_pair(blue, green)
    pair.blue.run("CREATE TABLE orders (id int PRIMARY KEY)")
    with open_world(pair, tmp_path) as world:
        action, _ = Check().actions()
        facts = action.observe(world)
    assert [f for f in facts.all if f.is_blocking] == []
    assert isinstance(action.judge(facts), Satisfied)


def test_a_schema_that_is_not_ours_blocks(database_pair: Pairs, tmp_path: Path) -> None:
    pair = database_pair(16, 16)
    with open_world(pair, tmp_path) as world:
        for side in (pair.blue, pair.green):
            side.run("DROP SCHEMA bluegreen CASCADE")
        pair.green.run("CREATE SCHEMA bluegreen")
        [finding] = seen(world)["schema-taken"]
        assert (finding.where, finding.is_blocking) == ("green", True)
        pair.green.run(finding.fix)
        assert blocking(world) == []


def test_a_database_of_another_playbook_blocks(
    database_pair: Pairs, tmp_path: Path
) -> None:
    pair = database_pair(16, 16)
    with open_world(pair, tmp_path, name="billing"):
        pass
    with open_world(pair, tmp_path) as world:
        assert blocking(world) == ["other-playbook", "other-playbook"]


def test_encoding_and_collation(database_pair: Pairs, tmp_path: Path) -> None:
    pair = database_pair(16, 16)
    name = f"{pair.green.name}_ascii"
    with ExitStack() as stack:
        stack.callback(pair.green.run, f"DROP DATABASE IF EXISTS {name}")
        pair.green.run(
            f"CREATE DATABASE {name} ENCODING SQL_ASCII LC_COLLATE 'C' LC_CTYPE 'C'"
            " TEMPLATE template0"
        )
        blue = Database(Side.BLUE, pair.blue.conninfo())
        stack.callback(blue.close)
        green = Database(Side.GREEN, pair.green.server.conninfo(name))
        stack.callback(green.close)
        home = stack.enter_context(open_world(pair, tmp_path))
        world = World("shop", blue, green, (), home.journal)
        assert blocking(world) == ["encoding-differs", "collation-differs"]


def test_one_database_under_two_names(database_pair: Pairs, tmp_path: Path) -> None:
    pair = database_pair(16, 16)
    with open_world(pair, tmp_path) as world, ExitStack() as stack:
        green = Database(Side.GREEN, pair.blue.conninfo())
        stack.callback(green.close)
        with pytest.raises(ServerRefused) as refused:
            find(World("shop", world.blue, green, (), world.journal))
    assert refused.value.code == 3002


def test_each_right_that_is_missing_has_its_grant(
    database_pair: Pairs, tmp_path: Path
) -> None:
    pair = database_pair(16, 18)
    pair.blue.run(
        "CREATE TABLE t (id int PRIMARY KEY)",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE t FORCE ROW LEVEL SECURITY",
    )
    drop = (
        "DROP OWNED BY check_bg, check_owner CASCADE",
        "DROP ROLE check_bg, check_owner",
    )
    with ExitStack() as stack:
        for side in (pair.blue, pair.green):
            side.run("CREATE ROLE check_owner", "CREATE ROLE check_bg LOGIN")
            stack.callback(side.run, *drop)
        pair.blue.run("ALTER TABLE t OWNER TO check_owner")
        home = stack.enter_context(open_world(pair, tmp_path))
        for side in (pair.blue, pair.green):
            side.run(
                "GRANT USAGE ON SCHEMA bluegreen TO check_bg",
                "GRANT ALL ON ALL TABLES IN SCHEMA bluegreen TO check_bg",
            )
        blue = Database(Side.BLUE, pair.blue.conninfo("check_bg"))
        green = Database(
            Side.GREEN, pair.green.conninfo("check_bg"), password=Secret("any")
        )
        stack.callback(blue.close)
        stack.callback(green.close)
        world = World("shop", blue, green, (), home.journal)
        rights = [
            "right-replication",
            "right-subscribe",
            "right-origins",
            "right-create",
        ]
        found = [f for f in find(world) if f.is_blocking]
        assert [f.id for f in found] == [
            *rights,
            "right-monitor",
            *rights,
            "right-public",
            "right-monitor",
            "right-owner",
            "row-security",
        ]
        for finding in find(world):
            if finding.id.startswith(("right", "row-s", "settings-unseen")):
                side = pair.blue if finding.where == "blue" else pair.green
                side.run(finding.fix)
        # Only now is it seen that blue's DSN has no password for green's subscription.
        assert blocking(world) == ["right-password"]
        [finding] = seen(world)["right-password"]
        assert (finding.where, finding.fix) == (
            "green",
            "give blue a `password` in the playbook",
        )


SMALL = {
    "wal_level": "replica",
    "max_replication_slots": "1",
    "max_active_replication_origins": "1",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "1",
    "max_sync_workers_per_subscription": "1",
    "max_worker_processes": "2",
    "max_slot_wal_keep_size": "64MB",
    "idle_replication_slot_timeout": "60",
    "wal_sender_timeout": "2s",
    "synchronous_commit": "off",
    "timezone": "Europe/Berlin",
    "datestyle": "iso, dmy",
    "lock_timeout": "5s",
}


def test_a_server_that_is_set_too_small(
    servers: Callable[..., Server], lab_folder: Path, tmp_path: Path
) -> None:
    with (
        Server.start(18, lab_folder / "small", settings=SMALL) as small,
        ExitStack() as stack,
    ):
        green = create_database(small, "green")
        small.configure(default_transaction_read_only="on")
        blue = create_database(servers(18), "blue")
        stack.callback(drop_databases, blue)
        world = stack.enter_context(open_world(DatabasePair(blue, green), tmp_path))
        on_green = [f for f in find(world) if f.where == "green"]
        assert [(f.id, f.is_blocking) for f in on_green] == [
            ("read-only-by-default", True),
            ("wal-level", True),
            ("few-senders", True),
            ("few-origins", True),
            ("few-workers", True),
            ("few-processes", True),
            ("few-sync-workers", False),
            ("limits-lower", False),
            ("wal-limit-small", False),
            ("slot-timeout", True),
            ("sender-timeout", False),
            ("asynchronous-commit", False),
            ("time-zone-differs", True),
            ("setting-differs", True),
            ("setting-differs", True),
        ]
        for finding in on_green:
            if finding.fix and finding.id != "wal-limit-small":
                _run_in_psql_fashion(green, finding.fix)
        small.stop()
        small.start_again()
        world.green.close()
        assert {f.id for f in find(world) if f.where == "green"} == {
            "wal-limit-small",
            "asynchronous-commit",
        }


def _run_in_psql_fashion(database: PlainDatabase, statements: str) -> None:
    """One by one: ALTER SYSTEM is refused where several come as one."""
    database.run(*filter(None, statements.split("; ")))


def test_a_standby_that_is_waited_for(
    servers: Callable[..., Server], lab_folder: Path, tmp_path: Path
) -> None:
    with (
        Server.start(16, lab_folder / "waiting") as waiting,
        ExitStack() as stack,
    ):
        blue = create_database(waiting, "blue")
        green = create_database(servers(16), "green")
        stack.callback(drop_databases, green)
        world = stack.enter_context(open_world(DatabasePair(blue, green), tmp_path))
        waiting.configure(synchronous_standby_names="replica1")
        [finding] = seen(world)["synchronous-standbys"]
        assert finding.is_blocking
        waiting.configure(synchronous_standby_names="")
        assert "synchronous-standbys" not in seen(world)


def test_a_pair_at_work_brings_up_nothing_of_ours(
    database_pair: Pairs, tmp_path: Path
) -> None:
    pair = database_pair(16, 18)
    for side in (pair.blue, pair.green):
        side.run("CREATE TABLE orders (id int PRIMARY KEY)")
    pair.blue.run("INSERT INTO orders VALUES (1)")
    with open_world(pair, tmp_path) as world:
        replicate(pair, world, "orders")
        assert blocking(world) == ["green-not-empty"]
        world.journal.append(Kind.RESULT, action="replicate/copy_schema")
        pair.green.run("CREATE TABLE orders_by_day (id int PRIMARY KEY)")
        assert blocking(world) == []
        assert set(seen(world)) <= {
            "wal-unbounded",
            "prepared-transactions-possible",
            "other-slot",
            "role-missing-unused",
        }


def test_a_refusal_names_all_that_blocks(database_pair: Pairs, tmp_path: Path) -> None:
    pair = database_pair(16, 16)
    pair.blue.run(
        "CREATE TABLE notes (body text)", "CREATE UNLOGGED TABLE cache (body text)"
    )
    with open_world(pair, tmp_path) as world:
        action, _ = Check().actions()
        assert action.judge(action.observe(world)) == Refused(
            3003,
            "the check found something that blocks: 2 findings block",
            seen="blue: table-without-identity: public.notes has no primary key\n"
            "blue: unlogged-table: public.cache is UNLOGGED",
            wanted="none of these, or an entry in `accept` for each",
            hint="on blue: ALTER TABLE public.notes REPLICA IDENTITY FULL; -- or add a "
            "primary key, or name the table in `identity_full` or `exclude` of the "
            "step replicate\n"
            "on blue: ALTER TABLE public.cache SET LOGGED; -- rewrites the table; or "
            "name it in `exclude` of the step replicate\n"
            "then run again; to go on all the same:\n"
            "accept:\n"
            "  - {id: table-without-identity, object: blue, reason: why}\n"
            "  - {id: unlogged-table, object: blue, reason: why}",
        )
        action, _ = Check(identity_full=("public.notes",)).actions()
        limits = Limits(accept=(Accepted("unlogged-table", "meant"),))
        accepting = replace(world, limits=limits)
        assert isinstance(action.judge(action.observe(accepting)), Satisfied)

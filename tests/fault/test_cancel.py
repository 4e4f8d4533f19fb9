"""A move is given up before its cutover, and both servers are as they were."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bluegreen.lab.pooler import Pooler
from tests.fault.test_pointer_login import with_app, write_as_client
from tests.fault.test_time_goes_back import shop
from tests.kit.arena import Arena
from tests.kit.cli import call
from tests.kit.databases import Database
from tests.kit.wait import wait_until

pytestmark = pytest.mark.timeout(600)

ATTRIBUTES = """
    SELECT attrelid::regclass::text, attname::text FROM pg_attribute
    JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace
    WHERE n.nspname = 'public' AND attnum > 0 AND NOT attisdropped ORDER BY 1, 2
"""
RELATIONS = """
    SELECT c.oid::regclass::text, c.relkind::text, c.relreplident::text, c.relacl::text
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname !~ '^(pg_|information_schema)' ORDER BY 1
"""
FUNCTIONS = """
    SELECT p.oid::regprocedure::text FROM pg_proc p
    JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname !~ '^(pg_|information_schema)' ORDER BY 1
"""
TRIGGERS = """
    SELECT tgrelid::regclass::text, tgname::text FROM pg_trigger
    WHERE NOT tgisinternal ORDER BY 1, 2
"""
SETTINGS = """
    SELECT setdatabase::text, setrole::text, setconfig::text FROM pg_db_role_setting
    ORDER BY 1, 2
"""
LOOKS = (
    "SELECT nspname::text FROM pg_namespace WHERE nspname !~ '^pg_' ORDER BY 1",
    "SELECT subname::text FROM pg_subscription ORDER BY 1",
    "SELECT pubname::text FROM pg_publication ORDER BY 1",
    "SELECT slot_name::text FROM pg_replication_slots ORDER BY 1",
    "SELECT roname::text FROM pg_replication_origin ORDER BY 1",
    TRIGGERS,
    "SELECT evtname::text FROM pg_event_trigger ORDER BY 1",
    FUNCTIONS,
    RELATIONS,
    ATTRIBUTES,
    "SELECT rolname::text FROM pg_roles ORDER BY 1",
    SETTINGS,
)


def everything(database: Database) -> Sequence[object]:
    """What our tools might have left, and what they might have changed."""
    return [database.rows(look) for look in LOOKS]  # type: ignore[arg-type]


def with_migration(playbook: Path) -> None:
    told = json.loads(playbook.read_text())
    migrate = {
        "step": "migrate",
        "files": ["0.sql"],
        "expand_blue": ["public.t.price"],
    }
    told["steps"][0]["identity_full"] = ["public.keyless"]
    told["steps"].insert(1, migrate)
    playbook.write_text(json.dumps(told))
    text = "ALTER TABLE public.t ADD COLUMN price numeric;"
    (playbook.parent / "0.sql").write_text(text)


def prepare(here: Arena, playbook: Path) -> Sequence[object]:
    with_app(here, playbook)
    here.pair.blue.run("CREATE TABLE keyless (note text)")
    with_migration(playbook)
    return everything(here.pair.blue)


@pytest.mark.parametrize("point", ["move/ready", "move/fenced"])
def test_nothing_of_ours_is_left_and_clients_go_on(
    lab_folder: Path, pooler: Callable[..., Pooler], point: str
) -> None:
    """From the moment before the pause, or with the tool killed inside of it."""
    with shop(lab_folder, pooler) as (here, playbook):
        before = prepare(here, playbook)
        fault = {"BLUEGREEN_FAULT": f"{point}:kill:1"}
        assert call("run", playbook, environ=fault).status == -9
        would = call("cancel", playbook, "--dry-run").require().out
        assert "cutover/create_fence" in would
        assert here.pair.blue.value("SELECT count(*) FROM pg_replication_slots") == 1
        call("cancel", playbook, "--forget").require()
        assert everything(here.pair.blue) == before
        green = here.pair.green
        for look in LOOKS[:8]:
            assert "bluegreen" not in str(green.rows(look))  # type: ignore[arg-type]
        write_as_client(here, 1001)
        green.run("INSERT INTO t VALUES (1002, 'green is nobody''s now')")


def test_a_cancel_that_was_killed_goes_on_and_the_journal_stays(
    lab_folder: Path, pooler: Callable[..., Pooler]
) -> None:
    with shop(lab_folder, pooler) as (here, playbook):
        prepare(here, playbook)
        assert (
            call(
                "run", playbook, environ={"BLUEGREEN_FAULT": "move/ready:kill:1"}
            ).status
            == -9
        )
        ids = [
            line.removeprefix("taken away: ")
            for line in call("cancel", playbook, "--dry-run").require().out.splitlines()
            if line.startswith("taken away: ")
        ]
        assert len(ids) > 5
        for number, name in enumerate(ids[::3]):
            fault = {"BLUEGREEN_FAULT": f"cancel/{name}:kill:1"}
            assert call("cancel", playbook, environ=fault).status == -9, number
        told = call("cancel", playbook).require().out
        assert "schema bluegreen on both sides" in told
        for one in (here.pair.blue, here.pair.green):
            assert one.value("SELECT count(*) FROM bluegreen.journal") > 0
            for what in ("publication", "subscription", "replication_slots"):
                assert one.value(f"SELECT count(*) FROM pg_{what}") == 0
        write_as_client(here, 1001)
        assert call("status", playbook, "--json").json["serving"] == "blue"


def test_copies_that_never_ended_leave_no_slot(
    lab_folder: Path, pooler: Callable[..., Pooler]
) -> None:
    with shop(lab_folder, pooler) as (here, playbook):
        blue = here.pair.blue
        blue.run(
            "CREATE FUNCTION slow(int) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS"
            " $$ BEGIN IF current_setting('port')::int <>"
            f" {blue.server.port} THEN PERFORM pg_sleep(600); END IF;"
            " RETURN true; END $$",
            "CREATE TABLE slow_one (id int PRIMARY KEY, CHECK (slow(id)))",
            "INSERT INTO slow_one VALUES (1)",
        )
        count = "SELECT count(*) FROM pg_replication_slots"
        after = {"BLUEGREEN_FAULT": "create_subscription/after_result:kill:1"}
        after["BLUEGREEN_FAULT"] = "replicate/" + after["BLUEGREEN_FAULT"]
        assert call("run", playbook, environ=after).status == -9
        wait_until(lambda: int(str(blue.value(count))) > 1, "a slot of a copy")
        fault = {"BLUEGREEN_FAULT": "cancel/stream_stopped:kill:1"}
        assert call("cancel", playbook, environ=fault).status == -9
        assert int(str(blue.value(count))) > 1
        told = call("cancel", playbook).require().out
        assert "green refuses no writes any more" in told
        assert blue.value(count) == 0


def test_once_green_serves_there_is_nothing_to_cancel(
    lab_folder: Path, pooler: Callable[..., Pooler]
) -> None:
    with shop(lab_folder, pooler) as (here, playbook):
        call("run", playbook).require()
        slots = "SELECT count(*) FROM pg_replication_slots"
        before = [one.value(slots) for one in (here.pair.blue, here.pair.green)]
        ended = call("cancel", playbook).require(8)
        assert "BG-8006: there is no switchover to cancel: green serves" in ended.err
        assert "bluegreen rollback PLAYBOOK" in ended.err
        assert [o.value(slots) for o in (here.pair.blue, here.pair.green)] == before
        call("rollback", playbook).require()
        call("cancel", playbook, "--forget").require()
        for one in (here.pair.blue, here.pair.green):
            assert one.value(slots) == 0

"""What would keep clients off the other side is found before the pause, by trying."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import psycopg
import psycopg.sql
import pytest

from bluegreen.lab.pooler import Pooler
from bluegreen.model.side import Side
from tests.fault.test_time_goes_back import shop
from tests.kit.arena import Arena
from tests.kit.cli import call

pytestmark = pytest.mark.timeout(600)

CHECKED = ({"step": "check"}, {"step": "replicate"}, {"step": "cutover"})
BROKEN = {
    "may not log in": ("ALTER ROLE app NOLOGIN", "pointer-login"),
    "may not connect": ("REVOKE CONNECT ON DATABASE {} FROM PUBLIC", "pointer-login"),
    "no connection left": ("ALTER ROLE app CONNECTION LIMIT 0", "pointer-login"),
    "database is full": ("ALTER DATABASE {} CONNECTION LIMIT 0", "pointer-login"),
    "database is read-only": (
        "ALTER DATABASE {} SET default_transaction_read_only = on",
        "pointer-read-only",
    ),
    "role is read-only": (
        "ALTER ROLE app SET default_transaction_read_only = on",
        "pointer-read-only",
    ),
    "server is read-only": (
        "ALTER SYSTEM SET default_transaction_read_only = on",
        "pointer-read-only",
    ),
}


def with_app(here: Arena, playbook: Path) -> None:
    """Clients come in as a role without further rights."""
    for one in (here.pair.blue, here.pair.green):
        one.run("CREATE ROLE app LOGIN")
    here.pair.blue.run("GRANT ALL ON t TO app")
    told = json.loads(playbook.read_text())
    told["pointers"][0]["client"] = f"{here.client} user=app"
    playbook.write_text(json.dumps(told))


def break_side(here: Arena, side: Side, statement: str) -> None:
    database = getattr(here.pair, str(side))
    name = psycopg.sql.Identifier(database.name).as_string(None)
    with database.connect() as session:
        session.autocommit = True
        session.execute("SET default_transaction_read_only = off")
        session.execute(statement.format(name))
        session.execute("SELECT pg_reload_conf()")


def write_as_client(here: Arena, number: int) -> None:
    with psycopg.connect(f"{here.client} user=app", autocommit=True) as session:
        session.execute("INSERT INTO t VALUES (%s, 'client')", (number,))


@pytest.mark.sampled(3)
@pytest.mark.parametrize("case", BROKEN)
def test_a_green_that_serves_no_client_is_found_before_the_copy(
    lab_folder: Path, pooler: Callable[..., Pooler], case: str
) -> None:
    statement, finding = BROKEN[case]
    with shop(lab_folder, pooler, CHECKED) as (here, playbook):
        with_app(here, playbook)
        break_side(here, Side.GREEN, statement)
        ended = call("check", playbook).require(3)
        assert finding in ended.out + ended.err
        call("run", playbook).require(3)
        slots = "SELECT count(*) FROM pg_replication_slots"
        assert here.pair.blue.value(slots) == 0
        write_as_client(here, 1001)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("case", BROKEN)
def test_what_broke_since_the_check_stops_either_move_before_its_pause(
    lab_folder: Path, pooler: Callable[..., Pooler], case: str
) -> None:
    statement, _ = BROKEN[case]
    with shop(lab_folder, pooler) as (here, playbook):
        with_app(here, playbook)
        held = call("run", playbook, environ={"BLUEGREEN_FAULT": "move/ready:kill:1"})
        assert held.status == -9
        break_side(here, Side.GREEN, statement)
        ended = call("run", playbook)
        # The pointer's client meets it, or the monitor `application` before that.
        assert ended.status in {3, 4}
        assert "on green" in ended.err
        write_as_client(here, 1001)
        assert call("status", playbook, "--json").json["serving"] == "blue"


@pytest.mark.parametrize("case", ["may not log in", "database is full"])
def test_a_green_whose_login_broke_in_the_window_keeps_nobody_from_going_back(
    lab_folder: Path, pooler: Callable[..., Pooler], case: str
) -> None:
    statement, _ = BROKEN[case]
    with shop(lab_folder, pooler) as (here, playbook):
        with_app(here, playbook)
        call("run", playbook).require()
        write_as_client(here, 1001)
        break_side(here, Side.GREEN, statement)
        here.pair.green.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE usename = 'app'"
        )
        ended = call("rollback", playbook).require()
        assert "probe: not tried" in ended.err
        write_as_client(here, 1002)
        assert here.pair.blue.value("SELECT count(*) FROM t WHERE id > 1000") == 2


def test_a_full_pooler_keeps_nobody_from_going_back(
    lab_folder: Path, pooler: Callable[..., Pooler]
) -> None:
    with shop(lab_folder, pooler) as (here, playbook), ExitStack() as crowd:
        with_app(here, playbook)
        call("run", playbook).require()
        write_as_client(here, 1001)
        file = here.pooler.config_file
        text = file.read_text()
        assert "max_client_conn = 500" in text
        file.write_text(text.replace("max_client_conn = 500", "max_client_conn = 3"))
        with psycopg.connect(here.pooler.console_conninfo(), autocommit=True) as talk:
            talk.pgconn.exec_(b"RELOAD")
        way_in, sessions = f"{here.client} user=app", []
        with suppress(psycopg.OperationalError):
            for _ in range(10):
                one = crowd.enter_context(psycopg.connect(way_in, autocommit=True))
                sessions.append(one)
        assert 0 < len(sessions) < 10
        ended = call("rollback", playbook).require()
        assert "probe: not tried" in ended.err
        sessions[0].execute("INSERT INTO t VALUES (1002, 'client')")
        assert here.pair.blue.value("SELECT count(*) FROM t WHERE id > 1000") == 2


def test_a_login_by_a_function_that_comes_with_the_copy_is_only_told_before_it(
    lab_folder: Path, pooler: Callable[..., Pooler]
) -> None:
    """And it is tried before the pause, when green has the function."""
    with shop(lab_folder, pooler, CHECKED) as (here, playbook):
        with_app(here, playbook)
        here.pair.blue.run(
            "CREATE ROLE asks LOGIN",
            "CREATE SCHEMA pgb",
            "CREATE FUNCTION pgb.who(text) RETURNS TABLE (name text, secret text)"
            " SECURITY DEFINER LANGUAGE sql AS 'SELECT usename::text, passwd FROM"
            " pg_shadow WHERE usename = $1'",
            "GRANT USAGE ON SCHEMA pgb TO asks",
        )
        here.pair.green.run("CREATE ROLE asks LOGIN")
        asked = "auth_user = asks\nauth_query = SELECT * FROM pgb.who($1)\n"
        file = here.pooler.config_file
        text = file.read_text()
        file.write_text(text.replace("[pgbouncer]\n", f"[pgbouncer]\n{asked}"))
        (here.pooler.folder / "users.txt").write_text('"postgres" ""\n"asks" ""\n')
        # A user that was known once stays known until then.
        here.pooler.stop()
        here.pooler.start_again()
        write_as_client(here, 1001)
        told = call("check", playbook).require().out
        assert "note  pointer-login on main" in told
        held = call("run", playbook, environ={"BLUEGREEN_FAULT": "move/ready:kill:1"})
        assert held.status == -9, held.err
        here.pair.green.run("REVOKE USAGE ON SCHEMA pgb FROM asks")
        assert "clients of pooler main would" in call("run", playbook).require(3).err
        here.pair.green.run("GRANT USAGE ON SCHEMA pgb TO asks")
        call("run", playbook).require()
        write_as_client(here, 1002)

"""Bad input through the command line: a clear no, and nothing is touched."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bluegreen.lab.processes import free_port
from bluegreen.lab.server import Server
from tests.kit.arena import ENTRY, Arena
from tests.kit.cli import call, write_playbook
from tests.kit.databases import Database
from tests.kit.fingerprint import fingerprint
from tests.kit.shared_arena import shared_arena

STEPS = ({"step": "check"}, {"step": "replicate"}, {"step": "cutover"})
CLOSED = free_port()
PLAIN = "bluegreen_test_plain"
PSQL = (
    "  hint:    try the same with psql; is the address right, the server up, the "
    "password given by ${env:…}, ${file:…} or pgpass?"
)


@pytest.fixture(scope="module")
def here(servers: Callable[..., Server], lab_root: Path) -> Iterator[Arena]:
    """One arena for all cases, as none of them may change it."""
    with shared_arena(servers, lab_root) as arena, ExitStack() as stack:
        arena.pair.blue.run(*_keyed(arena.pair.blue))
        for side in (arena.pair.blue, arena.pair.green):
            side.run(f"CREATE ROLE {PLAIN} LOGIN")
            stack.callback(side.run, f"DROP ROLE {PLAIN}")
        yield arena


def _keyed(blue: Database) -> tuple[str, ...]:
    """A role that must give a password; the line stands before initdb's `trust`."""
    hba = blue.server.data / "pg_hba.conf"
    text = hba.read_text()
    if "bluegreen_test_keyed" not in text:
        hba.write_text(f"host all bluegreen_test_keyed all scram-sha-256\n{text}")
    return (
        "DROP ROLE IF EXISTS bluegreen_test_keyed",
        "CREATE ROLE bluegreen_test_keyed LOGIN PASSWORD 'right'",
        "SELECT pg_reload_conf()",
    )


@dataclass(frozen=True)
class Bad:
    """A playbook that is wrong in one thing, and what `run` says to it."""

    id: str
    status: int
    text: str
    change: Callable[[Arena, dict[str, Any]], None]
    environ: dict[str, str] = field(default_factory=dict)


def _set_dsn(side: str, dsn: Callable[[Arena], str]) -> Callable[..., None]:
    def change(here: Arena, told: dict[str, Any]) -> None:
        told[side]["dsn"] = dsn(here)

    return change


def _set_pointer(**words: Callable[[Arena], object]) -> Callable[..., None]:
    def change(here: Arena, told: dict[str, Any]) -> None:
        told["pointers"][0].update({key: of(here) for key, of in words.items()})

    return change


def _exchange(_: Arena, told: dict[str, Any]) -> None:
    told["blue"], told["green"] = told["green"], told["blue"]


def _wrong_password(here: Arena, told: dict[str, Any]) -> None:
    told["blue"] = {
        "dsn": here.pair.blue.conninfo("bluegreen_test_keyed"),
        "password": "${env:BLUE_PASSWORD}",
    }


def _set_both(dsn: str) -> Callable[..., None]:
    def change(_: Arena, told: dict[str, Any]) -> None:
        for side in ("blue", "green"):
            told[side]["dsn"] = f"{dsn}{side}"

    return change


BAD = [
    Bad(
        "server-away",
        3,
        "error BG-3001: green cannot be reached\n"
        '  seen:    connection failed: connection to server at "127.0.0.1", port '
        "CLOSED failed: Connection refused\n"
        "           \tIs the server running on that host and accepting TCP/IP "
        "connections?\n"
        "  wanted:  a session on 127.0.0.1:CLOSED/shop\n"
        "  traffic: blue (nothing has moved)\n" + PSQL,
        _set_dsn("green", lambda _: f"host=127.0.0.1 port={CLOSED} dbname=shop"),
    ),
    Bad(
        "both-away",
        3,
        "error BG-3001: neither blue nor green can be reached\n"
        "  seen:    blue cannot be reached: connection failed: connection to server at "
        '"127.0.0.1", port CLOSED failed: Connection refused\n'
        "           \tIs the server running on that host and accepting TCP/IP "
        "connections?\n"
        "           green cannot be reached: connection failed: connection to server "
        'at "127.0.0.1", port CLOSED failed: Connection refused\n'
        "           \tIs the server running on that host and accepting TCP/IP "
        "connections?\n"
        "  wanted:  a session on each of them\n" + PSQL,
        _set_both(f"host=127.0.0.1 port={CLOSED} dbname="),
    ),
    Bad(
        "wrong-password",
        3,
        "error BG-3001: blue cannot be reached\n"
        '  seen:    connection failed: connection to server at "127.0.0.1", port '
        "BLUE_PORT failed: FATAL:  password authentication failed for user "
        '"bluegreen_test_keyed"\n'
        "  wanted:  a session on BLUE\n" + PSQL,
        _wrong_password,
        {"BLUE_PASSWORD": "wrong-and-never-shown"},
    ),
    Bad(
        "missing-rights",
        3,
        "error BG-3003: the check found something that blocks: 6 findings block\n"
        "  seen:    green: right-replication: role PLAIN lacks REPLICATION\n"
        "           green: right-subscribe: role PLAIN lacks CREATE SUBSCRIPTION\n"
        "           green: right-origins: role PLAIN lacks EXECUTE on the replication "
        "origin functions\n"
        "           green: right-create: role PLAIN lacks CREATE on the database\n"
        "           green: right-public: role PLAIN lacks CREATE in schema public\n"
        "           green: right-monitor: role PLAIN lacks pg_monitor\n"
        "  wanted:  none of these, or an entry in `accept` for each\n"
        "  traffic: blue (nothing has moved)\n"
        "  hint:    on green: ALTER ROLE PLAIN REPLICATION;\n"
        "           on green: GRANT pg_create_subscription TO PLAIN;\n"
        "           on green: GRANT EXECUTE ON FUNCTION "
        "pg_catalog.pg_replication_origin_advance(text, pg_lsn), "
        "pg_catalog.pg_replication_origin_progress(text, boolean) TO PLAIN;\n"
        "           on green: GRANT CREATE ON DATABASE GREEN_NAME TO PLAIN;\n"
        "           on green: GRANT CREATE ON SCHEMA public TO PLAIN;\n"
        "           on green: GRANT pg_monitor TO PLAIN;\n"
        "           then run again; to go on all the same:\n"
        "           accept:\n"
        + "\n".join(
            f"             - {{id: right-{name}, object: green, reason: why}}"
            for name in (
                *("replication", "subscribe", "origins", "create", "public"),
                "monitor",
            )
        ),
        _set_dsn("green", lambda here: here.pair.green.conninfo(PLAIN)),
    ),
    Bad(
        "no-such-database",
        3,
        "error BG-3001: green cannot be reached\n"
        '  seen:    connection failed: connection to server at "127.0.0.1", port '
        'GREEN_PORT failed: FATAL:  database "nowhere" does not exist\n'
        "  wanted:  a session on 127.0.0.1:GREEN_PORT/nowhere\n"
        "  traffic: blue (nothing has moved)\n" + PSQL,
        _set_dsn("green", lambda here: here.pair.green.server.conninfo("nowhere")),
    ),
    Bad(
        "one-database",
        2,
        "error BG-2003: FOLDER/playbook.yml:1:C: blue and green are the same database\n"
        "  seen:    1 more to fix:\n"
        '           FOLDER/playbook.yml:1:C: pointer "main" reaches blue and green at '
        "the same address\n"
        "  wanted:  two databases; on one server they differ in dbname",
        _set_dsn("green", lambda here: here.pair.blue.conninfo()),
    ),
    Bad(
        "one-database-by-two-names",
        3,
        "error BG-3002: blue and green are the same database\n"
        "  seen:    BLUE and localhost:BLUE_PORT/BLUE_NAME both say system SYSTEM, "
        "database OID\n"
        "  wanted:  two databases\n"
        "  traffic: blue (nothing has moved)\n"
        "  hint:    give green a server or a database of its own in the playbook; was "
        "green made by a physical copy of blue? Then make it again with initdb",
        _set_dsn(
            "green",
            lambda here: here.pair.blue.conninfo().replace("127.0.0.1", "localhost"),
        ),
    ),
    Bad(
        "exchanged-before-the-first-run",
        3,
        "error BG-3007: pointer main names green though traffic was never moved\n"
        "  seen:    it names BLUE\n"
        "  wanted:  blue serves until the cutover\n"
        "  traffic: not confirmed: the journal says blue, pointer 'main' names green\n"
        "  hint:    are blue and green exchanged in the playbook?",
        _exchange,
    ),
    Bad(
        "pooler-leads-elsewhere",
        3,
        "error BG-3007: pointer main names neither blue nor green\n"
        "  seen:    it names BLUE\n"
        "  wanted:  the address of blue or of green\n"
        "  traffic: not confirmed: the journal says blue, pointer 'main' names "
        "neither side\n"
        "  hint:    correct `blue` and `green` of the pointer in the playbook, or the "
        "pooler's configuration",
        _set_pointer(blue=lambda _: {"host": "127.0.0.9"}),
    ),
    Bad(
        "no-such-entry",
        3,
        "error BG-3007: pooler main has no entry other\n"
        "  wanted:  other in its SHOW DATABASES\n"
        "  traffic: not confirmed: pooler main has no entry other\n"
        "  hint:    give the name from [databases] as `database` of the pointer; an "
        "entry that only `*` makes must be written out",
        _set_pointer(database=lambda _: "other"),
    ),
    Bad(
        "wrong-config-file",
        3,
        "error BG-3003: the check found something that blocks: 1 finding blocks\n"
        "  seen:    main: pooler-3007: /nowhere/pgbouncer.ini is not the one place of "
        "entry shop\n"
        "           PgBouncer starts at INI and reads it from INI:2\n"
        "  wanted:  none of these, or an entry in `accept` for each\n"
        "  traffic: blue (nothing has moved)\n"
        "  hint:    on main: correct `config_file` or `database` of the pointer, or "
        "leave one such line\n"
        "           then run again; to go on all the same:\n"
        "           accept:\n"
        "             - {id: pooler-3007, object: main, reason: why}",
        _set_pointer(config_file=lambda _: "/nowhere/pgbouncer.ini"),
    ),
    Bad(
        "console-refuses",
        3,
        "error BG-3001: the console of pooler main cannot be reached\n"
        '  seen:    connection to server at "127.0.0.1", port POOLER failed: FATAL:  '
        "not allowed\n"
        "  wanted:  a session on 127.0.0.1:POOLER\n"
        "  traffic: not confirmed: the console of pooler main cannot be reached\n"
        "  hint:    try the same with psql; is PgBouncer up, and is the user one of "
        "its admin_users?",
        _set_pointer(console=lambda here: here.pooler.conninfo("pgbouncer", "app")),
    ),
    Bad(
        "client-not-let-in",
        3,
        "error BG-3003: the check found something that blocks: 1 finding blocks\n"
        "  seen:    main: pooler-3001: no client comes in through the pointer\n"
        '           connection to server at "127.0.0.1", port POOLER failed: FATAL:  '
        '"trust" authentication failed\n'
        "  wanted:  none of these, or an entry in `accept` for each\n"
        "  traffic: blue (nothing has moved)\n"
        "  hint:    on main: is `client` of the pointer right, and its password "
        "given?\n"
        "           then run again; to go on all the same:\n"
        "           accept:\n"
        "             - {id: pooler-3001, object: main, reason: why}",
        _set_pointer(client=lambda here: here.pooler.conninfo(ENTRY, "nobody")),
    ),
]


def playbook_of(here: Arena, folder: Path) -> dict[str, Any]:
    path = write_playbook(here, folder, STEPS)
    told: dict[str, Any] = json.loads(path.read_text())
    return told


def write(folder: Path, told: dict[str, Any]) -> Path:
    path = folder / "playbook.yml"
    path.write_text(json.dumps(told))
    return path


def plain(text: str, here: Arena, folder: Path) -> str:
    """The text without what differs from run to run."""
    blue, green = here.pair.blue, here.pair.green
    for found, word in (
        (str(folder), "FOLDER"),
        (str(here.pooler.config_file), "INI"),
        (f"127.0.0.1:{blue.server.port}/{blue.name}", "BLUE"),
        (f"127.0.0.1:{green.server.port}/{green.name}", "GREEN"),
        (blue.name, "BLUE_NAME"),
        (green.name, "GREEN_NAME"),
        (str(blue.server.port), "BLUE_PORT"),
        (str(green.server.port), "GREEN_PORT"),
        (str(here.pooler.port), "POOLER"),
        (str(CLOSED), "CLOSED"),
        (PLAIN, "PLAIN"),
    ):
        text = text.replace(found, word)
    text = re.sub(r"system \d+, database \d+", "system SYSTEM, database OID", text)
    return re.sub(r"(playbook\.yml:1):\d+", r"\1:C", text)


@pytest.mark.sampled(6)
@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.id)
def test_run_says_what_is_wrong_and_touches_nothing(
    here: Arena, tmp_path: Path, bad: Bad
) -> None:
    told = playbook_of(here, tmp_path)
    bad.change(here, told)
    before = fingerprint(here)
    ended = call("run", write(tmp_path, told), environ=bad.environ)
    assert plain(ended.error, here, tmp_path) == bad.text
    assert (ended.status, ended.out) == (bad.status, "")
    assert fingerprint(here) == before
    assert "never-shown" not in ended.err


def test_a_green_with_rows_of_its_own_is_left_alone(
    here: Arena, tmp_path: Path
) -> None:
    green = here.pair.green
    green.run("CREATE TABLE other (id int)", "INSERT INTO other VALUES (1)")
    before = fingerprint(here)
    ended = call("run", write(tmp_path, playbook_of(here, tmp_path)))
    after = fingerprint(here)
    rows = green.rows("SELECT id FROM other")
    green.run("DROP TABLE other")
    assert plain(ended.error, here, tmp_path) == (
        "error BG-3003: the check found something that blocks: 1 finding blocks\n"
        "  seen:    green: green-not-empty: database GREEN_NAME has tables that blue "
        "does not have: public.other\n"
        "  wanted:  none of these, or an entry in `accept` for each\n"
        "  traffic: blue (nothing has moved)\n"
        "  hint:    on green: name a new, empty database as green in the playbook, "
        "made with CREATE DATABASE … TEMPLATE template0\n"
        "           then run again; to go on all the same:\n"
        "           accept:\n"
        "             - {id: green-not-empty, object: green, reason: why}"
    )
    assert (ended.status, after, rows) == (3, before, [(1,)])


def test_without_a_check_a_missing_right_is_seen_before_blue_is_touched(
    here: Arena, tmp_path: Path
) -> None:
    told = {**playbook_of(here, tmp_path), "steps": [{"step": "replicate"}]}
    told["green"]["dsn"] = here.pair.green.conninfo(PLAIN)
    before = fingerprint(here)
    ended = call("run", write(tmp_path, told))
    assert plain(ended.error, here, tmp_path) == (
        "error BG-3008: our schema cannot be made on green\n"
        "  seen:    role PLAIN lacks CREATE on database GREEN_NAME of GREEN\n"
        "  wanted:  a schema `bluegreen` for the journal, the identity and the fence\n"
        "  hint:    GRANT CREATE ON DATABASE GREEN_NAME TO PLAIN; `bluegreen check` "
        "names the other rights that are missing"
    )
    assert (ended.status, fingerprint(here)) == (3, before)


def test_plan_and_check_refuse_with_the_same_status_and_touch_nothing(
    here: Arena, tmp_path: Path
) -> None:
    told = playbook_of(here, tmp_path)
    told["pointers"][0]["blue"] = {"host": "127.0.0.9"}
    path, before = write(tmp_path, told), fingerprint(here)
    assert [call(verb, path).status for verb in ("plan", "check")] == [3, 3]
    assert fingerprint(here) == before


def test_rollback_before_any_run_builds_nothing(here: Arena, tmp_path: Path) -> None:
    path, before = write(tmp_path, playbook_of(here, tmp_path)), fingerprint(here)
    for words in ((), ("--check",)):
        ended = call("rollback", path, *words)
        assert plain(ended.error, here, tmp_path) == (
            "error BG-3002: the journal tells of no run of a playbook\n"
            "  seen:    blue (BLUE) and green (GREEN)\n"
            "  wanted:  the two databases of a cutover\n"
            "  hint:    are these the right databases? Look at both addresses, in "
            "the playbook or in the call"
        )
        assert ended.status == 3
    assert fingerprint(here) == before


VERBS = (("run",), ("plan",), ("rollback",), ("rollback", "--check"))


def test_sides_exchanged_after_they_were_set_up_are_refused_by_every_verb(
    arena: Callable[..., Arena], tmp_path: Path
) -> None:
    here = arena(16, 18)
    here.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY)")
    here.world()
    told = playbook_of(here, tmp_path)
    _exchange(here, told)
    path, before = write(tmp_path, told), fingerprint(here)
    for verb, *words in VERBS:
        ended = call(verb, path, *words)
        assert plain(ended.error, here, tmp_path).replace(
            "  traffic: not confirmed: the journal says blue, pointer 'main' names "
            "green\n",
            "",
        ) == (
            "error BG-3002: the database given as blue says that it is green\n"
            f"  seen:    GREEN was set up as green by playbook '{here.name}'\n"
            "  wanted:  a database that is blue, or was never set up\n"
            "  hint:    are `blue` and `green` exchanged in the playbook or the call? "
            "Nothing was touched"
        ), verb
        assert ended.status == 3
    status = call("status", path, "--json")
    assert status.status == 7
    assert "the database given as blue says that it is green" in status.json["doubts"]
    assert fingerprint(here) == before

"""Every secret that a playbook can carry is a canary, and none is heard anywhere.

Outputs, journals, certificates, backups, tracebacks, arguments of processes, temporary
files, the servers' logs, activity and statement statistics are searched, after a whole
path and after each way to fail. The servers really ask for passwords (SCRAM).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from bluegreen.lab.pooler import Pooler
from bluegreen.lab.processes import free_port
from bluegreen.lab.server import Server
from bluegreen.model.clock import SystemClock
from bluegreen.model.errors import ServerRefused
from bluegreen.model.secret import Secret
from bluegreen.model.side import Side
from bluegreen.postgres.database import Database, SqlError
from bluegreen.postgres.replication.publication import PublishedTable, publish
from bluegreen.postgres.replication.stream import (
    create_slot,
    create_subscription,
    drop_slot,
    drop_subscription,
)
from tests.kit.canaries import Canaries, scram_verifier
from tests.kit.cli import ALLOW, Ended, accepting, call

STEPS = [
    {"step": "check"},
    {"step": "backup", "to": "backups", "workers": 1},
    {"step": "replicate"},
    {"step": "migrate", "files": ["*.sql"]},
    {"step": "validate"},
    {"step": "cutover"},
    {"step": "hold", "window": "1s"},
    {"step": "decommission", "final_backup": "backups"},
]
ACCEPT = accepting(
    dict.fromkeys(("prepared-transaction", "asynchronous-commit"), "meant")
)
LOUD = {
    "log_statement": "all",
    "log_min_duration_statement": "0",
    "log_min_error_statement": "debug5",
    "log_min_messages": "info",
    "log_connections": "on",
    "log_replication_commands": "on",
    "log_parameter_max_length_on_error": "-1",
    "password_encryption": "scram-sha-256",
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track": "all",
}
NO_PASSWORD_NO_WAY_IN = """\
host all postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
"""


@dataclass
class House:
    """Two servers and a pooler that ask for passwords, and every secret in use."""

    blue: Server
    green: Server
    pooler: Pooler
    folder: Path
    canaries: Canaries
    environ: dict[str, str]
    said: list[str] = field(default_factory=list)

    def playbook(self, **changes: Any) -> Path:
        """The playbook, with parts of it replaced."""
        told: dict[str, Any] = {
            "version": 1,
            "name": "shop",
            "blue": {
                "dsn": f"host=127.0.0.1 port={self.blue.port} dbname=shop user=mover",
                "password": "${env:BLUE_PASSWORD}",
            },
            "green": {
                "dsn": f"host=127.0.0.1 port={self.green.port} dbname=shop user=mover",
                "password": "${file:green.secret}",
            },
            "pointers": [
                {
                    "pointer": "pgbouncer",
                    "console": f"host=127.0.0.1 port={self.pooler.port} user=warden",
                    "console_password": "${env:CONSOLE}",
                    "config_file": str(self.pooler.config_file),
                    "database": "shop",
                    "client": f"host=127.0.0.1 port={self.pooler.port} dbname=shop "
                    "user=app password=${file:client.secret}",
                }
            ],
            "steps": STEPS,
            "accept": ACCEPT,
            "allow": list(ALLOW),
            **changes,
        }
        path = self.folder / "playbook.yml"
        path.write_text(json.dumps(told, indent=2))
        return path

    def call(self, *words: str | Path, environ: Mapping[str, str] = {}) -> Ended:
        """Run the command line; what it says is kept for the search."""
        ended = call(*words, environ={**self.environ, **environ}, cwd=self.folder)
        self.said += [ended.out, ended.err]
        return ended

    def keep_secret(self, name: str, secret: str) -> None:
        """Write a secret's file as a person has to."""
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(secret)

    @property
    def kept(self) -> list[Path]:
        """Files whose business it is to hold secrets."""
        return [
            *self.folder.glob("*.secret"),
            self.folder / "home" / ".pgpass",
            self.pooler.config_file,
            self.pooler.folder / "users.secret",
        ]

    def require_silence(self) -> None:
        """Fail with every place where a secret was heard."""
        heard = self.canaries.sung("the output", "\n".join(self.said))
        roots = [self.folder, self.pooler.folder]
        heard += self.canaries.in_files(roots, self.kept)
        for server in (self.blue, self.green):
            heard += self.canaries.sung(f"{server.folder}/log", server.log_text())
            for table, text in _tables(server):
                heard += self.canaries.sung(f"{table} of {server.major}", text)
        assert heard == []


def _tables(server: Server) -> Iterator[tuple[str, str]]:
    """All that our schema and the statement statistics hold, as text."""
    with server.connect("shop") as session:
        names = session.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
            " WHERE schemaname = 'bluegreen'"
        ).fetchall()
        for (name,) in [*names, ("pg_stat_statements",)]:
            query = sql.SQL("SELECT t::text FROM {} t").format(sql.SQL(name))
            yield name, "\n".join(row[0] for row in session.execute(query))


def _start(major: int, folder: Path, canaries: Canaries, place: str) -> Server:
    """A server that logs all it may, with a role whose password is a canary."""
    server = Server.start(major, folder, settings=LOUD)
    with server.connect() as session:
        session.execute("CREATE DATABASE shop")
        for role, rights, secret in (
            ("mover", "SUPERUSER", canaries.new(place)),
            ("app", "", canaries.new("client")),
        ):
            verifier = scram_verifier(session, role, secret)
            session.execute(
                sql.SQL("CREATE ROLE {} LOGIN {} PASSWORD {}").format(
                    sql.Identifier(role), sql.SQL(rights), sql.Literal(verifier)
                )
            )
    with server.connect("shop") as session:
        session.execute("CREATE EXTENSION pg_stat_statements")
    (server.data / "pg_hba.conf").write_text(NO_PASSWORD_NO_WAY_IN)
    server.configure(log_disconnections="on")
    return server


def _pooler(folder: Path, blue: Server, canaries: Canaries) -> Pooler:
    """A pooler with a password for its console, its clients, and in its ini."""
    folder.mkdir(mode=0o755)
    users = folder / "users.secret"
    users.write_text(
        f'"warden" "{canaries.new("console")}"\n"app" "{canaries.new("client")}"\n'
        '"postgres" "postgres"\n'
    )
    entry = canaries.new("client").replace("'", "''")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGPASSWORD", "postgres")  # the lab looks whether it is up
        return Pooler.start(
            folder,
            {
                "shop": f"host=127.0.0.1 port={blue.port} dbname=shop user=app "
                f"password='{entry}'"
            },
            settings={
                "auth_type": "scram-sha-256",
                "auth_file": str(users),
                "admin_users": "postgres, warden",
                "log_connections": "1",
            },
        )


@pytest.fixture
def house(lab_folder: Path, tmp_path: Path) -> Iterator[House]:
    canaries = Canaries()
    with ExitStack() as stack:
        blue, green = (
            _start(major, lab_folder / side, canaries, side)
            for major, side in ((15, "blue"), (17, "green"))
        )
        for server in (blue, green):
            stack.callback(server.remove)
            stack.callback(server.stop, "immediate")
        pooler = stack.enter_context(_pooler(lab_folder / "pooler", blue, canaries))
        environ = _environ(tmp_path, canaries)
        here = House(blue, green, pooler, tmp_path, canaries, environ)
        here.keep_secret("green.secret", canaries.new("green"))
        here.keep_secret("client.secret", canaries.new("client"))
        with blue.connect("shop") as session:
            session.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
            session.execute("INSERT INTO t SELECT i, i FROM generate_series(1, 99) i")
            session.execute("GRANT ALL ON t TO app")
        (tmp_path / "1.sql").write_text("CREATE INDEX later ON t (id);")
        yield here


def _environ(folder: Path, canaries: Canaries) -> dict[str, str]:
    """A home of our own, with secrets that lie about and are of no use to us."""
    for name in ("home", "state", "tmp"):
        (folder / name).mkdir(mode=0o700)
    pgpass = folder / "home" / ".pgpass"
    pgpass.touch(mode=0o600)
    secret = canaries.new("pgpass").replace("\\", "\\\\").replace(":", "\\:")
    pgpass.write_text(f"*:*:*:*:{secret}\n")
    return {
        "HOME": str(folder / "home"),
        "PGPASSFILE": str(pgpass),
        "XDG_STATE_HOME": str(folder / "state"),
        "TMPDIR": str(folder / "tmp"),
        "BLUE_PASSWORD": canaries.new("blue"),
        "CONSOLE": canaries.new("console"),
        "PGPASSWORD": canaries.new("PGPASSWORD"),
        "AWS_SECRET_ACCESS_KEY": canaries.new("aws"),
        "AWS_SESSION_TOKEN": canaries.new("aws token"),
    }


def test_a_canary_is_heard_where_it_sings(tmp_path: Path) -> None:
    canaries = Canaries()
    secret = canaries.new("blue")
    (tmp_path / "log").write_text(f"STATEMENT:  … password={secret!r}")
    (tmp_path / "kept").write_text(secret)
    assert canaries.sung("there", psycopg.sql.quote(secret)) == ["blue in there"]
    heard = canaries.in_files([tmp_path], [tmp_path / "kept"])
    assert heard == [f"blue in {tmp_path / 'log'}"]


@pytest.mark.timeout(600)
def test_a_whole_path_there_and_back_tells_no_secret(house: House) -> None:
    playbook = house.playbook()
    with house.canaries.monitoring(house.blue, house.green) as heard:
        house.call("plan", playbook).require()
        house.call("run", playbook, "--log", "json", "--json").require()
        house.call("rollback", playbook, "--json").require()
        house.call("run", playbook, "--log", "text").require()
        for verb in ("status", "journal", "plan", "decommission"):
            house.call(verb, playbook)
            house.call(verb, playbook, "--json")
    assert heard == set()
    assert len(house.said) > 10
    house.require_silence()


def _wrong(house: House) -> tuple[Path, dict[str, str]]:
    return house.playbook(), {"BLUE_PASSWORD": house.canaries.new("wrong")}


def _away(house: House) -> tuple[Path, dict[str, str]]:
    green = {
        "dsn": f"host=127.0.0.1 port={free_port()} dbname=shop user=mover",
        "password": "${file:green.secret}",
    }
    return house.playbook(green=green), {}


def _not_seen_by_peer(house: House) -> tuple[Path, dict[str, str]]:
    blue = {
        "dsn": f"host=127.0.0.1 port={house.blue.port} dbname=shop user=mover",
        "password": "${env:BLUE_PASSWORD}",
        "seen_from_peer": {"port": str(free_port())},
    }
    steps = [step for step in STEPS if step["step"] in ("replicate", "cutover")]
    return house.playbook(blue=blue, steps=steps), {}


def _wrong_console(house: House) -> tuple[Path, dict[str, str]]:
    return house.playbook(), {"CONSOLE": house.canaries.new("wrong")}


def _wrong_client(house: House) -> tuple[Path, dict[str, str]]:
    house.keep_secret("client.secret", house.canaries.new("wrong"))
    return house.playbook(), {}


def _ini_cut_short(house: House) -> tuple[Path, dict[str, str]]:
    text = house.pooler.config_file.read_text()
    house.pooler.config_file.write_text(text.replace("password='", "password="))
    return house.playbook(), {}


def _written_out(house: House) -> tuple[Path, dict[str, str]]:
    dsn = f"postgresql://mover:{house.canaries.middles['blue']}@127.0.0.1/shop"
    return house.playbook(blue={"dsn": dsn}), {}


def _written_in_words(house: House) -> tuple[Path, dict[str, str]]:
    dsn = f"host=127.0.0.1 user=mover password = {house.canaries.middles['blue']}"
    return house.playbook(blue={"dsn": dsn}), {}


def _pasted_without_escape(house: House) -> tuple[Path, dict[str, str]]:
    url = f"postgresql://mover:half/{house.canaries.middles['blue']}@127.0.0.1/shop"
    return house.playbook(blue={"dsn": "${env:URL}"}), {"URL": url}


def _open_to_others(house: House) -> tuple[Path, dict[str, str]]:
    (house.folder / "green.secret").chmod(0o644)
    return house.playbook(), {}


FAILING = {
    _wrong: 3,
    _away: 3,
    _not_seen_by_peer: 3,
    _wrong_console: 3,
    _wrong_client: 3,
    _ini_cut_short: 3,
    _written_out: 2,
    _written_in_words: 2,
    _pasted_without_escape: 2,
    _open_to_others: 2,
}


@pytest.mark.timeout(600)
def test_no_way_to_fail_tells_a_secret(house: House) -> None:
    ini = house.pooler.config_file.read_text()
    with house.canaries.monitoring(house.blue, house.green) as heard:
        for wrong, status in FAILING.items():
            playbook, environ = wrong(house)
            ended = house.call("run", playbook, "--json", environ=environ)
            assert ended.status == status, (wrong.__name__, ended)
            for verb in ("check", "status"):
                house.call(verb, playbook, environ=environ)
            house.pooler.config_file.write_text(ini)
            house.keep_secret("client.secret", house.canaries.new("client"))
            (house.folder / "green.secret").chmod(0o600)
    assert heard == set()
    (house.folder / "playbook.yml").unlink()
    house.require_silence()


BUG = """
import sys
from pathlib import Path

def _break():
    from bluegreen.postgres.replication import stream

    def create_quietly(subscriber, publisher, name, **words):
        conninfo = publisher.conninfo_for_peer().reveal()
        told = {**subscriber.spec(), **publisher.spec(), "seen from peer": conninfo}
        raise RuntimeError(f"{told} {conninfo}")

    stream.create_quietly = create_quietly

if "run" in sys.argv[1:2] or "bluegreen" in sys.orig_argv:
    _break()
"""


@pytest.mark.timeout(300)
def test_a_bug_whose_text_is_all_secrets_leaves_none_in_its_report(
    house: House,
) -> None:
    broken = house.folder / "broken"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text(BUG)
    first = os.pathsep.join([str(broken), os.environ.get("PYTHONPATH", "")])
    for form in ("--json", "--log=text"):
        ended = house.call("run", house.playbook(), form, environ={"PYTHONPATH": first})
        assert ended.status == 70, ended
    [report, _] = (house.folder / "state" / "bluegreen").iterdir()
    assert "RuntimeError: {'side': 'blue'" in report.read_text()
    assert report.stat().st_mode & 0o777 == 0o600
    assert report.parent.stat().st_mode & 0o777 == 0o700
    house.require_silence()


@pytest.mark.timeout(300)
def test_a_subscription_of_an_ordinary_role_is_made_and_refused_in_silence(
    house: House,
) -> None:
    """Who is no superuser cannot change what the server logs."""
    with house.green.connect("shop") as session:
        session.execute("CREATE ROLE plain LOGIN PASSWORD 'plain'")
        session.execute("GRANT pg_create_subscription TO plain")
        session.execute("GRANT CREATE ON DATABASE shop TO plain")
        session.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
    house.green.configure(**{"pg_stat_statements.track": "top"})
    blue, green = (
        Database(
            side,
            f"host=127.0.0.1 port={server.port} dbname=shop user={user}",
            password=Secret(password),
        )
        for side, server, user, password in (
            (Side.BLUE, house.blue, "mover", house.canaries.new("blue")),
            (Side.GREEN, house.green, "plain", "plain"),
        )
    )
    away = Database(
        Side.BLUE,
        f"host=127.0.0.1 port={house.blue.port} dbname=shop user=mover",
        password=Secret(house.canaries.new("blue")),
        seen_from_peer={"port": str(free_port())},
    )
    with closing(blue), closing(green), closing(away):
        publish(blue, "quiet", (PublishedTable("public", "t"),))
        with house.canaries.monitoring(house.blue, house.green) as heard:
            with pytest.raises(ServerRefused, match="green's server cannot reach"):
                create_subscription(green, away, "quiet", copy_data=True, enabled=False)
            create_slot(blue, "quiet")
            create_subscription(green, blue, "quiet", copy_data=True, enabled=False)
            with pytest.raises(SqlError) as caught:
                create_subscription(green, blue, "quiet", copy_data=True, enabled=True)
            house.said.append(str(caught.value))
        assert caught.value.sqlstate == "42710"
        assert heard == set()
        assert "CREATE TEMPORARY TABLE bluegreen_words" in house.green.log_text()
        house.require_silence()
        drop_subscription(green, "quiet", SystemClock())
        drop_slot(blue, "quiet", SystemClock())

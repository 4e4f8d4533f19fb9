"""The tutorial, block by block: what its page says is what is run here.

A comment before a block says where it belongs. What differs is put in its place:
addresses and ports, no TLS on loopback, a pooler that asks its clients nothing, and a
shorter window.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from bluegreen.lab.pooler import Pooler
from bluegreen.lab.server import Server
from tests.kit.armed import command
from tests.kit.cli import call
from tests.kit.wait import wait_until

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
BLOCK = re.compile(r"^<!-- (.+?) -->\n```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
ENVIRON = {
    "ADMIN_PASSWORD": "admin-word",
    "CONSOLE_PASSWORD": "console-word",
    "APP_PASSWORD": "app-word",
}
OURS = {"listen_addr", "listen_port", "auth_type", "auth_file"}
"""Settings of the pooler that the lab gives itself."""


@dataclass
class Stage:
    """The machines of the page."""

    blue: Server
    green: Server
    folder: Path
    pooler: Pooler | None = None

    def fitted(self, text: str) -> str:
        """The text of a block with this stage's addresses."""
        instead = {
            " sslrootcert=/etc/ssl/db-ca.crt": "",
            "host=10.0.0.5 dbname": f"host=127.0.0.1 port={self.blue.port} dbname",
            "host=10.0.0.6 dbname": f"host=127.0.0.1 port={self.green.port} dbname",
            "{host: 10.0.0.5, port: 5432}": (
                f"{{host: 127.0.0.1, port: {self.blue.port}}}"
            ),
            "{host: 10.0.0.6, port: 5432}": (
                f"{{host: 127.0.0.1, port: {self.green.port}}}"
            ),
            "hostssl": "host",
            "window: 10m": "window: 2s",
        }
        if self.pooler is not None:
            instead["port=6432"] = f"port={self.pooler.port}"
            instead["/etc/pgbouncer/pgbouncer.ini"] = str(self.pooler.config_file)
        for former, latter in instead.items():
            text = text.replace(former, latter)
        return re.sub(r"10\.0\.0\.[567]/32", "127.0.0.1/32", text)


def blocks() -> list[tuple[str, str]]:
    """Where each block belongs, and its text."""
    return BLOCK.findall(PAGE.read_text())


def sides(stage: Stage, where: str) -> list[Server]:
    return {
        "both": [stage.blue, stage.green],
        "blue": [stage.blue],
        "green": [stage.green],
    }[where]


def run_sql(server: Server, database: str, text: str) -> list[tuple[object, ...]]:
    """Each statement on its own, as psql sends them; the last one's rows."""
    rows: list[tuple[object, ...]] = []
    with server.connect(database) as session:
        for statement in text.split(";\n"):
            if statement.strip():
                answer = session.execute(statement.encode())
                rows = answer.fetchall() if answer.description else []
    return rows


def allow(server: Server, text: str) -> None:
    """A server's pg_hba.conf: the page's lines, and the test's own superuser."""
    ours = "host all postgres 127.0.0.1/32 trust\n"
    (server.data / "pg_hba.conf").write_text(ours + text)


def start_pooler(stage: Stage, make: Callable[..., Pooler], text: str) -> None:
    """PgBouncer with the page's settings, before blue."""
    lines = [
        line.partition(" = ") for line in text.split("[pgbouncer]\n")[1].split("\n")
    ]
    words = {name: value for name, _, value in lines if name and name not in OURS}
    assert text.startswith("[databases]\nshop = host=10.0.0.5 port=5432 dbname=shop\n")
    # The lab looks whether it runs, as its own admin.
    words["admin_users"] += ", postgres"
    stage.pooler = make(
        {"shop": (stage.blue, "shop")}, settings=words, users=["postgres", "pgbouncer"]
    )


def write_users(stage: Stage, text: str) -> None:
    assert stage.pooler is not None
    users = stage.pooler.folder / "users.txt"
    users.write_text('"postgres" ""\n' + text)
    with psycopg.connect(
        stage.pooler.conninfo("pgbouncer", "pgbouncer"), autocommit=True
    ) as console:
        console.execute("RELOAD")


@dataclass
class Application:
    """The page's loop: one row after the other, through the pooler, no second try."""

    conninfo: str
    wrote: int = 0

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self.errors: list[str] = []
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def _write(self) -> None:
        try:
            with psycopg.connect(self.conninfo, autocommit=True) as session:
                session.prepare_threshold = None
                while not self._stop.wait(0.02):
                    session.execute("INSERT INTO orders (item) VALUES ('live')")
                    self.wrote += 1
        except psycopg.Error as error:
            self.errors.append(str(error))

    def end(self) -> int:
        self._stop.set()
        self._thread.join(30)
        assert self.errors == []
        return self.wrote


def run_calls(stage: Stage, text: str, approve: str = "") -> None:
    """The calls of a block; `approve` is typed once the first one waits for it."""
    for line in text.splitlines():
        program, *words = shlex.split(line)
        assert program == "bluegreen"
        if approve:
            run_until_approved(stage, words, shlex.split(approve)[1:])
        elif "--if-due" in words:
            wait_until(
                lambda words=words: (
                    call(*words, environ=ENVIRON, cwd=stage.folder).require().out
                ),
                "the end of the window",
                60,
            )
        else:
            call(*words, environ=ENVIRON, cwd=stage.folder).require()


def run_until_approved(stage: Stage, words: list[str], approve: list[str]) -> None:
    told, approved = [], False
    with subprocess.Popen(
        [*command(ENVIRON), *words],
        cwd=stage.folder,
        env={**os.environ, **ENVIRON},
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stderr is not None
        for line in running.stderr:
            told.append(line)
            if "await_approval" in line and not approved:
                approved = True
                call(*approve, environ=ENVIRON, cwd=stage.folder).require()
    assert running.returncode == 0, "".join(told[-5:])
    assert approved


@pytest.fixture
def stage(lab_folder: Path, tmp_path: Path) -> Iterator[Stage]:
    plain = {"wal_level": "replica"}
    (tmp_path / "migrations").mkdir()
    with (
        Server.start(16, lab_folder / "blue", settings=plain) as blue,
        Server.start(18, lab_folder / "green", settings=plain) as green,
    ):
        yield Stage(blue, green, tmp_path)


def version_behind(stage: Stage) -> str:
    assert stage.pooler is not None
    with psycopg.connect(stage.pooler.conninfo("shop", "app")) as session:
        [(told,)] = session.execute("SHOW server_version")
        return str(told).partition(".")[0]


@pytest.mark.timeout(900)
def test_the_tutorial_from_its_first_block_to_its_last(
    stage: Stage, pooler: Callable[..., Pooler]
) -> None:
    todo = blocks()
    application, seen, rows = None, [], []
    for number, (where, text) in enumerate(todo):
        place, _, what = where.partition(": ")
        if place == "file":
            (stage.folder / what).write_text(stage.fitted(text))
        elif what == "pg_hba.conf":
            allow(sides(stage, place)[0], stage.fitted(text))
        elif what == "pgbouncer.ini":
            start_pooler(stage, pooler, text)
        elif what == "userlist.txt":
            write_users(stage, text)
        elif place == "bluegreen":
            assert stage.pooler is not None
            application = application or Application(
                stage.pooler.conninfo("shop", "app")
            )
            if what:
                run_calls(stage, text, approve=todo[number + 1][1])
                seen.append(version_behind(stage))
            elif "approve" not in text:
                run_calls(stage, text)
                seen.append(version_behind(stage))
        else:
            if application is not None:
                wrote = application.end()
            for server in sides(stage, place):
                rows = run_sql(server, what, text)
                if "wal_level" in text:
                    server.stop()
                    server.start_again()
    assert seen == ["16", "18", "18", "16", "18", "18"]
    assert application is not None
    assert rows == [(wrote,)]
    assert wrote > 100

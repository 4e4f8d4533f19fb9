"""A throw-away PostgreSQL server on loopback.

Owns one data folder and one postmaster: making, starting, stopping, killing and
configuring it. What stands in its databases is for those who use it. fsync stays on,
because crash tests rest on what a commit means.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import psycopg

from bluegreen.lab import processes
from bluegreen.lab.account import Account
from bluegreen.lab.binaries import find_postgres
from bluegreen.lab.daemon import Daemon
from bluegreen.model.codes import Code
from bluegreen.model.errors import ServerRefused

_START_S = 30.0  # after a crash the log is replayed first
_STOP_S = 30.0
_PORT_TRIES = 5  # a free port may be taken by another before we bind it
_SIGNALS = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    # TCP only, so that nothing hangs on the length of the folder's path.
    "unix_socket_directories": "",
    "wal_level": "logical",
    "max_replication_slots": "20",
    "max_wal_senders": "20",
    "max_logical_replication_workers": "12",
    "max_sync_workers_per_subscription": "4",
    "max_worker_processes": "24",
    "max_prepared_transactions": "4",
    "max_connections": "120",
    "shared_buffers": "32MB",
    # The default of 5 s is also how long a failed apply or sync worker waits.
    "wal_retrieve_retry_interval": "500ms",
    "timezone": "UTC",
    "log_line_prefix": "%m [%p] %a %d ",
}


class Server(Daemon):
    """One running server. Make it with `Server.start`.

    Attributes:
        major: major version, 13 to 18.
    """

    def __init__(self, major: int, folder: Path, programs: Path, who: Account) -> None:
        super().__init__(folder, who)
        self.major = major
        self._programs = programs
        self._settings: dict[str, str] = {}

    @classmethod
    def start(
        cls, major: int, folder: Path, *, settings: Mapping[str, str] | None = None
    ) -> Server:
        """Make a cluster in `folder` and start it. About 1 s.

        Each cluster comes from its own initdb: copies of one template would share
        the system identifier and look like physical copies of each other.

        Raises:
            ServerRefused: 3006 when that major is not on this machine, 3001 when the
                server does not come up; the end of its log is in the text.
        """
        who = Account.here()
        server = cls(
            major, who.home_for(folder), who.programs(find_postgres(major)), who
        )
        try:
            server._initdb()
            server._settings = {**SETTINGS, **(settings or {})}
            server.start_again()
        except ServerRefused:
            server.remove()
            raise
        return server

    def connect(self, dbname: str = "postgres") -> psycopg.Connection:
        """Open a connection as postgres, in autocommit mode."""
        return psycopg.connect(self.conninfo(dbname), autocommit=True)

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    def start_again(self) -> None:
        """Start after `stop` or `kill`, on the same port where that is still free.

        Raises:
            ServerRefused: 3001, it does not come up.
        """
        if self.pid is not None:
            return
        for _ in range(_PORT_TRIES):
            self.port = self.port or processes.free_port()
            if self._launch():
                return
            if "could not bind" not in self.log_text():
                break
            self.port = 0
        raise self._did_not_start(f"PostgreSQL {self.major}")

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Stop, in one of pg_ctl's three ways; `immediate` is a crash with manners."""
        pid = self.pid
        if pid is None or self._process is None:
            return
        processes.send(pid, _SIGNALS[mode])
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL the postmaster and its children: what a power cut leaves."""
        pid = self.pid
        if pid is None or self._process is None:
            return
        processes.kill_family(pid)
        self._process.wait(_STOP_S)

    def configure(self, **settings: str) -> None:
        """Change settings and reload; returns when new sessions see them.

        Settings that need a restart take hold at the next `start_again`.
        """
        self._settings.update(settings)
        if self.pid is None:
            return
        before = self._load_time()
        self._write_settings()
        processes.send(self.pid, signal.SIGHUP)
        processes.wait_for(lambda: self._load_time() != before, "a reload", _START_S)

    def __exit__(self, *why: object) -> None:
        self.stop("immediate")
        super().__exit__(*why)

    def _initdb(self) -> None:
        self.data.mkdir(mode=0o700)
        self._who.own(self.data)
        words = [
            "-N",
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
        ]
        done = subprocess.run(
            [self._programs / "initdb", *words, "-D", self.data],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=_environment(),
            **self._who.popen(),
        )
        if done.returncode:
            raise ServerRefused(
                Code.SERVER_UNREACHABLE,
                f"initdb of PostgreSQL {self.major} failed in {self.folder}",
                seen=done.stderr.strip(),
            )
        with (self.data / "postgresql.conf").open("a") as main:
            main.write("include 'lab.conf'\n")

    def _write_settings(self) -> None:
        """Write lab.conf whole, so that a reload never reads half of it."""
        lines = {**self._settings, "port": str(self.port)}
        draft = self.data / "lab.conf.new"
        draft.write_text("".join(f"{k} = {_quoted(v)}\n" for k, v in lines.items()))
        self._who.own(draft)
        draft.replace(self.data / "lab.conf")

    def _launch(self) -> bool:
        self._write_settings()
        command = [str(self._programs / "postgres"), "-D", str(self.data)]
        self._spawn(command, _environment())
        return self._runs(self._ready, f"PostgreSQL {self.major}", _START_S)

    def _ready(self) -> bool:
        """Read postmaster.pid as pg_ctl does: line 1 the process, line 8 its state."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return lines[:1] == [str(self.pid)] and lines[7:] == ["ready   "]

    def _load_time(self) -> object:
        with self.connect() as session:
            row = session.execute("SELECT pg_catalog.pg_conf_load_time()").fetchone()
        return row and row[0]


def _environment() -> dict[str, str]:
    """Nothing of ours but the PATH: PGDATA or PGPORT would lead the server astray."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"

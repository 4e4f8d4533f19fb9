"""A throw-away PgBouncer on loopback.

Owns one process and its first configuration. Everything that is done with it later,
pausing and moving its target, is for `pointers/`; its ini file may be edited by
whoever started it.
"""

from __future__ import annotations

import atexit
import shutil
import signal
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg.conninfo import make_conninfo

from bluegreen.lab import processes
from bluegreen.lab.account import Account
from bluegreen.lab.binaries import find_pgbouncer
from bluegreen.lab.server import Server
from bluegreen.model.errors import ServerRefused

Target = Server | tuple[Server, str] | str
_START_S = 10.0
_STOP_S = 2.0
_PORT_TRIES = 5
SETTINGS: Mapping[str, str] = {
    "listen_addr": "127.0.0.1",
    "unix_socket_dir": "",
    "auth_type": "trust",
    # The default of 15 s is how long a pool stalls after one failed login.
    "server_login_retry": "1",
    "default_pool_size": "20",
    "max_client_conn": "500",
    "ignore_startup_parameters": "extra_float_digits",
    # One line per connection would fill the log of a busy test.
    "log_connections": "0",
    "log_disconnections": "0",
}


class Pooler:
    """One running PgBouncer. Make it with `Pooler.start`.

    Attributes:
        host: always 127.0.0.1.
        port: TCP port.
        folder: where `pgbouncer.ini`, `users.txt` and `log` stand.
    """

    host = "127.0.0.1"

    def __init__(self, folder: Path, who: Account) -> None:
        self.folder = folder
        self.port = 0
        self._who = who
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def start(
        cls,
        folder: Path,
        databases: Mapping[str, Target],
        *,
        pool_mode: str = "transaction",
        settings: Mapping[str, str] | None = None,
        users: Iterable[str] = ("postgres", "bluegreen", "app"),
    ) -> Pooler:
        """Write a configuration in `folder` and start. About 0.1 s.

        Args:
            folder: made when it is not there.
            databases: what clients ask for, and where it leads: a server (the
                database of the same name there), a server and a database, or the
                right-hand side of a line in `[databases]`.
            pool_mode: transaction, session or statement.
            settings: more of `[pgbouncer]`, or other values.
            users: who may log in, without a password; `postgres` is the admin.

        Raises:
            ServerRefused: 3006 without PgBouncer, 3001 when it does not come up.
        """
        who = Account.here()
        pooler = cls(who.home_for(folder), who)
        names = "".join(f'"{user}" ""\n' for user in users)
        pooler._write("users.txt", names)
        lines = {
            **SETTINGS,
            "pool_mode": pool_mode,
            "admin_users": "postgres",
            "auth_file": str(pooler.folder / "users.txt"),
            **(settings or {}),
        }
        try:
            pooler._launch_on_free_port(databases, lines)
        except ServerRefused:
            pooler.remove()
            raise
        atexit.register(pooler.kill)
        return pooler

    @property
    def config_file(self) -> Path:
        """The ini: replace it (temporary file, rename, mode 0644), then RELOAD."""
        return self.folder / "pgbouncer.ini"

    @property
    def pid(self) -> int | None:
        """The process id; None when it does not run."""
        if self._process is None or self._process.poll() is not None:
            return None
        return self._process.pid

    def conninfo(self, dbname: str, user: str = "postgres") -> str:
        """How clients reach a database through it."""
        return make_conninfo(
            host=self.host, port=self.port, dbname=dbname, user=user, sslmode="disable"
        )

    def console_conninfo(self) -> str:
        """How to reach its admin console."""
        return self.conninfo("pgbouncer")

    def start_again(self) -> None:
        """Start after `stop` or `kill`, on the same port, with the ini as it stands.

        Raises:
            ServerRefused: 3001, it does not come up.
        """
        if self.pid is None and not self._launch():
            raise ServerRefused(
                3001,
                f"PgBouncer in {self.folder} did not start",
                seen="\n".join(self.log_text().splitlines()[-8:]),
            )

    def stop(self) -> None:
        """Stop at once; clients are cut off (SIGTERM, in 1.23 and newer after 2 s)."""
        if self._process is None or self.pid is None:
            return
        processes.send(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None and self.pid is not None:
            self._process.kill()
            self._process.wait(_STOP_S)

    def log_text(self) -> str:
        """All that it logged."""
        log = self.folder / "log"
        return log.read_text(errors="replace") if log.exists() else ""

    def remove(self) -> None:
        """Kill it and delete its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self.kill)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.remove()

    def _launch_on_free_port(
        self, databases: Mapping[str, Target], lines: Mapping[str, str]
    ) -> None:
        for _ in range(_PORT_TRIES):
            self.port = processes.free_port()
            text = _ini(databases, {**lines, "listen_port": str(self.port)})
            self._write(self.config_file.name, text)
            if self._launch():
                return
        self.start_again()

    def _write(self, name: str, text: str) -> None:
        draft = self.folder / f"{name}.new"
        draft.write_text(text)
        draft.chmod(0o644)
        draft.replace(self.folder / name)

    def _launch(self) -> bool:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [find_pgbouncer(), self.config_file],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,  # Ctrl-C is for us, not for it
                **self._who.popen(),
            )
        processes.wait_for(
            lambda: self._answers() or self.pid is None,
            f"PgBouncer in {self.folder} to start",
            _START_S,
        )
        return self.pid is not None

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.console_conninfo(), autocommit=True).close()
        except psycopg.OperationalError:
            return False
        return True


def _ini(databases: Mapping[str, Target], lines: Mapping[str, str]) -> str:
    targets = [f"{name} = {_target(name, to)}" for name, to in databases.items()]
    settings = [f"{name} = {value}" for name, value in lines.items()]
    return "\n".join(["[databases]", *targets, "", "[pgbouncer]", *settings, ""])


def _target(name: str, to: Target) -> str:
    if isinstance(to, str):
        return to
    server, dbname = (to, name) if isinstance(to, Server) else to
    return f"host={server.host} port={server.port} dbname={dbname}"

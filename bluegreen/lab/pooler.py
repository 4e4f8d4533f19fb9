"""A throw-away PgBouncer on loopback.

Owns one process and its first configuration. Everything that is done with it later,
pausing and moving its target, is for `pointers/`; its ini file may be edited by
the process that started it.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import psycopg

from bluegreen.lab import processes
from bluegreen.lab.account import Account
from bluegreen.lab.binaries import find_pgbouncer
from bluegreen.lab.daemon import Daemon
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


class Pooler(Daemon):
    """One running PgBouncer. Make it with `Pooler.start`.

    Its folder holds `pgbouncer.ini`, `users.txt` and `log`.
    """

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
        return pooler

    @property
    def config_file(self) -> Path:
        """The ini: replace it (temporary file, rename, mode 0644), then RELOAD."""
        return self.folder / "pgbouncer.ini"

    def console_conninfo(self) -> str:
        """How to reach its admin console."""
        return self.conninfo("pgbouncer")

    def start_again(self) -> None:
        """Start after `stop` or `kill`, on the same port, with the ini as it stands.

        Raises:
            ServerRefused: 3001, it does not come up.
        """
        if self.pid is None and not self._launch():
            raise self._did_not_start("PgBouncer")

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
        self._spawn([find_pgbouncer(), self.config_file], None)
        return self._runs(self._answers, "PgBouncer", _START_S)

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

"""A throw-away HAProxy on loopback, before two servers."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bluegreen.lab import processes
from bluegreen.lab.account import Account
from bluegreen.lab.daemon import Daemon
from bluegreen.lab.server import Server
from bluegreen.model.errors import ServerRefused
from bluegreen.model.side import Side
from bluegreen.pointers.haproxy.pointer import HaproxyPointer
from bluegreen.pointers.haproxy.runtime import Runtime

BACKEND = "db"
PATH_OF_DAEMONS = "/usr/sbin:/usr/local/sbin:/usr/bin"
_START_S, _STOP_S = 10.0, 5.0


class Haproxy(Daemon):
    """One haproxy with the backend `db`. Make it with `Haproxy.start`."""

    @classmethod
    def start(
        cls, folder: Path, servers: Mapping[Side, Server], *, level: str = "admin"
    ) -> Haproxy:
        """Serve the server of blue; the other is disabled."""
        who = Account.here()
        made = cls(who.home_for(folder), who)
        made.folder.mkdir(parents=True, exist_ok=True)
        who.own(made.folder)
        made.port = processes.free_port()
        lines = [
            f"server {side} {one.host}:{one.port}"
            + (" disabled" if side is Side.GREEN else "")
            for side, one in servers.items()
        ]
        text = _CONFIG.format(
            socket=made.socket, level=level, port=made.port, servers="\n  ".join(lines)
        )
        (made.folder / "haproxy.cfg").write_text(text)
        made.start_again()
        return made

    @property
    def socket(self) -> str:
        """The runtime socket."""
        return str(self.folder / "admin.sock")

    def start_again(self) -> None:
        """Start, or start after `stop`: states are as the file says."""
        if self.pid is None:
            found = shutil.which("haproxy", path=PATH_OF_DAEMONS)
            assert found, "haproxy is missing: run `make servers`"
            self._spawn([Path(found), "-db", "-f", self.folder / "haproxy.cfg"], None)
            assert self._runs(self._answers, "haproxy", _START_S), self.log_text()

    def stop(self) -> None:
        """Stop at once."""
        if self._process is not None and self.pid is not None:
            processes.send(self._process.pid, signal.SIGTERM)
            self._process.wait(_STOP_S)

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None and self.pid is not None:
            self._process.kill()
            self._process.wait(_STOP_S)

    def pointer(self, **words: Any) -> HaproxyPointer:
        """A pointer to the backend."""
        given: dict[str, Any] = {
            "id": "lb",
            "socket": self.socket,
            "backend": BACKEND,
            "servers": {side: str(side) for side in Side},
            "config_file": None,
            "client": None,
            "client_password": None,
        }
        return HaproxyPointer(**{**given, **words})

    def _answers(self) -> bool:
        try:
            return bool(Runtime(self.socket).say("show info"))
        except ServerRefused:
            return False


_CONFIG = """
global
  stats socket {socket} mode 666 level {level}
defaults
  mode tcp
  timeout connect 5s
  timeout client 1m
  timeout server 1m
frontend clients
  bind 127.0.0.1:{port}
  default_backend db
backend db
  {servers}
"""

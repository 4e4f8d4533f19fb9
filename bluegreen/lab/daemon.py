"""What a throw-away server and a throw-away pooler have in common.

Owns one process with a folder, a log and a port on loopback: starting the program,
knowing whether it runs, and leaving nothing behind. How it is configured and how it
is asked to stop is for `server.py` and `pooler.py`.
"""

from __future__ import annotations

import atexit
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from psycopg.conninfo import make_conninfo

from bluegreen.lab import processes
from bluegreen.lab.account import Account
from bluegreen.model.codes import Code
from bluegreen.model.errors import ServerRefused


class Daemon:
    """One process that ends with ours, at the latest.

    Attributes:
        host: always 127.0.0.1.
        port: TCP port; 0 before the first start.
        folder: where its configuration and `log` stand; a stand-in for the folder
            asked for when the account that runs it cannot reach that one.
    """

    host = "127.0.0.1"

    def __init__(self, folder: Path, who: Account) -> None:
        self.folder = folder
        self.port = 0
        self._who = who
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.kill)

    @property
    def pid(self) -> int | None:
        """The process id; None when it does not run."""
        if self._process is None or self._process.poll() is not None:
            return None
        return self._process.pid

    def conninfo(self, dbname: str = "postgres", user: str = "postgres") -> str:
        """How clients reach a database by it."""
        return make_conninfo(
            host=self.host, port=self.port, dbname=dbname, user=user, sslmode="disable"
        )

    def log_text(self) -> str:
        """All that it logged since its folder was made."""
        log = self.folder / "log"
        return log.read_text(errors="replace") if log.exists() else ""

    def kill(self) -> None:
        """End it and its children at once, with nothing tidied up."""
        raise NotImplementedError

    def remove(self) -> None:
        """Kill it and delete its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self.kill)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def _spawn(
        self, command: Sequence[str | Path], environment: Mapping[str, str] | None
    ) -> None:
        """Start the program with its log; Ctrl-C in our terminal is not for it."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=environment,
                start_new_session=True,
                **self._who.popen(),
            )

    def _runs(self, ready: Callable[[], bool], name: str, within_s: float) -> bool:
        """Wait until it is ready, or gone; returns which."""
        processes.wait_for(
            lambda: ready() or self.pid is None,
            f"{name} in {self.folder} to start",
            within_s,
        )
        return self.pid is not None

    def _did_not_start(self, name: str) -> ServerRefused:
        return ServerRefused(
            Code.SERVER_UNREACHABLE,
            f"{name} in {self.folder} did not start",
            seen="\n".join(self.log_text().splitlines()[-8:]),
        )

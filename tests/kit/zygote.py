"""A process that has everything imported and forks itself into calls of `bluegreen`.

A test of a thousand short calls would spend most of its time importing. Owns the
forking and the exit statuses; `tests.kit.tool` is its only user. A call is a process
like any other: it has its own id, session and environment.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import sys
import threading
import traceback
from queue import SimpleQueue
from subprocess import PIPE, Popen
from typing import Any

_BEFOREHAND = (
    "bluegreen.cli.context",
    "bluegreen.cli.order",
    "bluegreen.cli.run",
    "bluegreen.cli.rollback",
    "bluegreen.cli.status",
    "bluegreen.engine.ask_status",
    "bluegreen.engine.runner",
    "bluegreen.report.results",
    "bluegreen.report.teller",
    "bluegreen.steps.rollback",
    "tests.kit.armed",
)


class Zygote:
    """The process, as its parent sees it. Close it."""

    def __init__(self) -> None:
        self._process = Popen(
            [sys.executable, "-m", "tests.kit.zygote"],
            stdin=PIPE,
            stdout=PIPE,
            text=True,
        )
        self._born: SimpleQueue[int] = SimpleQueue()
        self._over: dict[int, SimpleQueue[int]] = {}
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def fork(self, words: list[str], environ: dict[str, str], stderr: str) -> int:
        """Start a call; its process id. `stderr` is a FIFO that somebody reads."""
        assert self._process.stdin is not None
        ask = {"words": words, "environ": environ, "stderr": stderr}
        with self._lock:
            self._process.stdin.write(json.dumps(ask) + "\n")
            self._process.stdin.flush()
            pid = self._born.get(timeout=60)
        assert pid, "the zygote ended: its imports failed"
        return pid

    def over(self, pid: int) -> SimpleQueue[int]:
        """Where the exit status of a call comes, negative for a signal."""
        return self._over[pid]

    def close(self) -> None:
        """End it; calls that still run go on."""
        self._process.kill()
        self._thread.join()
        self._process.communicate()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            if "born" in told:
                self._over[told["born"]] = SimpleQueue()
                self._born.put(told["born"])
            else:
                self._over[told["ended"]].put(told["status"])
        self._born.put(0)


def _become(ask: dict[str, Any]) -> None:
    """In the child: be a call of the command line. Does not return."""
    os.setsid()
    os.environ.clear()
    os.environ.update(ask["environ"])
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    os.dup2(os.open(ask["stderr"], os.O_WRONLY), 2)
    # The zygote's own may have been files, which can seek; these cannot.
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
    from bluegreen.cli.app import run
    from tests.kit.armed import arm

    status = 70
    try:
        arm(os.environ)
        status = run(ask["words"])
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _say(**told: object) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def _reap(pid: int) -> None:
    _, status = os.waitpid(pid, 0)
    _say(ended=pid, status=os.waitstatus_to_exitcode(status))


def main() -> None:
    """Fork once for each line that comes in, until there are no more."""
    for name in _BEFOREHAND:
        importlib.import_module(name)
    living: dict[int, int] = {}
    pending = b""
    while True:
        ready, _, _ = select.select([0, *living], [], [])
        for one in ready:
            if one:
                _reap(living.pop(one))
                os.close(one)
                continue
            piece = os.read(0, 65_536)
            if not piece:
                return
            *lines, pending = (pending + piece).split(b"\n")
            for line in lines:
                pid = os.fork()
                if not pid:
                    _become(json.loads(line))
                living[os.pidfd_open(pid)] = pid
                _say(born=pid)


if __name__ == "__main__":
    main()

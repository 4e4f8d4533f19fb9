"""A process that has everything imported and forks itself into calls of `bluegreen`.

Half of the CPU time of a short call is importing. Owns the forking and the exit
statuses, for `tests.kit.tool` and `tests.kit.cli`. A call is a process like any other:
it has its own id, session and environment, and its output goes to pipes of its own.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import select
import socket
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from queue import SimpleQueue
from subprocess import PIPE, Popen

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


_LONGEST_ASK = 1_000_000
"""Bytes; an environment may be long."""


class Zygote:
    """The process, as its parent sees it. Close it."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LONGEST_ASK)
        with theirs:
            self._process = Popen(
                [sys.executable, "-m", "tests.kit.zygote"],
                stdin=theirs.fileno(),
                stdout=PIPE,
                text=True,
            )
        self._born: SimpleQueue[int] = SimpleQueue()
        self._over: dict[int, SimpleQueue[int]] = {}
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def fork(
        self, words: Sequence[str], environ: Mapping[str, str], out: int, err: int
    ) -> int:
        """Start a call that writes to these two descriptors; its process id."""
        ask = json.dumps({"words": list(words), "environ": dict(environ)})
        with self._lock:
            socket.send_fds(self._socket, [ask.encode()], [out, err])
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
        self._socket.close()

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


@functools.cache
def shared_zygote() -> Zygote:
    """The one of this process, which ends with it."""
    zygote = Zygote()
    atexit.register(zygote.close)
    return zygote


def _become(words: list[str], environ: dict[str, str], out: int, err: int) -> None:
    """In the child: be a call of the command line. Does not return."""
    os.setsid()
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.closerange(3, max(out, err) + 1)
    # The zygote's own may have been files, which can seek; these cannot.
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
    from bluegreen.cli.app import run
    from tests.kit.armed import arm

    status = 70
    try:
        arm(os.environ)
        status = run(words)
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
    """Fork once for each ask that comes in, until there are no more."""
    for name in _BEFOREHAND:
        importlib.import_module(name)
    gc.freeze()
    asks = socket.socket(fileno=0)
    living: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([asks.fileno(), *living], [], [])
        for one in ready:
            if one in living:
                _reap(living.pop(one))
                os.close(one)
                continue
            ask, fds, _, _ = socket.recv_fds(asks, _LONGEST_ASK, 2)
            if not ask:
                return
            pid = os.fork()
            if not pid:
                told = json.loads(ask)
                _become(told["words"], told["environ"], *fds)
            for fd in fds:
                os.close(fd)
            living[os.pidfd_open(pid)] = pid
            _say(born=pid)


if __name__ == "__main__":
    main()

"""Child processes on loopback: free ports, waiting, killing a whole family.

Owns what `server`, `pooler` and the fault tests need of the operating system (Linux).
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from bluegreen.model.codes import Code
from bluegreen.model.errors import ServerRefused

_LOOK_EVERY_S = 0.01  # a server is up in 100 to 300 ms


def free_port() -> int:
    """A TCP port that no process listens on at this moment, on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(condition: Callable[[], bool], what: str, deadline_s: float) -> None:
    """Look until `condition` holds.

    Raises:
        ServerRefused: 3001, it did not hold within `deadline_s`.
    """
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end:
            raise ServerRefused(
                Code.SERVER_UNREACHABLE, f"timed out after {deadline_s:.0f} s: {what}"
            )
        time.sleep(_LOOK_EVERY_S)


def family(pid: int) -> list[int]:
    """The process and its children, as /proc tells; the process comes first."""
    return [pid, *(child for child, parent in _parents() if parent == pid)]


def alive(pid: int) -> bool:
    """Whether the process still runs; one that only waits to be reaped does not."""
    return _state_and_parent(pid)[0] not in ("", "Z", "X")


def kill_family(pid: int) -> None:
    """SIGKILL the process and its children, as a power cut would.

    The parent is stopped first so that it makes no child that we would not see.
    """
    send(pid, signal.SIGSTOP)
    doomed = family(pid)
    for each in doomed:
        send(each, signal.SIGKILL)
    wait_for(
        lambda: not any(map(alive, doomed)), f"process {pid} and its children to go", 10
    )


def send(pid: int, number: signal.Signals) -> None:
    """Signal a process that may be gone by now."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _parents() -> Iterable[tuple[int, int]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            pid = int(entry.name)
            yield pid, _state_and_parent(pid)[1]


def _state_and_parent(pid: int) -> tuple[str, int]:
    """State letter and parent from /proc/PID/stat, see proc(5); empty when gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return "", 0
    state, parent = text.rpartition(")")[2].split()[:2]
    return state, int(parent)

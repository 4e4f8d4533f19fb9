"""What can break from outside, and how it is fixed.

Owns each fault's strike and its fixing. When it strikes is for `trial`; what clients
must not feel of it is said here, as an excuse, and judged there.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from bluegreen.lab.account import Account
from bluegreen.lab.processes import family
from bluegreen.lab.server import Server
from bluegreen.model.side import Side
from tests.kit.battlefield import Battlefield
from tests.kit.tool import Tool
from tests.kit.wait import wait_until

Act = Callable[[Battlefield, Tool, int], None]
STOP_S = float(os.environ.get("STOP_S", "5"))
"""How long the tool is stopped; longer than any budget. `make fault` takes 30 s."""

_PRLIMIT = shutil.which("prlimit") or "prlimit"
_TERMINATE_WORKERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_subscription WHERE pid IS NOT NULL"
)
_TERMINATE_SENDERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_replication"


def _nothing(field: Battlefield, tool: Tool, seed: int) -> None:
    return None


@dataclass(frozen=True)
class Fault:
    """One way to break things.

    Attributes:
        strike: breaks it.
        fix: puts it right again; must bear that other things are broken too.
        lasts_s: how long it may last; the seed chooses.
        hits: the side that is hit, if it is one.
        what: `tool`, `server`, `stream`, `pooler`, `network` or `door`.
    """

    strike: Act
    fix: Act = _nothing
    lasts_s: tuple[float, ...] = (0.0,)
    hits: Side | None = None
    what: str = "tool"


def _signal(number: signal.Signals) -> Act:
    def act(field: Battlefield, tool: Tool, seed: int) -> None:
        tool.signal(number)

    return act


def _kill_server(side: Side) -> Act:
    return lambda field, tool, seed: field.servers[side].kill()


def _start_server(side: Side) -> Act:
    def fix(field: Battlefield, tool: Tool, seed: int) -> None:
        server = field.servers[side]
        _limit_server(server, "unlimited")
        server.start_again()
        wait_until(lambda: _answers(field, side), f"{side} to answer")

    return fix


def _answers(field: Battlefield, side: Side) -> bool:
    try:
        with field.connect(side) as session:
            session.execute("CREATE TEMPORARY TABLE answer ()")
    except psycopg.Error:
        # Its limit was lifted while it was in the middle of a crash.
        field.servers[side].start_again()
        return False
    return True


def _fill_server(side: Side) -> Act:
    """As if its disk were full: no file grows, and none of the WAL is written.

    PostgreSQL ignores SIGXFSZ so that a limit on file size acts like a full disk.
    """

    def strike(field: Battlefield, tool: Tool, seed: int) -> None:
        _limit_server(field.servers[side], "0")

    return strike


def _fill_disk_of_tool(field: Battlefield, tool: Tool, seed: int) -> None:
    """No file of the tool or its guard grows: certificates, the pooler's draft."""
    for pid in family(tool.pid):
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


def _limit_server(server: Server, size: str) -> None:
    """As the account of the server: root in a container may not do it for others."""
    for pid in family(server.pid) if server.pid else ():
        subprocess.run(
            [_PRLIMIT, f"--pid={pid}", f"--fsize={size}:unlimited"],
            capture_output=True,
            check=False,
            **Account.here().popen(),
        )


def _on_both_sides(query: str) -> Act:
    def strike(field: Battlefield, tool: Tool, seed: int) -> None:
        for side in Side:
            # A second fault may meet a server that is away.
            with contextlib.suppress(psycopg.Error), field.connect(side) as session:
                session.execute(query.encode())

    return strike


def _cut(side: Side, mode: str) -> Act:
    """The tool's way, and with an odd seed the stream's too."""

    def strike(field: Battlefield, tool: Tool, seed: int) -> None:
        field.ways[side].set(mode)
        if seed % 2:
            field.feeds[side].set(mode)

    return strike


def _join(side: Side) -> Act:
    def fix(field: Battlefield, tool: Tool, seed: int) -> None:
        field.ways[side].set("ok")
        field.feeds[side].set("ok")

    return fix


def _shut_door(*modes: str) -> Act:
    def strike(field: Battlefield, tool: Tool, seed: int) -> None:
        for mode in modes:
            field.door.set(mode)

    return strike


def _kill_pooler(field: Battlefield, tool: Tool, seed: int) -> None:
    field.pooler.kill()


def _start_pooler(field: Battlefield, tool: Tool, seed: int) -> None:
    field.pooler.start_again()


_OUTAGE = (0.0, 0.3, 1.5)
_CUT = (0.3, 1.0, 4.0, 8.0)

FAULTS: dict[str, Fault] = {
    "tool_killed": Fault(_signal(signal.SIGKILL)),
    "tool_stopped": Fault(_signal(signal.SIGSTOP), _signal(signal.SIGCONT), (STOP_S,)),
    "tool_disk_full": Fault(_fill_disk_of_tool),
    "apply_killed": Fault(_on_both_sides(_TERMINATE_WORKERS), what="stream"),
    "walsender_killed": Fault(_on_both_sides(_TERMINATE_SENDERS), what="stream"),
    "pgbouncer_killed": Fault(_kill_pooler, _start_pooler, _OUTAGE, what="pooler"),
    "console_refused": Fault(
        _shut_door("reset", "refuse"), _shut_door("ok"), _CUT, what="door"
    ),
    "pooler_black_hole": Fault(
        _shut_door("black_hole"), _shut_door("ok"), _CUT, what="door"
    ),
    "pooler_reset": Fault(_shut_door("reset"), _shut_door("ok"), _CUT, what="door"),
}
for _side in Side:
    FAULTS |= {
        f"{_side}_killed": Fault(
            _kill_server(_side), _start_server(_side), _OUTAGE, _side, "server"
        ),
        f"{_side}_disk_full": Fault(
            _fill_server(_side), _start_server(_side), (0.5, 1.5), _side, "server"
        ),
        f"{_side}_black_hole": Fault(
            _cut(_side, "black_hole"), _join(_side), _CUT, _side, "network"
        ),
        f"{_side}_reset": Fault(
            _cut(_side, "reset"), _join(_side), _CUT, _side, "network"
        ),
    }

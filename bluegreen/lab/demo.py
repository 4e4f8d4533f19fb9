"""The demo's stage: servers, pooler, a shop full of rows, and clients that write.

Owns setting it up, taking it down, and what the clients felt at each move. What is
shown of it is for `cli/demo.py`.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bluegreen.lab import shop
from bluegreen.lab.ledger import Audit, LedgerClients, LedgerResult, audit
from bluegreen.lab.pooler import Pooler
from bluegreen.lab.server import Server

BLUE_MAJOR, GREEN_MAJOR = 16, 18
CLIENTS = 8
THINK_S = 0.002
"""Between two transactions of a client: they write as fast as the machine lets them."""

WINDOW_S = 3
"""As the demo's playbook has it: long enough to see that a window is open."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that runs for a demo.

    Attributes:
        playbook: a copy, so that what the verbs leave beside it goes with the rest.
        rows: how many rows the shop holds at the start.
        environ: what the demo's playbook refers to.
    """

    blue: Server
    green: Server
    pooler: Pooler
    clients: LedgerClients
    playbook: Path
    rows: int
    environ: Mapping[str, str]

    def finish(self) -> tuple[LedgerResult, Audit]:
        """Stop the clients and hold green's rows against what they were told."""
        result = self.clients.stop()
        return result, audit(self.green.conninfo("shop"), result)


def playbook() -> Path:
    """The demo's playbook, in a checkout or as installed."""
    beside = Path(__file__).parents[2] / "playbooks" / "demo.yml"
    return beside if beside.exists() else Path(__file__).parent / "playbooks/demo.yml"


@contextmanager
def set_stage(*, orders: int) -> Iterator[Stage]:
    """Start it all, and leave nothing behind.

    Raises:
        ServerRefused: 3006, a program is missing; it says how to get it.
    """
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="bluegreen-demo-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        blue = stack.enter_context(Server.start(BLUE_MAJOR, folder / "blue"))
        green = stack.enter_context(Server.start(GREEN_MAJOR, folder / "green"))
        for server in (blue, green):
            with psycopg.connect(server.conninfo(), autocommit=True) as session:
                session.execute("CREATE DATABASE shop")
        rows = shop.load(blue.conninfo("shop"), orders=orders)
        LedgerClients.prepare(blue.conninfo("shop"))
        pooler = stack.enter_context(Pooler.start(folder / "pooler", {"shop": blue}))
        clients = LedgerClients(
            pooler.conninfo("shop"), CLIENTS, think_s=THINK_S, workload="shop"
        )
        stack.enter_context(clients)
        clients.start()
        environ = _environ(blue, green, pooler, folder)
        told = folder / "playbooks" / playbook().name
        shutil.copytree(playbook().parent, told.parent)
        yield Stage(blue, green, pooler, clients, told, rows, environ)


def _environ(
    blue: Server, green: Server, pooler: Pooler, folder: Path
) -> dict[str, str]:
    return {
        "DEMO_BLUE_PORT": str(blue.port),
        "DEMO_GREEN_PORT": str(green.port),
        "DEMO_POOLER_PORT": str(pooler.port),
        "DEMO_POOLER_FILE": str(pooler.config_file),
        "DEMO_FOLDER": str(folder / "out"),
    }


def wait_out_window() -> None:
    """Let the window end."""
    time.sleep(WINDOW_S)

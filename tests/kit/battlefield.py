"""Two servers, a pooler and the network between, for tests that break them.

Owns them and how the tool reaches them: everything that the tool says goes through
proxies, and so does the stream between the servers; applications do not. All of it is
used for many cases, one after the other.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from bluegreen.lab.ledger import LedgerClients
from bluegreen.lab.pooler import Pooler
from bluegreen.lab.proxy import Proxy
from bluegreen.lab.server import Server
from bluegreen.model.side import Side
from tests.kit.cli import ALLOW
from tests.kit.crowd import Crowd
from tests.kit.tool import Tool
from tests.kit.zygote import Zygote

ENTRY = "shop"
NAME = "field"
BUDGET_S = 2.0
"""`max_pause` of the playbook."""


@dataclass
class Battlefield:
    """All that can be broken.

    Attributes:
        ways: the tool's way to each side.
        feeds: the way of the stream out of each side.
        door: the tool's way to the pooler, console and client.
    """

    folder: Path
    servers: dict[Side, Server]
    pooler: Pooler
    ways: dict[Side, Proxy]
    feeds: dict[Side, Proxy]
    door: Proxy
    crowd: Crowd
    zygote: Zygote
    playbook: Path = field(default_factory=Path)

    def tool(self, verb: str, *words: str, hold: str = "", log: str = "") -> Tool:
        """Call the tool on this field's playbook.

        A server that was killed before leaves a doubt, which only comparing rows ends.
        """
        if verb == "rollback":
            words = ("--prove", *words)
        return Tool(self.zygote, verb, self.playbook, *words, hold=hold, log=log)

    def conninfo(self, side: Side, user: str = "postgres") -> str:
        """Straight to a side."""
        return self.servers[side].conninfo("shop", user)

    def connect(self, side: Side) -> psycopg.Connection:
        """A session straight to a side, autocommit."""
        return psycopg.connect(self.conninfo(side), autocommit=True)

    def write_playbook(self) -> Path:
        """The playbook of the cutover; JSON is YAML."""
        side = {
            s: {
                "dsn": self.ways[s].conninfo(self.conninfo(s)),
                "seen_from_peer": {
                    "host": self.feeds[s].host,
                    "port": str(self.feeds[s].port),
                },
            }
            for s in Side
        }
        address = {
            s: {
                "host": self.servers[s].host,
                "port": self.servers[s].port,
                "dbname": "shop",
            }
            for s in Side
        }
        told = {
            "version": 1,
            "name": NAME,
            "blue": side[Side.BLUE],
            "green": side[Side.GREEN],
            "pointers": [
                {
                    "pointer": "pgbouncer",
                    "id": "main",
                    "console": self.door.conninfo(self.pooler.console_conninfo()),
                    "config_file": str(self.pooler.config_file),
                    "database": ENTRY,
                    "blue": address[Side.BLUE],
                    "green": address[Side.GREEN],
                    "client": self.door.conninfo(self.pooler.conninfo(ENTRY, "app")),
                }
            ],
            "steps": [
                {"step": "replicate"},
                {"step": "cutover", "max_pause": f"{BUDGET_S:g}s"},
            ],
            "allow": list(ALLOW),
        }
        self.playbook = self.folder / "playbook.yml"
        self.playbook.write_text(json.dumps(told, indent=2))
        return self.playbook

    def calm(self) -> None:
        """Everything up and every way open."""
        for proxy in (*self.ways.values(), *self.feeds.values(), self.door):
            proxy.set("ok")
        for server in self.servers.values():
            server.start_again()
        self.pooler.start_again()


@contextmanager
def battlefield(blue: int = 16, green: int = 18) -> Iterator[Battlefield]:
    """Make one: about 3 s. Nothing is replicated yet."""
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="bluegreen-field-"))
        )
        folder.chmod(0o755)
        majors = {Side.BLUE: blue, Side.GREEN: green}
        servers = {
            side: stack.enter_context(Server.start(major, folder / str(side)))
            for side, major in majors.items()
        }
        for server in servers.values():
            with server.connect() as session:
                session.execute("CREATE DATABASE shop")
                session.execute("CREATE ROLE app LOGIN")
        LedgerClients.prepare(servers[Side.BLUE].conninfo("shop"))
        pooler = stack.enter_context(
            Pooler.start(folder / "pooler", {ENTRY: (servers[Side.BLUE], "shop")})
        )
        ways, feeds = (
            {
                side: stack.enter_context(Proxy(server.host, server.port))
                for side, server in servers.items()
            }
            for _ in range(2)
        )
        door = stack.enter_context(Proxy(pooler.host, pooler.port))
        sides = [servers[side].conninfo("shop", "app") for side in Side]
        crowd = stack.enter_context(Crowd(pooler.conninfo(ENTRY, "app"), sides))
        zygote = Zygote()
        stack.callback(zygote.close)
        field_ = Battlefield(folder, servers, pooler, ways, feeds, door, crowd, zygote)
        field_.write_playbook()
        yield field_

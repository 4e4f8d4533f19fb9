"""A cutover and a rollback through a DNS name, under writes, with no pooler between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from bluegreen.lab.ledger import LedgerClients, audit
from bluegreen.lab.pooler import Pooler
from bluegreen.lab.proxy import Proxy
from bluegreen.lab.server import Server
from bluegreen.model.side import Side
from tests.kit.arena import Arena, open_arena
from tests.kit.cli import ALLOW, call, write_playbook
from tests.kit.databases import DatabasePair, create_database, drop_databases
from tests.kit.nameserver import KEY, RECORD, SECRET, Knot
from tests.kit.wait import wait_until

ADDRESSES = {Side.BLUE: "127.0.0.11", Side.GREEN: "127.0.0.12"}
ENVIRON = {"TSIG": SECRET}
STEPS = (
    {"step": "check"},
    {"step": "replicate"},
    {"step": "cutover", "end_sessions": "3s"},
    {"step": "hold", "window": "24h"},
)


@pytest.fixture
def named(
    servers: Callable[..., Server],
    pooler: Callable[..., Pooler],
    lab_folder: Path,
    tmp_path: Path,
) -> Iterator[tuple[Arena, Knot, Path, str]]:
    """A pair behind one name, so with one port and one name of the database."""
    blue = create_database(servers(16), "blue")
    green = create_database(servers(18), "blue", blue.name)
    with ExitStack() as stack:
        stack.callback(drop_databases, blue, green)
        here = stack.enter_context(open_arena(DatabasePair(blue, green), pooler))
        LedgerClients.prepare(here.conninfo(Side.BLUE))
        port = 0
        for side, host in ADDRESSES.items():
            server = getattr(here.pair, str(side)).server
            proxy = Proxy(server.host, server.port, host=host, port=port)
            port = stack.enter_context(proxy).port
        lines = (f"db 1 A {ADDRESSES[Side.BLUE]}",)
        knot = stack.enter_context(Knot.start(lab_folder / "knot", lines))
        client = make_conninfo(
            host=RECORD,
            port=port,
            dbname=blue.name,
            user="postgres",
            sslmode="disable",
        )
        pointer = {
            "pointer": "dns",
            "id": "name",
            "name": RECORD,
            "server": knot.at,
            "key": KEY,
            "key_secret": "${env:TSIG}",
            "authorities": [knot.at],
            "resolvers": [knot.at],
            "blue": [ADDRESSES[Side.BLUE]],
            "green": [ADDRESSES[Side.GREEN]],
            "max_ttl": "3s",
            "client": client,
        }
        allow = (*ALLOW, "ENDS_SESSIONS", "UNVERIFIED_TLS")
        playbook = write_playbook(
            here, tmp_path, STEPS, allow=allow, pointers=[pointer]
        )
        yield here, knot, playbook, client


@pytest.mark.always
def test_there_and_back_by_a_name_loses_nothing(
    named: tuple[Arena, Knot, Path, str],
) -> None:
    here, knot, playbook, client = named
    with LedgerClients(client, 4, resolver=knot.at) as clients:
        clients.start()
        ended = call("run", playbook, environ=ENVIRON).require()
        assert "clients of name met errors" in ended.out
        assert "0 client errors" not in ended.out
        enough = clients.acknowledged() + 50
        wait_until(lambda: clients.acknowledged() > enough, "writes on green")
        told = call("rollback", playbook, "--json", environ=ENVIRON).require().json
        assert told["not_held"] == ["name"]
        assert told["client_errors"] != []
        enough = clients.acknowledged() + 50
        wait_until(lambda: clients.acknowledged() > enough, "writes on blue")
        result = clients.stop()
    assert result.errors + result.unknown > 0, "no client can have felt nothing"
    assert result.longest_gap_s > 0
    assert audit(here.conninfo(Side.BLUE), result).ok
    wait_until(
        lambda: audit(here.conninfo(Side.GREEN), result).ok, "green to have it all too"
    )


def test_who_stays_is_ended_and_then_told(
    named: tuple[Arena, Knot, Path, str],
) -> None:
    here, _, playbook, _ = named
    direct = make_conninfo(here.conninfo(Side.BLUE), application_name="old pool")
    with psycopg.connect(direct, autocommit=True) as stays:
        call("run", playbook, environ=ENVIRON).require()
        with pytest.raises(psycopg.errors.AdminShutdown):
            stays.execute("SELECT 1")
    with psycopg.connect(direct, autocommit=True):
        told = call("status", playbook, environ=ENVIRON)
        assert "clients-stayed" in told.out
        assert "1 of postgres from 127.0.0.1 (old pool)" in told.out
    told = call("status", playbook, environ=ENVIRON)
    assert "old pool" not in told.out


def test_the_hazard_must_be_allowed(
    named: tuple[Arena, Knot, Path, str], tmp_path: Path
) -> None:
    _, _, playbook, _ = named
    text = playbook.read_text().replace('"ENDS_SESSIONS"', '"LOADS_GREEN"')
    (other := tmp_path / "other.yml").write_text(text)
    ended = call("run", other, environ=ENVIRON).require(2)
    assert "ENDS_SESSIONS" in ended.error


def test_a_long_ttl_is_lowered_and_waited_out(
    named: tuple[Arena, Knot, Path, str], tmp_path: Path
) -> None:
    _, knot, playbook, _ = named
    values = {side: (address,) for side, address in ADDRESSES.items()}
    pointer = knot.pointer(values, max_ttl_s=8)
    pointer.set_ttl(pointer.max_ttl)
    refused = call("run", playbook, environ=ENVIRON).require(3)
    assert "ttl-too-long" in refused.error
    text = playbook.read_text().replace('"max_ttl"', '"lower_ttl": true, "max_ttl"')
    (other := tmp_path / "other.yml").write_text(text)
    ended = call("run", other, environ=ENVIRON).require()
    assert "resolvers may keep the former TTL" in ended.err
    assert pointer.read().ttl_s == 3
    assert pointer.observe().names is Side.GREEN

"""The proxy's faults, as a PostgreSQL client meets them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from bluegreen.lab.proxy import Mode, Proxy
from bluegreen.lab.server import Server
from tests.kit.wait import wait_until


@pytest.fixture
def proxy(servers: Callable[..., Server]) -> Iterator[Proxy]:
    server = servers(16)
    with Proxy(server.host, server.port) as running:
        yield running


@pytest.fixture
def conninfo(proxy: Proxy, servers: Callable[..., Server]) -> str:
    return proxy.conninfo(servers(16).conninfo())


def one(session: psycopg.Connection) -> object:
    return session.execute("SELECT 1").fetchone()


def test_ok_passes_much_in_both_directions(conninfo: str) -> None:
    text = "x" * 3_000_000
    with psycopg.connect(conninfo) as session:
        row = session.execute("SELECT %s::text", [text]).fetchone()
    assert row == (text,)


def test_delay_is_felt_in_each_direction(proxy: Proxy, conninfo: str) -> None:
    with psycopg.connect(conninfo) as session:
        proxy.set("delay", delay_s=0.1)
        began = time.monotonic()
        one(session)
        assert time.monotonic() - began >= 0.2


def test_a_black_hole_holds_and_then_lets_go(proxy: Proxy, conninfo: str) -> None:
    answers: list[object] = []
    with psycopg.connect(conninfo, autocommit=True) as session:
        proxy.set(Mode.BLACK_HOLE)
        waiting = threading.Thread(target=lambda: answers.append(one(session)))
        waiting.start()
        with pytest.raises(psycopg.errors.ConnectionTimeout):
            psycopg.connect(conninfo, connect_timeout=2)
        assert not answers
        proxy.set(Mode.OK)
        wait_until(lambda: answers, "the held answer")
        waiting.join()
    assert answers == [(1,)]


def test_refuse_turns_new_clients_away_only(proxy: Proxy, conninfo: str) -> None:
    with psycopg.connect(conninfo) as session:
        proxy.set(Mode.REFUSE)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((proxy.host, proxy.port)).close()
        assert one(session) == (1,)
    port = proxy.port
    proxy.set(Mode.OK)
    assert proxy.port == port
    with psycopg.connect(conninfo) as session:
        assert one(session) == (1,)


def test_reset_cuts_open_and_new_connections(proxy: Proxy, conninfo: str) -> None:
    with psycopg.connect(conninfo) as session:
        proxy.set(Mode.RESET)
        with pytest.raises(psycopg.OperationalError):
            one(session)
    with (
        socket.create_connection((proxy.host, proxy.port)) as line,
        pytest.raises(ConnectionResetError),
    ):
        line.recv(1)
    proxy.set(Mode.OK)
    with psycopg.connect(conninfo) as session:
        assert one(session) == (1,)


def test_a_dead_server_behind_it_ends_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with (
        Proxy("127.0.0.1", port) as proxy,
        socket.create_connection((proxy.host, proxy.port)) as line,
    ):
        assert line.recv(1) == b""

"""The lab's PgBouncer: pausing, moving its target, crashing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from bluegreen.lab.pooler import Pooler
from bluegreen.lab.server import Server
from bluegreen.model.errors import ServerRefused
from tests.kit.databases import DatabasePair
from tests.kit.wait import wait_until


def console(pooler: Pooler, command: str) -> list[tuple[object, ...]]:
    with psycopg.connect(pooler.console_conninfo(), autocommit=True) as session:
        done = session.execute(command.encode())
        return done.fetchall() if done.description else []


def ask(pooler: Pooler, user: str = "postgres") -> tuple[object, ...] | None:
    with psycopg.connect(
        pooler.conninfo("app", user), prepare_threshold=None
    ) as session:
        return session.execute(
            "SELECT pg_catalog.current_database(), current_user"
        ).fetchone()


def test_pause_holds_clients_and_resume_lets_them_go(
    servers: Callable[..., Server], pooler: Callable[..., Pooler]
) -> None:
    bouncer = pooler({"app": (servers(16), "postgres")})
    assert ask(bouncer) == ("postgres", "postgres")
    console(bouncer, "PAUSE app")
    answers: list[object] = []
    waiting = threading.Thread(target=lambda: answers.append(ask(bouncer)))
    waiting.start()
    wait_until(
        lambda: any(row[3] for row in console(bouncer, "SHOW POOLS")),
        "the client to wait",
    )
    assert not answers
    console(bouncer, "RESUME app")
    waiting.join()
    assert answers == [("postgres", "postgres")]


def test_its_target_moves_with_the_ini(
    database_pair: Callable[[int, int], DatabasePair],
    pooler: Callable[..., Pooler],
) -> None:
    pair = database_pair(16, 18)
    bouncer = pooler({"app": (pair.blue.server, pair.blue.name)})
    assert ask(bouncer) == (pair.blue.name, "postgres")
    draft = bouncer.config_file.with_suffix(".new")
    draft.write_text(
        bouncer.config_file.read_text()
        .replace(f"port={pair.blue.server.port}", f"port={pair.green.server.port}")
        .replace(pair.blue.name, pair.green.name)
    )
    draft.replace(bouncer.config_file)
    console(bouncer, "RELOAD")
    wait_until(lambda: ask(bouncer) == (pair.green.name, "postgres"), "green")


def test_it_comes_back_after_a_kill_on_the_same_port(
    servers: Callable[..., Server], pooler: Callable[..., Pooler]
) -> None:
    bouncer = pooler({"postgres": servers(16), "app": (servers(16), "postgres")})
    port = bouncer.port
    bouncer.kill()
    with pytest.raises(psycopg.OperationalError):
        ask(bouncer)
    bouncer.start_again()
    assert bouncer.port == port
    assert ask(bouncer) == ("postgres", "postgres")


def test_a_session_pool_and_other_users(
    servers: Callable[..., Server], pooler: Callable[..., Pooler]
) -> None:
    server = servers(16)
    with server.connect() as session:
        session.execute("DROP ROLE IF EXISTS app")
        session.execute("CREATE ROLE app LOGIN")
    target = f"host={server.host} port={server.port} dbname=postgres"
    bouncer = pooler({"app": target}, pool_mode="session")
    assert ask(bouncer, user="app") == ("postgres", "app")
    assert "pool_mode = session" in bouncer.config_file.read_text()


def test_a_pooler_that_cannot_start_says_why(lab_folder: Path) -> None:
    with pytest.raises(ServerRefused, match="did not start") as caught:
        Pooler.start(lab_folder / "pooler", {}, pool_mode="no_such_mode")
    assert "no_such_mode" in caught.value.seen

"""The parts of the PgBouncer pointer that decide, without a pooler."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bluegreen.model.errors import PlaybookRefused
from bluegreen.model.side import Side
from bluegreen.pointers.pgbouncer.address import Address
from bluegreen.pointers.pgbouncer.check import (
    Survey,
    most_connections,
    pooler_findings,
)
from bluegreen.pointers.pgbouncer.console import quoted
from bluegreen.pointers.pgbouncer.file import ConfigFile
from bluegreen.pointers.pgbouncer.holders import in_use, logging_in, name_holders
from bluegreen.pointers.pgbouncer.pointer import PgBouncer

BLUE = Address("10.0.0.5", 5432, "shop")
GREEN = Address("10.0.0.6", 5432, "shop")
ROW: dict[str, str | None] = {
    "name": "shop",
    "host": "10.0.0.5",
    "port": "5432",
    "database": "shop",
    "force_user": None,
    "pool_mode": None,
    "min_pool_size": "0",
    "paused": "0",
    "disabled": "0",
}
CONFIG = {
    "pool_mode": "transaction",
    "server_login_retry": "1",
    "query_wait_timeout": "120",
    "so_reuseport": "0",
}


def found(**changes: Any) -> dict[str, bool]:
    config = {**CONFIG, **changes.pop("config", {})}
    row = {**ROW, **changes.pop("row", {})}
    given: dict[str, Any] = {
        "where": "main",
        "database": "shop",
        "may_pause": True,
        "by_socket": False,
        "user": "pgbouncer",
        "pools": [],
        "version": "PgBouncer 1.18.0",
    }
    survey = Survey(config=config, databases=[row], **{**given, **changes})
    sides = {Side.BLUE: BLUE, Side.GREEN: GREEN}
    return {f.id: f.is_blocking for f in pooler_findings(survey, sides)}


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert found() == {}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"may_pause": False}, {"console-without-admin-right": True}),
        ({"config": {"pool_mode": "session"}}, {"session-pooling": True}),
        ({"row": {"pool_mode": "session"}}, {"session-pooling": True}),
        ({"config": {"server_login_retry": "1.1"}}, {"login-retry-too-long": True}),
        ({"row": {"min_pool_size": "3"}}, {"minimum-logs-in-while-paused": False}),
        ({"config": {"query_wait_timeout": "4.9"}}, {"query-wait-too-short": True}),
        ({"config": {"query_wait_timeout": "0"}}, {"query-wait-endless": False}),
        ({"config": {"so_reuseport": "1"}}, {"console-of-many-processes": True}),
        (
            {"config": {"so_reuseport": "1"}, "by_socket": True},
            {"process-without-pointer": True},
        ),
        (
            {"config": {"peer_id": "1"}, "peers": {"1": {}, "2": {}}},
            {"process-without-pointer": True},
        ),
        ({"row": {"host": "10.0.0.7"}}, {"pointer-names-neither": True}),
        ({"row": {"host": None}}, {"pointer-names-neither": True}),
        ({"row": {"paused": "1"}}, {"entry-paused": True}),
        ({"row": {"disabled": "1"}}, {"entry-disabled": True}),
        ({"row": {"force_user": "app"}}, {"entry-forces-user": False}),
        ({"version": "PgBouncer 1.17.0"}, {"pooler-version-untried": False}),
        ({"version": "something"}, {"pooler-version-untried": False}),
    ],
)
def test_each_is_found_alone(
    changes: dict[str, Any], expected: dict[str, bool]
) -> None:
    assert found(**changes) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"config": {"pool_mode": "session"}, "row": {"pool_mode": "transaction"}},
        {"config": {"server_login_retry": "0.5"}},
        {"config": {"server_login_retry": "0.1"}, "row": {"min_pool_size": "3"}},
        {
            "config": {"so_reuseport": "1"},
            "by_socket": True,
            "beside": frozenset({("other",)}),
        },
        {"config": {"peer_id": "1"}, "peers": {"1": {}}},
        {"version": "PgBouncer 1.25.1"},
        {"pools": [{"database": "x", "user": "a", "pool_mode": "session"}]},
    ],
)
def test_what_only_looks_wrong_is_not_found(changes: dict[str, Any]) -> None:
    assert found(**changes) == {}


def test_an_address_is_compared_without_case_but_a_socket_with_it() -> None:
    assert Address.of_playbook("m", {"host": "DB.Internal"}, "shop") == Address(
        "db.internal", 5432, "shop"
    )
    assert Address.of_playbook("m", {"host": "/Run/pg"}, "shop").host == "/Run/pg"


@pytest.mark.parametrize(
    ("row", "users", "most"),
    [
        ({"pool_size": "20", "reserve_pool": "5", "max_connections": "0"}, 1, 25),
        ({"pool_size": "20", "reserve_pool_size": "5", "max_connections": "0"}, 3, 75),
        ({"pool_size": "20", "reserve_pool": "0", "max_connections": "30"}, 3, 30),
        ({"pool_size": "20", "reserve_pool": "0", "max_connections": "90"}, 3, 60),
        ({"pool_size": "20", "reserve_pool": None, "max_connections": None}, 0, 20),
    ],
)
def test_connections_that_an_entry_may_open(
    row: dict[str, str | None], users: int, most: int
) -> None:
    assert most_connections({**ROW, **row}, users) == most


@pytest.mark.parametrize("port", ["x", "0", "65536", "-1", "5432 ", "٥"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(PlaybookRefused) as caught:
        Address.of_playbook("main", {"host": "a", "port": port}, "shop")
    assert str(caught.value) == (
        "error BG-2003: pointer main has an address whose port is none\n"
        f"  seen:    port: {port}\n"
        "  wanted:  a number from 1 to 65535"
    )


def test_one_address_for_both_sides_is_refused() -> None:
    with pytest.raises(PlaybookRefused, match="at the same address"):
        PgBouncer(
            id="main",
            console="host=127.0.0.1",
            config_file=Path("/etc/pgbouncer/pgbouncer.ini"),
            database="shop",
            addresses={Side.BLUE: {"host": "a"}, Side.GREEN: {"host": "A"}},
        )


@pytest.mark.parametrize("console", ["host", "host=a nonsense=b"])
def test_a_console_that_is_no_connection_string_is_refused(console: str) -> None:
    with pytest.raises(PlaybookRefused, match="is not a connection string"):
        PgBouncer(
            id="main",
            console=console,
            config_file=Path("/etc/pgbouncer/pgbouncer.ini"),
            database="shop",
            addresses={Side.BLUE: {"host": "a"}, Side.GREEN: {"host": "b"}},
        )


def test_a_name_is_quoted_and_one_that_is_too_long_is_refused() -> None:
    assert quoted('a"; SHUTDOWN; "') == '"a""; SHUTDOWN; """'
    assert quoted("n" * 61) == '"' + "n" * 61 + '"'
    with pytest.raises(PlaybookRefused):
        quoted("n" * 62)
    with pytest.raises(PlaybookRefused):
        quoted("é" * 31)


def server(**changes: str) -> dict[str, str | None]:
    return {
        "database": "shop",
        "state": "active",
        "link": "0x1",
        "ptr": "0x9",
        "remote_pid": "77",
        "user": "app",
        **changes,
    }


def test_only_what_carries_something_is_in_use() -> None:
    states = ["active", "tested", "being_canceled", "idle", "used", "new", "login"]
    rows = [server(state=state) for state in states] + [server(database="x")]
    busy = [row["state"] for row in in_use(rows, "shop")]
    assert busy == ["active", "tested", "being_canceled"]


def test_a_login_of_this_entry_only_is_waited_for() -> None:
    assert logging_in([server(), server(state="new")], "shop")
    assert logging_in([server(state="login")], "shop")
    assert not logging_in([server(), server(state="new", database="x")], "shop")


def test_holders_are_named_up_to_five() -> None:
    client = {
        "ptr": "0x1",
        "addr": "10.0.0.9",
        "port": "4711",
        "application_name": "cron",
        "request_time": "12:00",
    }
    told = name_holders([server(), server(link="")] + [server()] * 5, [client])
    assert told.splitlines() == [
        "7 open transactions hold it up",
        "server pid 77, user app, client 10.0.0.9:4711 (cron), since 12:00",
        "server pid 77, user app, no client",
        *["server pid 77, user app, client 10.0.0.9:4711 (cron), since 12:00"] * 3,
        "and 2 more",
    ]


def test_what_stands_in_the_way_of_replacing_a_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "pgbouncer.ini"
    file.write_text("")
    config = ConfigFile(file, "main")
    assert config.obstacles() == []
    (tmp_path / "other").hardlink_to(file)
    assert config.obstacles() == [
        "it has hard links, which a rename would part from it"
    ]

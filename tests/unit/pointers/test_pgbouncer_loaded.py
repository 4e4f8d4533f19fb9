"""File and process held against each other, without a pooler."""

from __future__ import annotations

from pathlib import Path

import pytest

from bluegreen.pointers.pgbouncer import ini
from bluegreen.pointers.pgbouncer.loaded import changed, only_running, unloaded
from bluegreen.pointers.pgbouncer.shown import Shown
from bluegreen.pointers.pgbouncer.values import is_same, is_same_number
from bluegreen.pointers.simple_query import Row

MAIN = Path("/etc/pgbouncer/pgbouncer.ini")

SAME = [
    ("max_client_conn", "0x3e8", "1000"),
    ("max_client_conn", "0X3E8", "1000"),
    ("max_client_conn", "+1000", "1000"),
    ("unix_socket_mode", "0777", "511"),
    ("server_lifetime", "0x3e8", "1000"),
    ("server_lifetime", "0x1p4", "16"),
    ("server_lifetime", "3600.0", "3600"),
    ("server_lifetime", "1e3", "1000"),
    ("server_lifetime", "060", "60"),
    ("server_lifetime", "1234567", "1.23457e+06"),
    ("server_login_retry", ".5", "0.5"),
    ("max_packet_size", "2147483647", "2147483647"),
    ("auth_type", "TRUST", "trust"),
    ("pool_mode", "Transaction", "transaction"),
    ("server_tls_sslmode", "VERIFY-FULL", "verify-full"),
    ("stats_users", "a, b", "a, b"),
    ("auth_file", "", ""),
]
OTHER = [
    ("max_client_conn", "0x3e8", "1001"),
    ("max_client_conn", "1000", "100"),
    # PgBouncer stops reading at a word where it wants a number.
    ("log_stats", "yes", "1"),
    ("log_stats", "on", "1"),
    ("max_client_conn", "1_000", "1000"),
    ("max_client_conn", "1k", "1000"),
    ("server_lifetime", "1h", "3600"),
    ("server_lifetime", "", "0"),
    ("stats_users", "A", "a"),
    ("stats_users", "a,b", "a, b"),
    ("max_packet_size", "2147483646", "2147483647"),
]


@pytest.mark.parametrize(("key", "written", "running"), SAME)
def test_spellings_of_one_value_are_no_difference(
    key: str, written: str, running: str
) -> None:
    assert is_same(key, written, running)


@pytest.mark.parametrize(("key", "written", "running"), OTHER)
def test_other_values_are_a_difference(key: str, written: str, running: str) -> None:
    assert not is_same(key, written, running)


@pytest.mark.parametrize(
    ("written", "running", "same"),
    [
        ("7", "        7", True),
        ("7x", "7", True),
        ("x", "0", True),
        ("0x10", "0", True),
        ("7", "8", False),
        ("", "3", False),
    ],
)
def test_numbers_of_an_entry_are_read_as_atoi_does(
    written: str, running: str, same: bool
) -> None:
    assert is_same_number(written, running) is same


def setting(key: str, value: str | None, default: str | None, can: str = "yes") -> Row:
    return {"key": key, "value": value, "default": default, "changeable": can}


def entry(name: str, host: str = "a", **words: str | None) -> Row:
    given: Row = {
        "name": name,
        "host": host,
        "port": "5432",
        "database": name,
        "force_user": None,
        "pool_size": "20",
        "pool_mode": None,
        "current_connections": "3",
        "paused": "0",
        "disabled": "0",
    }
    return given | words


CONFIG = {
    str(row["key"]): row
    for row in (
        setting("default_pool_size", "20", "20"),
        setting("max_user_connections", "0", "0"),
        setting("server_lifetime", "3600", "3600"),
        setting("auth_file", "/users", None),
        setting("verbose", "2", None),
        setting("listen_port", "7000", "6432", "no"),
    )
}


def shown(
    *entries: Row,
    users: tuple[Row, ...] = (),
    peers: tuple[Row, ...] | None = None,
    **settings: str,
) -> Shown:
    config = dict(CONFIG)
    for key, value in settings.items():
        config[key] = config[key] | {"value": value}
    return Shown(
        config=config,
        databases={str(row["name"]): row for row in (entry("pgbouncer"), *entries)},
        users={str(row["name"]): row for row in users},
        peers=None if peers is None else {str(row["peer_id"]): row for row in peers},
    )


def read(text: str) -> ini.Ini:
    return ini.read_ini(MAIN, lambda _: text)


def told(text: str, seen: Shown) -> list[str]:
    return [str(one) for one in unloaded(read(text), seen)]


SHOP = "[databases]\nshop = host=a\n"
USER: Row = {"name": "bob", "pool_mode": None}
NEW_USER: Row = {
    "name": "bob",
    "pool_size": "        3",
    "reserve_pool_size": "",
    "pool_mode": "session",
    "max_user_connections": "0",
}
PEER: Row = {"peer_id": "2", "host": "h", "port": "6432", "pool_size": "20"}

LOADED = {
    "as it stands": (SHOP, shown(entry("shop"))),
    "keys without a default": (SHOP + "[pgbouncer]\n", shown(entry("shop"))),
    "a restart's key": (SHOP + "[pgbouncer]\nlisten_port=1\n", shown(entry("shop"))),
    "an earlier heading": (
        SHOP + "[pgbouncer]\nserver_lifetime=77\n[pgbouncer]\n",
        shown(entry("shop")),
    ),
    "an earlier heading keeps a key without a default": (
        SHOP + "[pgbouncer]\nauth_file=/users\n[pgbouncer]\n",
        shown(entry("shop")),
    ),
    "a default of the process": (
        SHOP + "[pgbouncer]\ndefault_pool_size=7\n",
        shown(entry("shop", pool_size="7"), default_pool_size="7"),
    ),
    "an entry that is disabled and gone": (
        SHOP,
        shown(entry("shop"), entry("old", disabled="1")),
    ),
    "an entry by *": (
        SHOP + "* = host=b\n",
        shown(entry("shop"), entry("any", "b")),
    ),
    "a trial": (SHOP, shown(entry("shop"), entry("bluegreen_probe_0a", "b"))),
    "a user": (
        SHOP + "[users]\nbob = pool_mode=Session\n",
        shown(entry("shop"), users=({"name": "bob", "pool_mode": "session"},)),
    ),
    "a user of a newer one": (
        SHOP + "[users]\nbob = pool_mode=session pool_size=3\n",
        shown(entry("shop"), users=(NEW_USER,)),
    ),
    "a user that has left the file": (SHOP, shown(entry("shop"), users=(NEW_USER,))),
    "a peer": (SHOP + "[peers]\n2 = host=h\n", shown(entry("shop"), peers=(PEER,))),
}


@pytest.mark.parametrize(("text", "seen"), LOADED.values(), ids=LOADED)
def test_what_a_reload_leaves_as_it_is_is_no_finding(text: str, seen: Shown) -> None:
    assert told(text, seen) == []


INI = str(MAIN)
RUNS = "h:6432 pool_size=20"
MAIN_ = SHOP + "[pgbouncer]\n"
NO_LIFETIME = (
    INI + ":{} has no server_lifetime, the running pooler 77, a RELOAD makes it 3600"
)
WOULD_CHANGE = {
    "a setting": (
        MAIN_ + "\n; c\nserver_lifetime = 77\n",
        shown(entry("shop")),
        f"{INI}:6 says server_lifetime = 77, the running pooler 3600",
    ),
    "a setting that was taken out": (
        MAIN_,
        shown(entry("shop"), server_lifetime="77"),
        NO_LIFETIME.format(3),
    ),
    "a setting under an earlier heading": (
        MAIN_ + "server_lifetime=77\n[pgbouncer]\n",
        shown(entry("shop"), server_lifetime="77"),
        NO_LIFETIME.format(5),
    ),
    "a section": (
        SHOP + "[peers]\n",
        shown(entry("shop")),
        f"{INI}:3 sets section [peers], which the running pooler lacks",
    ),
    "an entry that was taken out": (
        SHOP,
        shown(entry("shop"), entry("old")),
        f"{INI}:1 has no entry old, the running pooler a:5432/old",
    ),
    "another *": (
        SHOP + "* = host=c\n",
        shown(entry("shop"), entry("any", "b")),
        f"{INI}:3 says entry any (by *) = c:5432/any, the running pooler b:5432/any",
    ),
    "a word of an entry": (
        "[databases]\nshop = host=a pool_size=3\n",
        shown(entry("shop")),
        f"{INI}:2 says entry shop, pool_size = 3, the running pooler 20",
    ),
    "a word that was taken out of an entry": (
        SHOP,
        shown(entry("shop", pool_size="3")),
        f"{INI}:2 says entry shop, pool_size = 20, the running pooler 3",
    ),
    "a user": (
        SHOP + "[users]\nbob = pool_mode=session\n",
        shown(entry("shop"), users=(USER,)),
        f"{INI}:4 says user bob, pool_mode = session, the running pooler (empty)",
    ),
    "a user that never logged in": (
        SHOP + "[users]\nbob = pool_mode=session\n",
        shown(entry("shop")),
        f"{INI}:4 sets user bob, which the running pooler lacks",
    ),
    "a user's pool": (
        SHOP + "[users]\nbob = pool_mode=session\n",
        shown(entry("shop"), users=(NEW_USER,)),
        f"{INI}:4 says user bob, pool_size = (empty), the running pooler 3",
    ),
    "a peer": (
        SHOP + "[peers]\n2 = host=h port=1\n",
        shown(entry("shop"), peers=(PEER,)),
        f"{INI}:4 says peer 2 = h:1 pool_size=20, the running pooler {RUNS}",
    ),
    "a new peer": (
        SHOP + "[peers]\n2 = host=h\n",
        shown(entry("shop"), peers=()),
        f"{INI}:4 says peer 2 = {RUNS}, the running pooler has no such peer",
    ),
    "a peer that was taken out": (
        SHOP,
        shown(entry("shop"), peers=(PEER,)),
        f"{INI} has no peer 2, the running pooler {RUNS}",
    ),
}


@pytest.mark.parametrize(
    ("text", "seen", "wanted"), WOULD_CHANGE.values(), ids=WOULD_CHANGE
)
def test_what_a_reload_would_change_is_named_with_its_line(
    text: str, seen: Shown, wanted: str
) -> None:
    assert told(text, seen) == [wanted]


def test_the_address_of_one_entry_may_be_judged_elsewhere() -> None:
    seen = shown(entry("shop", "b"))
    assert len(unloaded(read(SHOP), seen)) == 1
    assert unloaded(read(SHOP), seen, "shop") == []
    smaller = shown(entry("shop", pool_size="3"))
    assert len(unloaded(read(SHOP), smaller, "shop")) == 1


def test_what_a_restart_would_forget_is_told() -> None:
    seen = shown(entry("shop"), users=(NEW_USER, USER | {"name": "eve"}))
    assert [str(one) for one in only_running(read(SHOP), seen)] == [
        f"{INI} has no user bob, the running pooler pool_mode = session, pool_size = 3"
    ]


def test_two_looks_are_compared_but_for_what_comes_and_goes() -> None:
    before = shown(entry("shop"), entry("b"), users=(USER,), peers=(PEER,))
    after = shown(
        entry("shop", current_connections="9", paused="1"),
        entry("any"),
        users=(USER, NEW_USER | {"name": "eve"}),
        peers=(PEER,),
    )
    assert changed(before, after) == []
    other = shown(
        entry("shop", pool_size="3"),
        users=(USER | {"pool_mode": "session"},),
        peers=(),
        server_lifetime="77",
    )
    assert changed(before, other) == [
        "server_lifetime: 77, before 3600",
        "entry shop, pool_size: 3, before 20",
        "user bob, pool_mode: session, before None",
        "peer 2 has come or gone",
    ]

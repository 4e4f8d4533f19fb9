"""Entries, users and peers of a file held against those that run. Pure.

Owns which column of SHOW DATABASES, SHOW USERS and SHOW PEERS each key fills, and what
fills it without one. Passwords, queries and timeouts of an entry are shown nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bluegreen.pointers.pgbouncer import ini
from bluegreen.pointers.pgbouncer.address import Address
from bluegreen.pointers.pgbouncer.shown import (
    CONSOLE,
    PROBE,
    Shown,
    Unloaded,
    heading_of,
    last_of,
)
from bluegreen.pointers.pgbouncer.values import is_same, is_same_number
from bluegreen.pointers.simple_query import Row

PEER_PORT = "6432"
"""PgBouncer's default for a peer."""

_UNREADABLE = "what cannot be taken apart"

_NUMBERS = {
    "pool_size": (("pool_size",), "default_pool_size"),
    "min_pool_size": (("min_pool_size",), "min_pool_size"),
    "reserve_pool": (("reserve_pool", "reserve_pool_size"), "reserve_pool_size"),
    "reserve_pool_size": (("reserve_pool", "reserve_pool_size"), "reserve_pool_size"),
    "max_connections": (("max_db_connections",), "max_db_connections"),
    "max_client_connections": (
        ("max_db_client_connections",),
        "max_db_client_connections",
    ),
}
"""Columns of SHOW DATABASES: the keys of an entry that fill them, and the setting that
does where there is none."""

_USERS = {
    "max_user_connections": "max_user_connections",
    "max_user_client_connections": "max_user_client_connections",
    "pool_size": "",
    "reserve_pool_size": "",
}
"""Columns of SHOW USERS, and the setting that fills them without a key of the user."""


def entries_unloaded(found: ini.Ini, shown: Shown, but: str) -> Iterator[Unloaded]:
    """Entries of `[databases]`; of `but` all but its address.

    RELOAD gives what `*` has made the words that `*` has now, and takes away what no
    file has. An entry of a former `*` stays; it looks the same on the console.
    """
    written = last_of(found.settings, "databases")
    for name, entry in written.items():
        if name != "*" and not name.startswith(PROBE):
            row = shown.databases.get(name)
            yield from _entry(entry, name, row, shown, judge_address=name != but)
    wildcard = written.get("*")
    for name, row in shown.databases.items():
        if name in written or name == CONSOLE or name.startswith(PROBE):
            continue
        if wildcard is not None:
            yield from _entry(wildcard, name, row, shown)
        elif row["disabled"] == "0":
            yield Unloaded(
                f"entry {name}",
                heading_of(found, "databases"),
                "",
                str(Address.of_row(row)),
                absent=True,
            )


def _entry(
    entry: ini.Setting,
    name: str,
    row: Row | None,
    shown: Shown,
    *,
    judge_address: bool = True,
) -> Iterator[Unloaded]:
    what = f"entry {name}" + (" (by *)" if entry.key == "*" else "")
    try:
        pairs = ini.read_pairs(entry.value)
    except ini.IniError:
        yield Unloaded(what, entry.place, _UNREADABLE, _address(row))
        return
    written = Address.of_pairs(pairs, name)
    if row is None or written != Address.of_row(row):
        if judge_address:
            yield Unloaded(what, entry.place, str(written), _address(row))
        return
    said = {pair.key: pair.value for pair in pairs}
    for column, value, same in _columns(said, row, shown):
        if not same:
            running = (row[column] or "").strip() or "(empty)"
            yield Unloaded(f"{what}, {column}", entry.place, value, running)


def _columns(
    said: Mapping[str, str], row: Row, shown: Shown
) -> Iterator[tuple[str, str, bool]]:
    """Each column that the entry decides: what it says, and whether that runs."""
    user = said.get("user", "")
    yield "force_user", user, user == (row.get("force_user") or "")
    mode = said.get("pool_mode", "")
    yield "pool_mode", mode, is_same("pool_mode", mode, row.get("pool_mode") or "")
    for column, (keys, setting) in _NUMBERS.items():
        if column not in row:
            continue
        own = [said[key] for key in keys if key in said]
        if not own and setting not in shown.config:
            continue
        value = own[-1] if own else shown.setting(setting)
        yield column, value, is_same_number(value, row[column] or "")


def _address(row: Row | None) -> str:
    return str(Address.of_row(row)) if row else "has no such entry"


def users_unloaded(found: ini.Ini, shown: Shown) -> Iterator[Unloaded]:
    """Lines of `[users]` that RELOAD would load; those taken out it leaves alone."""
    for name, setting in last_of(found.settings, "users").items():
        what, row = f"user {name}", shown.users.get(name)
        said = _pairs(setting)
        if row is None:
            yield Unloaded(what, setting.place, "", "")
        elif said is None:
            yield Unloaded(what, setting.place, _UNREADABLE, "otherwise")
        else:
            for column, value, runs in _user_columns(said, row, shown):
                yield Unloaded(
                    f"{what}, {column}", setting.place, value, runs or "(empty)"
                )


def _user_columns(
    said: Mapping[str, str], row: Row, shown: Shown
) -> Iterator[tuple[str, str, str]]:
    """Each column that is not as the line says: what it says, and what runs."""
    mode, runs = said.get("pool_mode", ""), row.get("pool_mode") or ""
    if not is_same("pool_mode", mode, runs):
        yield "pool_mode", mode, runs
    for column, default in _USERS.items():
        if column in row:
            value = said.get(column, shown.setting(default))
            runs = (row[column] or "").strip()
            # An empty column is "none of its own", which is not 0.
            if bool(value) != bool(runs) or not is_same_number(value, runs):
                yield column, value, runs


def own_words(row: Row) -> dict[str, str]:
    """What a row of SHOW USERS has by a line of `[users]` only."""
    columns = ("pool_mode", "pool_size", "reserve_pool_size")
    return {c: value for c in columns if (value := (row.get(c) or "").strip())}


def peers_unloaded(found: ini.Ini, shown: Shown) -> Iterator[Unloaded]:
    """Lines of `[peers]`, in both directions: RELOAD ends those that are taken out."""
    if shown.peers is None:
        return
    written = last_of(found.settings, "peers")
    for name, setting in written.items():
        row = shown.peers.get(name)
        said = _pairs(setting)
        wanted = _UNREADABLE if said is None else _peer(said, shown)
        runs = _runs(row) if row else "has no such peer"
        if wanted != runs:
            yield Unloaded(f"peer {name}", setting.place, wanted, runs)
    for name, row in shown.peers.items():
        if name not in written:
            place = heading_of(found, "peers")
            yield Unloaded(f"peer {name}", place, "", _runs(row), absent=True)


def _peer(said: Mapping[str, str], shown: Shown) -> str:
    size = said.get("pool_size") or shown.setting("default_pool_size")
    return f"{said.get('host')}:{said.get('port', PEER_PORT)} pool_size={size}"


def _runs(row: Row) -> str:
    return f"{row['host']}:{row['port']} pool_size={row['pool_size']}"


def _pairs(setting: ini.Setting) -> dict[str, str] | None:
    try:
        return {pair.key: pair.value for pair in ini.read_pairs(setting.value)}
    except ini.IniError:
        return None

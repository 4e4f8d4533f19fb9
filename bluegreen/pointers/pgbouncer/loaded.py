"""Whether a running PgBouncer has what its file says, in both directions. Pure.

Owns what a RELOAD would do, with the settings of `[pgbouncer]` and SHOW CONFIG here,
entries, users and peers in `loaded_rows.py`. A move RELOADs the
whole file: what was written and not loaded would go live in the pause, what runs
and is in no file would be taken back, and a key that PgBouncer does not know makes it
forget all settings behind it (1.18). Left aside is what RELOAD leaves as it is: keys
that only a restart changes, and absent keys without a default.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bluegreen.pointers.pgbouncer import ini
from bluegreen.pointers.pgbouncer.loaded_rows import (
    entries_unloaded,
    own_words,
    peers_unloaded,
    users_unloaded,
)
from bluegreen.pointers.pgbouncer.shown import (
    CONSOLE,
    Shown,
    Unloaded,
    heading_of,
    last_of,
)
from bluegreen.pointers.pgbouncer.values import is_same
from bluegreen.pointers.simple_query import Row

_VOLATILE = frozenset(
    {"current_connections", "current_client_connections", "paused", "disabled"}
)


def unloaded(found: ini.Ini, shown: Shown, but: str = "") -> list[Unloaded]:
    """What a RELOAD would change, without where `but` leads: that is judged apart."""
    return [
        *_unknown_sections(found, shown),
        *_settings(found, shown),
        *_absent_settings(found, shown),
        *entries_unloaded(found, shown, but),
        *users_unloaded(found, shown),
        *peers_unloaded(found, shown),
    ]


def only_running(found: ini.Ini, shown: Shown) -> list[Unloaded]:
    """What a RELOAD keeps and a restart forgets: users that have left the file."""
    written = last_of(found.settings, "users")
    return [
        Unloaded(
            f"user {name}",
            heading_of(found, "users"),
            "",
            ", ".join(f"{c} = {v}" for c, v in own.items()),
            absent=True,
        )
        for name, row in shown.users.items()
        if name not in written and name != CONSOLE and (own := own_words(row))
    ]


def changed(before: Shown, after: Shown) -> list[str]:
    """What differs between two looks, but for entries that come and go by `*`."""
    found = [
        f"{key}: {row['value']}, before {before.setting(key) or '(empty)'}"
        for key, row in after.config.items()
        if (row["value"] or "") != before.setting(key)
    ]
    found += _rows_changed("entry", before.databases, after.databases)
    found += _rows_changed("user", before.users, after.users)
    peers = (before.peers or {}, after.peers or {})
    found += _rows_changed("peer", *peers)
    found += [
        f"peer {one} has come or gone" for one in sorted(peers[0].keys() ^ peers[1])
    ]
    return found


def _rows_changed(
    kind: str, before: Mapping[str, Row], after: Mapping[str, Row]
) -> Iterator[str]:
    for name in sorted(before.keys() & after.keys()):
        for column, value in after[name].items():
            former = before[name].get(column)
            if column not in _VOLATILE and value != former:
                yield f"{kind} {name}, {column}: {value}, before {former}"


def _unknown_sections(found: ini.Ini, shown: Shown) -> Iterator[Unloaded]:
    known = {"pgbouncer", "databases", "users"}
    if shown.peers is not None:
        known.add("peers")
    for one in found.headings:
        if one.section not in known:
            yield Unloaded(f"section [{one.section}]", one.place, "", "")


def _settings(found: ini.Ini, shown: Shown) -> Iterator[Unloaded]:
    for key, setting in last_of(found.settings, "pgbouncer").items():
        row = shown.config.get(key)
        if row is None:
            yield Unloaded(key, setting.place, "", "")
        elif row.get("changeable") != "no" and not _is_taken_back(found, setting, row):
            running = row["value"] or ""
            if not is_same(key, setting.value, running):
                shown_value = running or "(empty)"
                yield Unloaded(key, setting.place, setting.value, shown_value)


def _is_taken_back(found: ini.Ini, setting: ini.Setting, row: Row) -> bool:
    """A heading `[pgbouncer]` gives every key its default again, if it has one."""
    again = setting.part != found.last_part("pgbouncer")
    return again and row.get("default") is not None


def _absent_settings(found: ini.Ini, shown: Shown) -> Iterator[Unloaded]:
    last = last_of(found.settings, "pgbouncer")
    place = heading_of(found, "pgbouncer")
    for key, row in shown.config.items():
        default, running = row.get("default"), row["value"] or ""
        if row.get("changeable") == "no" or default is None:
            continue
        if key in last and not _is_taken_back(found, last[key], row):
            continue
        if not is_same(key, default, running):
            yield Unloaded(
                key, place, default or "(empty)", running or "(empty)", absent=True
            )

"""Whether a running PgBouncer has what its file says. Pure.

Owns the comparison of every setting of `[pgbouncer]` and every entry of `[databases]`
with SHOW CONFIG and SHOW DATABASES. A move RELOADs the whole file: what somebody wrote
and did not load would go live in the pause, and a key that PgBouncer does not know
makes it forget all settings behind it (1.18). A key that only a restart changes is left
aside, for RELOAD does not take it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bluegreen.pointers.pgbouncer import ini
from bluegreen.pointers.pgbouncer.address import Address
from bluegreen.pointers.simple_query import Row

PROBE = "bluegreen_probe_"
"""How the name of a throw-away entry of ours begins."""

CONSOLE = "pgbouncer"
"""The console's own entry, which no file has."""

_WITHOUT_CASE = {"auth_type", "pool_mode", "server_tls_sslmode", "client_tls_sslmode"}

_COLUMNS = {
    "pool_size": "pool_size",
    "min_pool_size": "min_pool_size",
    "reserve_pool": "reserve_pool",
    "max_db_connections": "max_connections",
}


@dataclass(frozen=True, slots=True)
class Unloaded:
    """One word of a file that the running pooler has otherwise; no password.

    Attributes:
        what: the setting, or `entry NAME`.
        file: where it stands.
        written: its value there.
        running: what the pooler has.
    """

    what: str
    file: Path
    written: str
    running: str

    def __str__(self) -> str:
        if not self.running:
            # Its value is not shown: an entry in the wrong section has a password.
            return f"{self.file} sets {self.what}, which the running pooler lacks"
        return (
            f"{self.file} says {self.what} = {self.written or '(empty)'}, the running "
            f"pooler {self.running}"
        )


def unloaded(
    settings: list[ini.Setting],
    config: Iterable[Row],
    databases: Iterable[Row],
    but: str,
) -> list[Unloaded]:
    """What differs, without the entry `but`, whose address is judged elsewhere."""
    rows = {str(row["name"]): row for row in databases}
    entries = {s.key: s for s in settings if s.section == "databases"}
    found = [*_settings(settings, {str(row["key"]): row for row in config})]
    for name, entry in entries.items():
        if name != "*" and name != but and not name.startswith(PROBE):
            found += _entry(entry, rows.get(name))
    return [*found, *_gone(settings, entries, rows)]


def _settings(
    settings: list[ini.Setting], config: dict[str, Row]
) -> Iterator[Unloaded]:
    """PgBouncer takes the last of two equal keys."""
    last = {s.key: s for s in settings if s.section == "pgbouncer"}
    for key, setting in last.items():
        row = config.get(key)
        if row is None:
            yield Unloaded(key, setting.file, "", "")
        elif row.get("changeable") == "no":
            continue
        elif _plain(setting.value, key) != _plain(row["value"] or "", key):
            value = row["value"] or "(empty)"
            yield Unloaded(key, setting.file, setting.value, value)


def _plain(value: str, key: str) -> str:
    """A value as it can be compared: numbers by what they are worth."""
    with suppress(ValueError):
        return str(float(value))
    return value.strip().lower() if key in _WITHOUT_CASE else value.strip()


def _entry(entry: ini.Setting, row: Row | None) -> Iterator[Unloaded]:
    what = f"entry {entry.key}"
    try:
        pairs = ini.read_pairs(entry.value)
    except ini.IniError:
        yield Unloaded(what, entry.file, "what cannot be taken apart", _address(row))
        return
    written = Address.of_pairs(pairs, entry.key)
    if row is None or written != Address.of_row(row):
        yield Unloaded(what, entry.file, str(written), _address(row))
        return
    said = {pair.key: pair.value for pair in pairs}
    wanted = {"force_user": said.get("user", ""), "pool_mode": said.get("pool_mode")}
    wanted |= {there: said[key] for key, there in _COLUMNS.items() if key in said}
    for column, value in wanted.items():
        running = row.get(column) or ""
        if column in row and _plain(value or "", column) != _plain(running, column):
            shown = running or "(empty)"
            yield Unloaded(f"{what}, {column}", entry.file, value or "", shown)


def _address(row: Row | None) -> str:
    return str(Address.of_row(row)) if row else "has no such entry"


def _gone(
    settings: list[ini.Setting], entries: dict[str, ini.Setting], rows: dict[str, Row]
) -> Iterator[Unloaded]:
    """Entries that a RELOAD would take away; with `*` any name may come and go."""
    if not settings or "*" in entries:
        return
    for name, row in rows.items():
        known = name in entries or name == CONSOLE or name.startswith(PROBE)
        if not known and row["disabled"] == "0":
            yield Unloaded(
                f"entry {name}", settings[0].file, "none", str(Address.of_row(row))
            )

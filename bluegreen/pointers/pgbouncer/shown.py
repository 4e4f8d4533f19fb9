"""What a running PgBouncer shows of itself, and how a difference is told. Pure.

Owns the two values that the comparison of file and process is made of; comparing is
for `loaded.py` and `loaded_rows.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bluegreen.pointers.pgbouncer import ini
from bluegreen.pointers.simple_query import Row

PROBE = "bluegreen_probe_"
"""How the name of a throw-away entry of ours begins."""

CONSOLE = "pgbouncer"
"""The console's own entry, which no file has."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What the console shows of its configuration.

    Attributes:
        config: SHOW CONFIG by key.
        databases: SHOW DATABASES by name.
        users: SHOW USERS by name.
        peers: SHOW PEERS by id; None where PgBouncer knows no peers (before 1.19).
    """

    config: Mapping[str, Row]
    databases: Mapping[str, Row]
    users: Mapping[str, Row]
    peers: Mapping[str, Row] | None

    def setting(self, key: str) -> str:
        """The running value of a setting; empty where there is none."""
        return (self.config.get(key) or {}).get("value") or ""


@dataclass(frozen=True, slots=True)
class Unloaded:
    """One word of a file that the running pooler has otherwise; no password.

    Attributes:
        what: the setting, or `entry NAME`.
        place: the file and line where it stands, or would stand.
        written: its value there.
        running: what the pooler has; empty where it has no such thing.
        absent: whether the file does not have it.
    """

    what: str
    place: str
    written: str
    running: str
    absent: bool = False

    def __str__(self) -> str:
        if self.absent:
            after = f", a RELOAD makes it {self.written}" if self.written else ""
            return (
                f"{self.place} has no {self.what}, the running pooler "
                f"{self.running}{after}"
            )
        if not self.running:
            # Its value is not shown: an entry in the wrong section has a password.
            return f"{self.place} sets {self.what}, which the running pooler lacks"
        return (
            f"{self.place} says {self.what} = {self.written or '(empty)'}, the running "
            f"pooler {self.running}"
        )


def last_of(settings: Iterable[ini.Setting], section: str) -> dict[str, ini.Setting]:
    """The settings of a section by key; PgBouncer takes the last of two equal ones."""
    return {one.key: one for one in settings if one.section == section}


def heading_of(found: ini.Ini, section: str) -> str:
    """Where the last heading of a section stands, or the file that has none."""
    number = found.last_part(section)
    if number >= 0:
        return found.headings[number].place
    return str(found.headings[0].file) if found.headings else "the file"

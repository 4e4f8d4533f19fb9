"""Server settings as numbers and words that can be compared.

Owns reading them and their units. What a value means is for those who ask.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from psycopg import sql

from bluegreen.postgres.database import Database, Row

RESULT_SETTINGS = (
    "TimeZone",
    "DateStyle",
    "IntervalStyle",
    "search_path",
    "default_transaction_isolation",
    "standard_conforming_strings",
    "bytea_output",
    "extra_float_digits",
    "array_nulls",
    "transform_null_equals",
    "xmlbinary",
    "xmloption",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "default_text_search_config",
)
"""Settings by which the same statement gives another result."""

# pg_settings.unit, and what people write; sizes become bytes, times become seconds.
_UNITS = {
    "B": 1.0,
    "kB": 1024.0,
    "8kB": 8192.0,
    "MB": 1024.0**2,
    "GB": 1024.0**3,
    "TB": 1024.0**4,
    "us": 0.000_001,
    "ms": 0.001,
    "s": 1.0,
    "min": 60.0,
    "h": 3600.0,
    "d": 86400.0,
}
_AMOUNT = re.compile(r"\s*([-+]?\d+(?:\.\d*)?)\s*([A-Za-z]*)\s*")

SESSION_SOURCES = (
    "client",
    "session",
    "user",
    "database user",
    "database",
    "global",
)
"""Where pg_settings shows what holds for this session only, not for the server."""

_UNPINNED = (
    "default_transaction_isolation",
    "default_transaction_read_only",
    "synchronous_commit",
)

_LIST_SETTINGS = {"search_path", "temp_tablespaces", "session_preload_libraries"}


@dataclass(frozen=True, slots=True)
class Settings:
    """What the server would tell a session that sets nothing itself.

    Attributes:
        texts: name to value as pg_settings gives it; None where our role cannot
            see what holds for others.
        units: name to unit as pg_settings gives it.
    """

    texts: Mapping[str, str | None]
    units: Mapping[str, str]

    def text(self, name: str) -> str | None:
        """The value; None when the server has no such setting or it is unseen."""
        return self.texts.get(name)

    def number(self, name: str) -> float | None:
        """The value in bytes or seconds, or plain; -1 stays -1 (no limit).

        None when the server has no such setting.
        """
        return self.measured(name, self.texts.get(name))

    def measured(self, name: str, text: str | None) -> float | None:
        """The same of a value of that setting as people write it: `60s`, `5000`.

        The catalog of roles and the configuration file keep it so.
        """
        found = _AMOUNT.fullmatch(text or "")
        if found is None:
            return None
        value, unit = float(found[1]), found[2] or self.units.get(name, "")
        return value if value < 0 else value * _UNITS.get(unit, 1.0)


def read_settings(database: Database) -> Settings:
    """Read all of them.

    Our own sessions pin some of them (TimeZone, DateStyle, search_path), so for these
    the configuration file is asked. That takes a superuser, or EXECUTE on
    pg_show_all_file_settings(); without it they are unseen.
    """
    in_files = _file_settings(database)
    texts: dict[str, str | None] = {}
    units: dict[str, str] = {}
    for name, text, unit, source, built_in in _read(database):
        units[name] = unit
        texts[name] = text
        if source in SESSION_SOURCES:
            texts[name] = _for_others(in_files, name, built_in)
    return Settings(texts, units)


def _read(database: Database) -> list[Row]:
    """By a session that does not pin those which the role may not see in the file."""
    with database.connect(leave=_UNPINNED) as own, database.translated():
        return own.execute(_SETTINGS).fetchall()


def is_list(name: str) -> bool:
    """Whether the stored value is already a quoted list, as pg_dump knows them.

    Such a value is pasted as it stands: `SET search_path = "$user", public`.
    """
    return name in _LIST_SETTINGS


_SETTINGS = sql.SQL(
    """
    SELECT name, setting, coalesce(unit, ''), source, boot_val
    FROM pg_catalog.pg_settings
    """
)

_FILE_SETTINGS = sql.SQL(
    """
    SELECT lower(name), setting FROM pg_catalog.pg_show_all_file_settings()
    WHERE applied
    """
)


def _for_others(
    in_files: Mapping[str, str] | None, name: str, built_in: str
) -> str | None:
    return None if in_files is None else in_files.get(name.lower(), built_in)


def _file_settings(database: Database) -> dict[str, str] | None:
    seen = database.value(
        sql.SQL(
            "SELECT pg_catalog.has_function_privilege("
            "'pg_catalog.pg_show_all_file_settings()', 'EXECUTE')"
        )
    )
    if not seen:
        return None
    return dict(database.rows(_FILE_SETTINGS))

"""Findings about settings that sessions of the application get on one side only."""

from __future__ import annotations

from typing import Any

from bluegreen.postgres.catalog.roles import Role, RoleSetting
from tests.unit.preflight.facts import Case, settings

APP = Role("app", used=True)
READ_ONLY = "default_transaction_read_only"


def given(*found: RoleSetting, **texts: str | None) -> dict[str, Any]:
    return {"roles": (APP,), "role_settings": found, "settings": settings(**texts)}


def on_green(
    blocks: bool, fix: str, setting: RoleSetting, blue: dict[str, Any] | None = None
) -> Case:
    blue = given() if blue is None else blue
    return Case("setting-on-green-only", "green", blocks, fix, blue, given(setting))


def read_only(fix: str, green: dict[str, Any], blue: Any = None) -> Case:
    return Case("read-only-by-default", "green", True, fix, blue or given(), green)


SETTING_CASES = (
    read_only(
        "BEGIN READ WRITE; ALTER DATABASE shop RESET default_transaction_read_only; "
        "COMMIT;",
        given(RoleSetting("", True, READ_ONLY, "on")),
    ),
    read_only(
        "BEGIN READ WRITE; ALTER ROLE ALL RESET default_transaction_read_only; COMMIT;",
        given(RoleSetting("", False, READ_ONLY, "true")),
    ),
    read_only(
        "ALTER ROLE app IN DATABASE shop RESET default_transaction_read_only; COMMIT;",
        given(RoleSetting("app", True, READ_ONLY, "1")),
    ),
    read_only(
        "ALTER SYSTEM SET default_transaction_read_only = off; "
        "SELECT pg_reload_conf();",
        given(default_transaction_read_only="on"),
        given(default_transaction_read_only="off"),
    ),
    read_only(
        "BEGIN READ WRITE; ALTER ROLE app RESET default_transaction_read_only; COMMIT;",
        given(RoleSetting("app", False, READ_ONLY, "on")),
        given(RoleSetting("app", False, READ_ONLY, "off")),
    ),
    on_green(
        True,
        "ALTER DATABASE shop RESET lock_timeout;",
        RoleSetting("", True, "lock_timeout", "5ms"),
        given(lock_timeout="0"),
    ),
    on_green(
        False,
        "ALTER DATABASE shop RESET lock_timeout;",
        RoleSetting("", True, "lock_timeout", "1min"),
        given(lock_timeout="5000"),
    ),
    on_green(
        True,
        "ALTER ROLE app RESET search_path;",
        RoleSetting("app", False, "search_path", "elsewhere"),
    ),
    on_green(
        True,
        "ALTER ROLE app RESET role;",
        RoleSetting("app", False, "role", "reader"),
    ),
    on_green(
        False,
        "ALTER ROLE app IN DATABASE shop RESET work_mem;",
        RoleSetting("app", True, "work_mem", "64MB"),
        given(work_mem="4096"),
    ),
    Case(
        "setting-differs",
        "green",
        True,
        "ALTER DATABASE shop SET lock_timeout = '0';",
        given(lock_timeout="0"),
        given(lock_timeout="5"),
    ),
    Case(
        "setting-differs",
        "green",
        True,
        "ALTER DATABASE shop SET lock_timeout = '7000ms';",
        given(lock_timeout="7000"),
        given(lock_timeout="5000"),
    ),
)

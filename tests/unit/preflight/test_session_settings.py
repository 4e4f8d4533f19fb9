"""Settings that look otherwise, and give a session the same; nothing is told."""

from __future__ import annotations

from typing import Any

import pytest

from bluegreen.model.side import Side
from bluegreen.postgres.catalog.roles import RoleSetting
from bluegreen.steps.preflight import check_servers
from tests.unit.preflight.facts import INTENT, clean
from tests.unit.preflight.setting_cases import READ_ONLY, given


def of_database(name: str, value: str) -> RoleSetting:
    return RoleSetting("", True, name, value)


@pytest.mark.parametrize(
    ("blue", "green"),
    [
        pytest.param(
            given(of_database(READ_ONLY, "on")),
            given(of_database(READ_ONLY, "on")),
            id="read-only-on-both",
        ),
        pytest.param(
            given(of_database(READ_ONLY, "on")), given(), id="read-only-on-blue"
        ),
        pytest.param(
            given(),
            given(of_database(READ_ONLY, "off"), default_transaction_read_only="on"),
            id="the-database-opens-what-the-server-closes",
        ),
        pytest.param(
            given(lock_timeout="5000"),
            given(of_database("lock_timeout", "5s"), lock_timeout="0"),
            id="the-servers-here-the-databases-there",
        ),
        pytest.param(
            given(of_database("work_mem", "64MB"), work_mem="4096"),
            given(of_database("work_mem", "65536"), work_mem="4096"),
            id="one-value-in-two-units",
        ),
        pytest.param(
            given(),
            given(RoleSetting("elsewhere", False, "search_path", "x")),
            id="of-a-role-that-means-nothing-here",
        ),
        pytest.param(
            given(),
            given(RoleSetting("admin", False, "deadlock_timeout", "10ms")),
            id="of-our-own-role",
        ),
        pytest.param(
            given(lock_timeout="5000"), given(lock_timeout="0"), id="green-waits-longer"
        ),
        pytest.param(
            given(of_database("jit", "off")),
            given(RoleSetting("", False, "jit", "no")),
            id="two-spellings-at-two-levels",
        ),
    ],
)
def test_nothing_is_told(blue: dict[str, Any], green: dict[str, Any]) -> None:
    units = {"work_mem": "kB", "lock_timeout": "ms"}
    here = clean(Side.BLUE, **blue)
    there = clean(Side.GREEN, **green)
    assert units.items() <= dict(here.settings.units).items()
    assert check_servers(here, there, INTENT) == []

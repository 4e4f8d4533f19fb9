"""Which settings make a commit no promise, and what the monitor says of them."""

from __future__ import annotations

from typing import Any

import pytest

from bluegreen.model.finding import Blocks, Severity
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.durability import SAFE, Unsafe, as_bool, unsafe_of
from bluegreen.postgres.catalog.roles import RoleSetting
from bluegreen.steps.monitors.gate import AGAINST_A_ROLLBACK
from bluegreen.steps.monitors.limits import Limits
from bluegreen.steps.monitors.settings import MonitorSettings, SettingsFacts

B, G = Side.BLUE, Side.GREEN


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((text, True) for text in ("on", "ON", "true", "t", "yes", "y", "1", " On ")),
        *((text, False) for text in ("off", "OF", "false", "f", "no", "n", "0")),
        *((text, None) for text in ("", "o", "maybe", "2", "offf")),
    ],
)
def test_a_boolean_is_read_as_the_server_reads_it(
    text: str, value: bool | None
) -> None:
    assert as_bool(text) is value


@pytest.mark.parametrize("rule", SAFE, ids=lambda rule: rule.name)
def test_the_safe_value_is_never_found_and_the_other_always(rule: Any) -> None:
    right, wrong = ("on", "off") if rule.value else ("off", "on")
    assert list(unsafe_of([(rule.name, right)], [])) == []
    assert list(unsafe_of([(rule.name, wrong)], [])) == [Unsafe(rule.name, wrong)]


def test_what_roles_and_databases_were_given_is_found_as_well() -> None:
    given = [
        RoleSetting("app", True, "zero_damaged_pages", "TRUE"),
        RoleSetting("", True, "track_counts", "0"),
        RoleSetting("", False, "work_mem", "1"),
        RoleSetting("app", False, "track_counts", "on"),
    ]
    assert [one.say() for one in unsafe_of([], given)] == [
        "zero_damaged_pages is TRUE for sessions of role app in this database",
        "track_counts is 0 for sessions of every role in this database",
    ]


@pytest.mark.parametrize(
    ("name", "value", "serves", "severity", "stops"),
    [
        ("fsync", "off", True, Severity.CRITICAL, Blocks.SWITCHOVER),
        ("fsync", "off", False, Severity.CRITICAL, Blocks.SWITCHOVER),
        ("full_page_writes", "off", True, Severity.CRITICAL, Blocks.SWITCHOVER),
        ("full_page_writes", "off", False, Severity.CRITICAL, Blocks.SWITCHOVER),
        ("zero_damaged_pages", "on", False, Severity.CRITICAL, Blocks.SWITCHOVER),
        ("zero_damaged_pages", "on", True, Severity.WARNING, Blocks.NOTHING),
        ("ignore_checksum_failure", "on", False, Severity.CRITICAL, Blocks.SWITCHOVER),
        ("ignore_system_indexes", "on", False, Severity.CRITICAL, Blocks.SWITCHOVER),
        ("autovacuum", "off", False, Severity.CRITICAL, Blocks.NOTHING),
        ("track_counts", "off", True, Severity.CRITICAL, Blocks.NOTHING),
        ("data_sync_retry", "on", False, Severity.WARNING, Blocks.NOTHING),
        ("allow_in_place_tablespaces", "on", False, Severity.WARNING, Blocks.NOTHING),
    ],
)
def test_what_a_setting_stops(
    name: str, value: str, serves: bool, severity: Severity, stops: Blocks
) -> None:
    facts = SettingsFacts(G, serves, (Unsafe(name, value),), "shop")
    (found,) = MonitorSettings().judge(facts, Limits())
    assert (found.severity, found.blocks) == (severity, stops)
    assert found.seen.startswith(f"{name} is {value}: ")
    assert found.fix.startswith(f"on green: ALTER SYSTEM SET {name} = ")


def test_a_side_with_safe_settings_is_good() -> None:
    (found,) = MonitorSettings().judge(SettingsFacts(B, True, (), ""), Limits())
    assert (found.severity, found.blocks, found.fix) == (
        Severity.OK,
        Blocks.NOTHING,
        "",
    )


def test_it_speaks_for_a_rollback_as_well() -> None:
    assert MonitorSettings.id in AGAINST_A_ROLLBACK

"""When two names of time zones mean the same."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest

from bluegreen.model.zones import UTC, same_zone


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ("UTC", "Etc/UTC", True),
        ("GMT", "utc", True),
        ("Etc/GMT+0", "GMT0", True),
        ("Etc/GMT+1", "GMT", False),
        ("Europe/Berlin", "europe/berlin", True),
        ("Europe/Berlin", "Europe/Paris", False),
        ("Europe/London", "GMT", False),
        ("UTC", "", False),
    ],
)
def test_names_of_one_zone(one: str, two: str, same: bool) -> None:
    assert same_zone(one, two) is same
    assert same_zone(two, one) is same


def test_the_names_of_utc_are_utc_at_all_times() -> None:
    named = [name for name in available_timezones() if name.lower() in UTC]
    assert {"UTC", "Etc/Zulu", "GMT-0"} <= set(named)
    for name in named:
        for year in (1900, 1970, 2030):
            for month in (1, 7):
                at = datetime(year, month, 1, tzinfo=ZoneInfo(name))
                assert at.utcoffset() == timedelta(0), name

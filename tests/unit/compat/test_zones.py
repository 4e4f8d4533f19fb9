"""When two names of time zones mean the same."""

from __future__ import annotations

import pytest

from bluegreen.compat.zones import same_zone


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ("UTC", "Etc/UTC", True),
        ("GMT", "utc", True),
        ("Europe/Berlin", "europe/berlin", True),
        ("Europe/Berlin", "Europe/Paris", False),
        ("Europe/London", "GMT", False),
        ("UTC", "", False),
    ],
)
def test_names_of_one_zone(one: str, two: str, same: bool) -> None:
    assert same_zone(one, two) is same
    assert same_zone(two, one) is same

"""Poolers that may fill green: where that is a reason to stop, and where it is not."""

from __future__ import annotations

import pytest

from bluegreen.model.side import Side
from bluegreen.steps.preflight.connections import check_connections
from tests.unit.preflight.facts import clean, settings

POOLS = {"main": 60, "jobs": 20}
ORDINARY = {"superuser_reserved_connections": "3", "reserved_connections": "0"}


def found(green: str, blue: str = "120", **reserved: str) -> list[tuple[str, str]]:
    words = {**ORDINARY, **reserved}
    return [
        (one.id, one.fix)
        for one in check_connections(
            clean(Side.BLUE, settings=settings(max_connections=blue, **ORDINARY)),
            clean(Side.GREEN, settings=settings(max_connections=green, **words)),
            POOLS,
        )
    ]


@pytest.mark.parametrize(
    ("green", "reserved", "enough"),
    [
        ("40", {}, 93),
        ("92", {}, 93),
        ("100", {"reserved_connections": "20"}, 113),
        ("100", {"superuser_reserved_connections": "40"}, 130),
    ],
)
def test_a_green_that_poolers_fill_is_stopped_at(
    green: str, reserved: dict[str, str], enough: int
) -> None:
    [(id_, fix)] = found(green, **reserved)
    assert id_ == "connections-few"
    assert fix.startswith(f"ALTER SYSTEM SET max_connections = {enough}; ")
    assert found(str(enough), **reserved) == []


def test_what_blue_has_no_room_for_either_is_its_owners_matter() -> None:
    assert found("40", blue="40") == []
    assert found("50", blue="40") == []

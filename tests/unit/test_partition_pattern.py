"""The pattern of partitions: derived from those that are there, or refused."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from bluegreen.postgres.schema.partition_pattern import NoPattern, derive, ranges_of

DAY = "date"
ZONED = "timestamp with time zone"


def parts(*rows: tuple[str, str, str]) -> list[tuple[str, str]]:
    return [
        (name, f"FOR VALUES FROM ('{lower}') TO ('{upper}')")
        for name, lower, upper in rows
    ]


def numbered(*rows: tuple[str, int, int]) -> list[tuple[str, str]]:
    return [
        (name, f"FOR VALUES FROM ({lower}) TO ({upper})") for name, lower, upper in rows
    ]


@pytest.mark.parametrize(
    ("key", "there", "wanted"),
    [
        pytest.param(
            DAY,
            parts(
                ("ev_2026_09", "2026-09-01", "2026-10-01"),
                ("ev_2026_10", "2026-10-01", "2026-11-01"),
                ("ev_2026_11", "2026-11-01", "2026-12-01"),
            ),
            [
                ("ev_2026_12", "2026-12-01", "2027-01-01"),
                ("ev_2027_01", "2027-01-01", "2027-02-01"),
            ],
            id="months",
        ),
        pytest.param(
            DAY,
            parts(
                ("ev_p20261129", "2026-11-29", "2026-11-30"),
                ("ev_p20261130", "2026-11-30", "2026-12-01"),
            ),
            [("ev_p20261201", "2026-12-01", "2026-12-02")],
            id="days",
        ),
        pytest.param(
            "timestamp without time zone",
            parts(
                ("ev_2026w47", "2026-11-16 00:00:00", "2026-11-23 00:00:00"),
                ("ev_2026w48", "2026-11-23 00:00:00", "2026-11-30 00:00:00"),
            ),
            [("ev_2026w49", "2026-11-30", "2026-12-07")],
            id="weeks of ISO",
        ),
        pytest.param(
            "timestamp without time zone",
            parts(
                ("h_2026_11_30_22", "2026-11-30 22:00:00", "2026-11-30 23:00:00"),
                ("h_2026_11_30_23", "2026-11-30 23:00:00", "2026-12-01 00:00:00"),
            ),
            [("h_2026_12_01_00", "2026-12-01", "2026-12-01 01:00:00")],
            id="hours",
        ),
        pytest.param(
            DAY,
            parts(
                ("y2025_old", "2025-01-01", "2026-01-01"),
                ("y2026_old", "2026-01-01", "2027-01-01"),
            ),
            [("y2027_old", "2027-01-01", "2028-01-01")],
            id="years, with more behind them",
        ),
        pytest.param(
            DAY,
            parts(
                ("s2026q3", "2026-07-01", "2026-10-01"),
                ("s2026q4", "2026-10-01", "2027-01-01"),
            ),
            [("s2027q1", "2027-01-01", "2027-04-01")],
            id="quarters",
        ),
        pytest.param(
            DAY,
            parts(
                ("to_20261001", "2026-09-01", "2026-10-01"),
                ("to_20261101", "2026-10-01", "2026-11-01"),
            ),
            [("to_20261201", "2026-11-01", "2026-12-01")],
            id="named by the upper bound",
        ),
        pytest.param(
            DAY,
            parts(
                ("odd", "2025-01-01", "2026-01-01"),
                ("ev_1", "2026-01-01", "2026-02-01"),
                ("ev_2", "2026-02-01", "2026-03-01"),
                ("ev_3", "2026-03-01", "2026-04-01"),
            ),
            [("ev_4", "2026-04-01", "2026-05-01")],
            id="running numbers, older ones of another pattern",
        ),
        pytest.param(
            "bigint",
            numbered(("t_0", 0, 1000), ("t_1000", 1000, 2000)),
            [("t_2000", 2000, 3000), ("t_3000", 3000, 4000)],
            id="numbers by their lower bound",
        ),
        pytest.param(
            "integer",
            numbered(("t_009", 0, 10), ("t_010", 10, 20)),
            [("t_011", 20, 30)],
            id="running numbers with zeros",
        ),
    ],
)
def test_the_next_partitions_follow_the_pattern(
    key: str, there: list[tuple[str, str]], wanted: list[tuple[str, str, str]]
) -> None:
    ranges = ranges_of([*there, ("rest", "DEFAULT")], key)
    found = list(derive(ranges).next(len(wanted)))
    again = ranges_of(
        numbered(*wanted) if key in {"bigint", "integer"} else parts(*wanted), key
    )
    assert found == again


def test_a_zone_s_midnights_are_months_across_its_change_of_clocks() -> None:
    there = parts(
        ("ev_2026_09", "2026-08-31 22:00:00+00", "2026-09-30 22:00:00+00"),
        ("ev_2026_10", "2026-09-30 22:00:00+00", "2026-10-31 23:00:00+00"),
    )
    ranges = ranges_of(there, ZONED, ZoneInfo("Europe/Berlin"))
    (following,) = derive(ranges).next(1)
    assert following.name == "ev_2026_11"
    assert (following.lower.day, following.upper.day) == (1, 1)  # type: ignore[union-attr]
    with pytest.raises(NoPattern):
        derive(ranges_of(there, ZONED))


@pytest.mark.parametrize(
    ("there", "why"),
    [
        (parts(("ev_1", "2026-01-01", "2026-02-01")), "fewer than two"),
        (
            parts(
                ("ev_1", "2026-01-01", "2026-02-01"),
                ("ev_2", "2026-03-01", "2026-04-01"),
            ),
            "does not begin",
        ),
        (
            parts(
                ("ev_1", "2026-01-01", "2026-01-08"),
                ("ev_2", "2026-01-08", "2026-02-01"),
            ),
            "equally long",
        ),
        (
            parts(
                ("ev_old", "2026-01-01", "2026-02-01"),
                ("ev_new", "2026-02-01", "2026-03-01"),
            ),
            "tells neither",
        ),
    ],
)
def test_no_pattern_is_said_and_nothing_is_guessed(
    there: list[tuple[str, str]], why: str
) -> None:
    with pytest.raises(NoPattern, match=why):
        derive(ranges_of(there, DAY))


def test_open_ends_and_other_keys_are_no_ranges() -> None:
    bounds = [
        ("a", "FOR VALUES FROM (MINVALUE) TO ('2026-01-01')"),
        ("b", "FOR VALUES FROM ('2026-01-01') TO ('infinity')"),
        ("c", "FOR VALUES IN ('x')"),
        ("d", "FOR VALUES WITH (modulus 2, remainder 0)"),
        ("e", "FOR VALUES FROM ('2026-01-01', 1) TO ('2026-02-01', 1)"),
    ]
    assert ranges_of(bounds, DAY) == []

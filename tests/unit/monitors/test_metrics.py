"""Metrics are well formed whatever the names are, and read back as they were."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bluegreen.engine.events import MonitorChanged
from bluegreen.engine.status import JournalStatus, PointerStatus, SideStatus, Status
from bluegreen.model.finding import Blocks, Figure, Finding, Severity
from bluegreen.model.history import State
from bluegreen.model.side import Side
from bluegreen.report.lines import line_of
from bluegreen.report.page import text_of
from bluegreen.report.prometheus import exposition
from bluegreen.report.status_text import status_page
from tests.kit.exposition import read

ODD_NAME = 'a "quoted" \\back\\ slash\nand a line'


def status(*monitors: Finding) -> Status:
    return Status(
        "shop",
        Side.BLUE,
        (),
        (SideStatus(Side.BLUE, "b"), SideStatus(Side.GREEN, "g", problem="away")),
        (PointerStatus("main", "", Side.BLUE),),
        (),
        JournalStatus(1, 1),
        State(),
        "not needed: blue serves",
        monitors,
        datetime(2026, 5, 4, tzinfo=UTC),
    )


def figures(*values: Figure) -> Finding:
    return Finding("kept-wal", "blue", Severity.OK, "", figures=values)


def test_the_smallest_status_is_well_formed() -> None:
    metrics = read(exposition(status()))
    assert metrics["bluegreen_seen_timestamp_seconds"][0].value == 1777852800
    seen = {dict(s.labels)["side"]: s.value for s in metrics["bluegreen_side_seen"]}
    assert seen == {"blue": 1, "green": 0}
    assert "bluegreen_window_end_timestamp_seconds" not in metrics


def test_labels_and_help_are_escaped_and_read_back() -> None:
    told = figures(Figure("x_bytes", 1, "one\nor \\two", {"slot": ODD_NAME}))
    (sample,) = read(exposition(status(told)))["bluegreen_x_bytes"]
    assert dict(sample.labels)["slot"] == ODD_NAME


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (2**53 + 0.0, "9007199254740992"),
        (12345678901234567890, "12345678901234567890"),
        (0.25, "0.25"),
        (1e-09, "1e-09"),
        (True, "1"),
        (float("inf"), "+Inf"),
        (float("-inf"), "-Inf"),
        (float("nan"), "NaN"),
    ],
)
def test_numbers_keep_their_digits(value: float, printed: str) -> None:
    text = exposition(status(figures(Figure("x_bytes", value, "x"))))
    assert f'bluegreen_x_bytes{{playbook="shop"}} {printed}\n' in text
    read(text)


def test_the_same_series_of_two_watches_is_printed_once() -> None:
    figure = Figure("pg_wal_bytes", 5, "x", {"side": "blue"})
    metrics = read(exposition(status(figures(figure, figure))))
    assert len(metrics["bluegreen_pg_wal_bytes"]) == 1


@pytest.mark.parametrize(
    "broken",
    [
        "# HELP a x\n# TYPE a gauge\na 1",
        "a 1\n",
        "# HELP a x\n# TYPE a gauge\n",
        "# HELP a x\n# TYPE a counter\na 1\n",
        "# HELP a x\n# TYPE a gauge\na 1\na 2\n",
        '# HELP a x\n# TYPE a gauge\na{b="c"d"} 1\n',
        '# HELP a x\n# TYPE a gauge\na{b="c",b="d"} 1\n',
        "# HELP a x\n# TYPE a gauge\na one\n",
    ],
)
def test_what_is_not_well_formed_is_seen(broken: str) -> None:
    with pytest.raises(AssertionError):
        read(broken)


def test_status_as_text_says_what_is_wrong_and_what_to_do() -> None:
    bad = Finding(
        "heartbeats",
        "blue → green",
        Severity.CRITICAL,
        "gone",
        fix="make again",
        blocks=Blocks.RUN,
    )
    good = Finding("servers", "blue", Severity.OK, "the server that it was")
    lines = text_of(status_page(status(bad, good))).splitlines()
    at = lines.index("monitors")
    assert lines[at + 1 : at + 4] == [
        "  CRITICAL  heartbeats  blue → green  gone [blocks run and switchover]",
        " " * 38 + "fix: make again",
        "  ok        servers     blue          the server that it was",
    ]


def test_an_event_in_one_line() -> None:
    event = MonitorChanged(
        "stream", "blue → green", "critical", "ok", "off", "look", "switchover"
    )
    assert (
        line_of(event)
        == "✗ monitor stream, blue → green: off (blocks the switchover). look"
    )
    better = MonitorChanged(
        "stream", "blue → green", "ok", "critical", "on", "", "nothing"
    )
    assert line_of(better) == "✓ monitor stream, blue → green: on"

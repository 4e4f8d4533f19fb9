"""No clock decides alone that a window or a quarantine ends, or when it will."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bluegreen.model.history import Move, State
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, NotYet, Refused, Satisfied
from bluegreen.pointers.pointer import PointerFacts
from bluegreen.postgres.fence.fence import FenceFacts
from bluegreen.steps.hold import OpenWindow, WindowFacts
from bluegreen.steps.release.clocks import Clocks
from bluegreen.steps.release.quarantine import AwaitQuarantine, QuarantineFacts

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
DAYS = timedelta(days=3)
LONG_AGO = NOON - DAYS - timedelta(minutes=1)
CLOSED = FenceFacts(tables=3, missing=0, closed=3)
OPEN = FenceFacts(tables=3, missing=0, closed=1)
ON_GREEN = PointerFacts(names=Side.GREEN, paused=False, seen="green:5432")
ON_BLUE = PointerFacts(names=Side.BLUE, paused=False, seen="blue:5432")
OVER = QuarantineFacts(
    LONG_AGO, NOON, False, CLOSED, {"main": ON_GREEN}, NOON, host_now=NOON
)
BEGUN = replace(OVER, begun=True)
GONE = replace(BEGUN, fence=None, blue_now=None)
JUDGE = AwaitQuarantine("decommission", DAYS, "decommission/take_blue_down").judge


@pytest.mark.parametrize(
    ("clocks", "off"),
    [
        (Clocks(NOON), ""),
        (Clocks(NOON, NOON, NOON), ""),
        (Clocks(NOON, NOON + timedelta(seconds=60), NOON), ""),
        (Clocks(NOON, NOON, NOON + DAYS), ""),
        (Clocks(NOON, NOON - DAYS, NOON), "blue"),
        (Clocks(NOON + DAYS, NOON, NOON), "green"),
        (Clocks(NOON - DAYS, NOON, NOON), "green"),
        (Clocks(NOON, NOON - DAYS), ""),
        (Clocks(NOON, NOON - DAYS, NOON + DAYS), ""),
        (Clocks(NOON, None, NOON + DAYS), ""),
    ],
)
def test_a_third_clock_tells_which_one_is_off(clocks: Clocks, off: str) -> None:
    assert clocks.off() == off
    assert (f"{off}'s clock is off" in clocks.say()) is bool(off)


@pytest.mark.parametrize(
    ("facts", "kind", "why"),
    [
        (OVER, Satisfied, "it ended"),
        (replace(OVER, now=NOON - DAYS), NotYet, "is kept until"),
        (replace(OVER, released=None), NotYet, "not released"),
        (replace(OVER, blue_now=LONG_AGO), Refused, "clocks of blue and green"),
        (replace(OVER, blue_now=NOON + DAYS), Refused, "clocks of blue and green"),
        (
            replace(OVER, blue_now=None, host_now=LONG_AGO),
            Refused,
            "clocks of green and this machine",
        ),
        # Two that agree are enough.
        (replace(OVER, host_now=LONG_AGO), Satisfied, "it ended"),
        (replace(OVER, fence=OPEN), Refused, "fence is not closed"),
        (replace(OVER, pointers={"main": ON_BLUE}), Refused, "does not name green"),
        (BEGUN, Satisfied, "begun before"),
        (GONE, Satisfied, "begun before"),
        (replace(BEGUN, fence=OPEN), Refused, "fence is not closed"),
        (replace(BEGUN, pointers={"main": ON_BLUE}), Refused, "does not name green"),
        (replace(GONE, pointers={"main": ON_BLUE}), Refused, "does not name green"),
    ],
)
def test_when_the_quarantine_is_over(
    facts: QuarantineFacts, kind: type[Any], why: str
) -> None:
    verdict = JUDGE(facts)
    assert isinstance(verdict, kind), verdict
    assert why in verdict.why


def serving_green() -> State:
    move = Move(Side.GREEN, "move", "r-1", NOON, moved=True, way_back_open=True)
    return State(serving=Side.GREEN, last_move=move)


@pytest.mark.parametrize(
    ("blue_now", "host_now", "kind", "off"),
    [
        (NOON, NOON, Needed, ""),
        (NOON + timedelta(seconds=59), None, Needed, ""),
        (NOON, NOON + DAYS, Needed, ""),
        (NOON + DAYS, NOON + DAYS, Refused, "green's clock is off"),
        (NOON - DAYS, NOON, Refused, "blue's clock is off"),
        (None, NOON + DAYS, Refused, ""),
    ],
)
def test_a_window_is_not_promised_by_a_clock_that_is_off(
    blue_now: datetime | None, host_now: datetime | None, kind: type[Any], off: str
) -> None:
    facts = WindowFacts(serving_green(), NOON, blue_now, host_now)
    verdict = OpenWindow("hold", DAYS).judge(facts)
    assert isinstance(verdict, kind), verdict
    if isinstance(verdict, Refused):
        assert off in verdict.seen


def test_a_window_that_stands_is_not_asked_again() -> None:
    state = replace(serving_green(), window_end=NOON)
    facts = WindowFacts(state, NOON, NOON + DAYS, NOON)
    assert isinstance(OpenWindow("hold", DAYS).judge(facts), Satisfied)

"""What the answers of the world mean together."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bluegreen.engine.status import (
    JournalStatus,
    PointerStatus,
    SideStatus,
    Status,
    StreamStatus,
    doubts_of,
    say_fence,
    say_way_back,
)
from bluegreen.model.errors import TrafficUnknownError
from bluegreen.model.history import State, fold
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.postgres.fence.fence import FenceFacts

T = datetime(2026, 5, 4, 1, 2, 3, tzinfo=UTC)
BLUE = SideStatus(Side.BLUE, "b", tables=3, fence="open")
GREEN = SideStatus(Side.GREEN, "g", tables=3, fence="closed")
POINTER = PointerStatus("main", "", Side.BLUE)
STORY = JournalStatus(1, 1)
BACK = StreamStatus("s", Side.GREEN, enabled=True, running=True)


def told(*kinds: tuple[Kind, dict[str, Any]]) -> State:
    epoch, story = 0, []
    for seq, (kind, body) in enumerate(kinds, start=1):
        epoch += kind is Kind.COMMITTED
        story.append(Record(seq, T, kind, epoch, "r-1", "cutover/move", body))
    return fold(story)


TO_GREEN = (Kind.COMMITTED, {"to": "green"})
WAY_BACK = (Kind.WAY_BACK_OPEN, {})
WINDOW = (Kind.WINDOW_OPENED, {"until": (T + timedelta(hours=1)).isoformat()})


def doubts(
    state: State | None = None,
    blue: SideStatus = BLUE,
    green: SideStatus = GREEN,
    pointer: PointerStatus = POINTER,
    journal: JournalStatus = STORY,
) -> tuple[str, ...]:
    return doubts_of(state or State(), (blue, green), (pointer,), journal)


def test_nothing_is_in_doubt_when_all_are_of_one_mind() -> None:
    assert doubts() == ()
    assert (
        doubts(
            told(TO_GREEN),
            replace(BLUE, fence="closed"),
            replace(GREEN, fence="open"),
            replace(POINTER, names=Side.GREEN),
        )
        == ()
    )


def test_before_the_first_run_there_is_no_fence_and_no_doubt() -> None:
    bare = replace(BLUE, fence="none"), replace(GREEN, fence="none")
    assert doubts(None, *bare) == ()
    empty = replace(GREEN, fence="none", tables=0)
    assert doubts(None, BLUE, empty) == ()


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"blue": replace(BLUE, problem="away")}, "blue: away"),
        ({"journal": JournalStatus(1, None, "not seen")}, "not seen"),
        (
            {"state": told((Kind.PAUSING, {"to": "green"}))},
            "a move to green was begun and has not ended",
        ),
        (
            {"pointer": replace(POINTER, problem="no answer")},
            "pointer 'main': no answer",
        ),
        (
            {"pointer": replace(POINTER, names=Side.GREEN)},
            "pointer 'main' names green, the journal says blue",
        ),
        (
            {"pointer": replace(POINTER, names=None, seen="10.9.9.9")},
            "pointer 'main' names neither side (10.9.9.9), the journal says blue",
        ),
        (
            {"pointer": replace(POINTER, paused=True)},
            "pointer 'main' holds clients back",
        ),
        (
            {"blue": replace(BLUE, fence="closed")},
            "blue ought to serve and its fence is closed",
        ),
        (
            {"blue": replace(BLUE, fence="half closed")},
            "blue ought to serve and its fence is half closed",
        ),
        (
            {"green": replace(GREEN, fence="open")},
            "green does not serve and its fence is open",
        ),
        (
            {"green": replace(GREEN, fence="half closed")},
            "green does not serve and its fence is half closed",
        ),
    ],
)
def test_each_doubt_is_said(parts: dict[str, Any], said: str) -> None:
    assert doubts(**parts) == (said,)


AWAY = JournalStatus(1, None, "one side's journal was not seen")
LEFT = JournalStatus(None, 1, "one side's journal was not seen")
SERVES = replace(GREEN, fence="open"), replace(POINTER, names=Side.GREEN)
GONE = replace(BLUE, problem="away")


@pytest.mark.parametrize(
    "parts",
    [
        {"green": replace(GREEN, problem="away"), "journal": AWAY},
        # Before the first run there is no fence.
        {
            "blue": replace(BLUE, fence="none"),
            "green": replace(GREEN, problem="away"),
            "journal": JournalStatus(0, None, "one side's journal was not seen"),
        },
        {
            "state": told(TO_GREEN),
            "blue": GONE,
            "green": SERVES[0],
            "pointer": SERVES[1],
            "journal": LEFT,
        },
    ],
)
def test_the_side_that_serves_proves_it_without_the_other(
    parts: dict[str, Any],
) -> None:
    assert doubts(**parts) == ()


@pytest.mark.parametrize(
    "parts",
    [
        # Its fence is closed, or missing after a move.
        {"green": GREEN},
        {"green": replace(SERVES[0], fence="none")},
        {"green": replace(SERVES[0], fence="half closed")},
        # A pointer names another side, or was not seen.
        {"pointer": POINTER},
        {"pointer": replace(SERVES[1], problem="no answer")},
        # It is the one that is away.
        {"green": replace(GREEN, problem="away"), "blue": BLUE},
        # A move has not ended.
        {"state": told(TO_GREEN, (Kind.PAUSING, {"to": "blue"}))},
    ],
)
def test_what_it_does_not_prove_is_a_doubt(parts: dict[str, Any]) -> None:
    plain = {
        "state": told(TO_GREEN),
        "blue": GONE,
        "green": SERVES[0],
        "pointer": SERVES[1],
        "journal": LEFT,
    }
    assert doubts(**{**plain, **parts})


def test_after_a_move_a_missing_fence_is_a_doubt() -> None:
    assert doubts(
        told(TO_GREEN),
        replace(BLUE, fence="none"),
        replace(GREEN, fence="open"),
        replace(POINTER, names=Side.GREEN),
    ) == ("blue does not serve and its fence is none",)


@pytest.mark.parametrize(
    ("state", "streams", "now", "said"),
    [
        (State(), (), None, "not needed: blue serves"),
        (
            told(TO_GREEN, (Kind.RELEASED, {})),
            (BACK,),
            T,
            "closed: blue was released",
        ),
        (
            told(TO_GREEN),
            (BACK,),
            T,
            "not open: no marker has come back from green to blue yet",
        ),
        (
            told(TO_GREEN, WAY_BACK),
            (),
            T,
            "in doubt: nothing is seen to stream from green to blue",
        ),
        (
            told(TO_GREEN, WAY_BACK),
            (replace(BACK, running=False),),
            T,
            "in doubt: nothing is seen to stream from green to blue",
        ),
        (told(TO_GREEN, WAY_BACK), (BACK,), T, "open; no window was promised yet"),
        (
            told(TO_GREEN, WAY_BACK, WINDOW),
            (BACK,),
            T,
            "open until 2026-05-04 02:02:03 UTC",
        ),
        (
            told(TO_GREEN, WAY_BACK, WINDOW),
            (BACK,),
            T + timedelta(hours=2),
            "the window ended at 2026-05-04 02:02:03 UTC; blue was not released yet",
        ),
    ],
)
def test_the_way_back_in_words(
    state: State, streams: tuple[StreamStatus, ...], now: datetime | None, said: str
) -> None:
    assert say_way_back(state, now, streams) == said


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (FenceFacts(tables=0, missing=0, closed=0), "none"),
        (FenceFacts(tables=3, missing=3, closed=0), "none"),
        (FenceFacts(tables=3, missing=0, closed=0), "open"),
        (FenceFacts(tables=3, missing=1, closed=0), "open"),
        (FenceFacts(tables=3, missing=0, closed=3), "closed"),
        (FenceFacts(tables=3, missing=0, closed=1), "half closed"),
        (FenceFacts(tables=3, missing=1, closed=2), "half closed"),
    ],
)
def test_a_fence_in_words(facts: FenceFacts, said: str) -> None:
    assert say_fence(facts) == said


def test_what_is_known_is_not_an_error_and_doubt_is() -> None:
    seen = Status("shop", Side.BLUE, (), (), (), (), JournalStatus(0, 0), State(), "-")
    seen.require_known()
    with pytest.raises(TrafficUnknownError) as caught:
        replace(seen, doubts=("a", "b")).require_known()
    assert str(caught.value) == (
        "error BG-7001: it cannot be confirmed where traffic goes\n"
        "  seen:    a\n           b\n"
        "  wanted:  both sides and every pointer seen, and all of one mind\n"
        "  traffic: blue, if the journal is right\n"
        "  hint:    fix what is named and look again; a move that was cut short is "
        "ended by `bluegreen run`"
    )

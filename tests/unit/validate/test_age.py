"""When its age ends a proof: by either clock, and by one that was set back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bluegreen.model.history import State
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.steps.switchover.table_set import NotedFacts, NoteTables, outlived
from bluegreen.steps.validation.age import Proved, age_ends

THEN = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(hours=24)
HOUR = timedelta(hours=1)


def clocks(blue: timedelta, green: timedelta) -> dict[Side, datetime]:
    return {Side.BLUE: THEN + blue, Side.GREEN: THEN + green}


PROVED = Proved(made=clocks(timedelta(0), timedelta(0)), lasts_s=DAY.total_seconds())
BODY = PROVED.as_body()


@pytest.mark.parametrize(
    ("blue", "green", "why"),
    [
        (HOUR, HOUR, ""),
        (DAY, DAY, ""),
        (DAY + HOUR, DAY + HOUR, "the proof is older than 24 hours"),
        (DAY + HOUR, HOUR, "the proof is older than 24 hours"),
        (HOUR, DAY + HOUR, "the proof is older than 24 hours"),
        (-HOUR, HOUR, "the clock of blue was set back since the proof"),
        (HOUR, -2 * DAY, "the clock of green was set back since the proof"),
        (DAY + HOUR, -HOUR, "the clock of green was set back since the proof"),
        (-timedelta(seconds=2), timedelta(seconds=1), ""),
    ],
)
def test_the_clock_by_which_it_is_oldest_counts(
    blue: timedelta, green: timedelta, why: str
) -> None:
    assert age_ends(PROVED, clocks(blue, green)) == why


def test_a_result_of_an_earlier_version_is_proved_again() -> None:
    now = clocks(HOUR, HOUR)
    assert age_ends(Proved(), now, DAY) == "it does not say when it was made"


def result(action: str, epoch: int = 0, **body: object) -> Record:
    return Record(
        seq=1, at=THEN, kind=Kind.RESULT, epoch=epoch, run="r", action=action, body=body
    )


def test_every_proof_of_this_epoch_is_asked_right_before_the_move() -> None:
    state = State(
        results={
            "validate/compare_rows": result("validate/compare_rows", **BODY, route="a"),
            "v2/compare_rows": result("v2/compare_rows", **BODY, route="b"),
            "validate/compare_schema": result("validate/compare_schema", route="a"),
            "replicate/copy": result("replicate/copy"),
            "old/compare_rows": result("old/compare_rows", 7, **BODY, route="b"),
        }
    )
    moved = "the publication or the subscription was changed since"
    assert outlived(state, "a", clocks(HOUR, HOUR)) == {"v2/compare_rows": moved}
    assert outlived(state, "a", clocks(2 * DAY, HOUR)) == {
        "v2/compare_rows": moved,
        "validate/compare_rows": "the proof is older than 24 hours",
    }


def test_a_move_is_refused_where_one_of_them_has_ended() -> None:
    facts = NotedFacts(
        moved=False, outlived={"validate/compare_rows": "the proof is older than 24 h"}
    )
    refused = NoteTables("cutover", Side.GREEN).judge(facts)
    assert refused.why == "what validate/compare_rows proved no longer holds"
    assert refused.hint == "run again: they are compared again"

"""When a run asks the monitors whether it may go on, and how a drop is remembered."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bluegreen.engine.drop_slot import SideTold, serving_of
from bluegreen.engine.runner import Runner
from bluegreen.model.errors import StepError, TrafficUnknownError
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.model.verdict import NotYet, Satisfied
from bluegreen.postgres.fence.fence import FenceFacts
from tests.kit.small_steps import Script, Told, quiet_world
from tests.unit.monitors.test_judging import T

GOOD = Satisfied("it holds")
OPEN, CLOSED, NO_FENCE = FenceFacts(3, 0, 0), FenceFacts(3, 0, 3), FenceFacts(3, 3, 0)


def refuse(after: int) -> tuple[Callable[[], None], list[int]]:
    """What raises at the call with that number, and how often it was called."""
    calls: list[int] = []

    def require_fit() -> None:
        calls.append(len(calls))
        if len(calls) > after:
            raise StepError(4011, "rows are lost")

    return require_fit, calls


def test_it_asks_before_each_step_and_not_before_each_action() -> None:
    require_fit, calls = refuse(99)
    runner = Runner(quiet_world(), run="r-1", require_fit=require_fit)
    runner.run([Script(given=(Told(GOOD, key="a"), Told(GOOD, key="a")))])
    assert len(calls) == 1
    runner = Runner(quiet_world(), run="r-1", require_fit=require_fit)
    runner.run([Script(given=(Told(GOOD, key="a"), Told(GOOD, key="b")))])
    assert len(calls) == 3


def test_what_ends_a_move_that_was_cut_short_is_not_held_up() -> None:
    require_fit, calls = refuse(0)
    settle = Told(NotYet("a moment"), GOOD, key="run")
    runner = Runner(quiet_world(), run="r-1", require_fit=require_fit)
    with pytest.raises(StepError):
        runner.run([Script(given=(Told(GOOD, key="a"),))], before=(settle,))
    assert len(calls) == 1, "asked first after it, before the first step"


def test_a_wait_ends_when_the_rows_are_lost() -> None:
    require_fit, calls = refuse(2)
    waiting = Told(NotYet("nobody has said yes"), key="approve")
    runner = Runner(quiet_world(), run="r-1", require_fit=require_fit)
    with pytest.raises(StepError) as caught:
        runner.run([Script(given=(waiting,))])
    assert caught.value.code == 4011
    assert len(calls) == 3


def told(*kinds: tuple[Kind, dict[str, str]]) -> tuple[Record, ...]:
    epoch, story = 0, []
    for seq, (kind, body) in enumerate(kinds, start=1):
        epoch += kind is Kind.COMMITTED
        story.append(Record(seq, T, kind, epoch, "r", body=body))
    return tuple(story)


STARTED = (Kind.RUN_STARTED, {"green": "g"})
TO_GREEN = (Kind.COMMITTED, {"to": "green"})
PAUSING = (Kind.PAUSING, {"to": "green"})


@pytest.mark.parametrize(
    ("seen", "serving"),
    [
        ([SideTold(Side.BLUE, told(STARTED), OPEN, None)], Side.BLUE),
        ([SideTold(Side.BLUE, told(STARTED), NO_FENCE, None)], Side.BLUE),
        ([SideTold(Side.BLUE, told(STARTED), CLOSED, None)], None),
        ([SideTold(Side.BLUE, told(STARTED, PAUSING), OPEN, None)], None),
        # Blue's journal lacks the end, and its fence says that it was left.
        (
            [
                SideTold(Side.BLUE, told(STARTED), CLOSED, None),
                SideTold(Side.GREEN, told(STARTED, TO_GREEN), OPEN, None),
            ],
            Side.GREEN,
        ),
        ([SideTold(Side.GREEN, told(STARTED, TO_GREEN), OPEN, None)], Side.GREEN),
        ([SideTold(Side.GREEN, told(STARTED), CLOSED, None)], None),
        ([SideTold(Side.GREEN, told(STARTED), OPEN, None)], None),
        ([SideTold(Side.BLUE, told(STARTED, TO_GREEN), CLOSED, None)], None),
        ([SideTold(Side.BLUE, told(STARTED, TO_GREEN), OPEN, None)], None),
    ],
)
def test_only_the_side_that_serves_by_journal_and_fence_gives_the_other_up(
    seen: list[SideTold], serving: Side | None
) -> None:
    if serving is None:
        with pytest.raises(TrafficUnknownError) as caught:
            serving_of(tuple(seen))
        assert caught.value.code == 7001
    else:
        assert serving_of(tuple(seen))[0].side is serving

"""What a look at the way back comes to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bluegreen.compat.probe.rollback_fit import steady
from bluegreen.compat.rollback_fit import Fits, Fitting, Loss, Misfit, Stream, say_fit
from bluegreen.compat.verdict import Answer, Direction, Verdict
from bluegreen.engine.plan import refusal_error
from bluegreen.model.verdict import Refused, Satisfied
from bluegreen.steps.compatibility.rollback_fit import CheckFit

RUNS = Stream(present=True, enabled=True, runs=True, behind_bytes=100, errors=0)
DOWN = replace(RUNS, runs=False, behind_bytes=3000, errors=4)
LONG = Misfit("type-may-not-fit", "shop.orders.note", 12, ("id=7", "id=9"))
GONE = Verdict(
    Answer.BREAK, Direction.REVERSE, "column-missing", "shop.t", "blue has no a"
)


@pytest.mark.parametrize(
    ("fitting", "answer", "words"),
    [
        (Fitting(RUNS), Fits.YES, "yes"),
        (
            Fitting(RUNS, losses=(Loss("shop.t", "c", 3), Loss("shop.u", "", 10_000))),
            Fits.YES,
            "yes; left on green: c of shop.t (3 rows), table shop.u (10,000+ rows)",
        ),
        (Fitting(RUNS, losses=(Loss("shop.t", "c", 0),)), Fits.YES, "yes"),
        (
            Fitting(DOWN, misfits=(LONG,)),
            Fits.NO,
            "no: shop.orders.note: 12 rows on green do not fit blue: id=7; id=9 …",
        ),
        (Fitting(RUNS, shape=(GONE,)), Fits.NO, "no: shop.t: blue has no a"),
        (
            Fitting(Stream(present=False)),
            Fits.NO,
            "no: the stream from green to blue is gone",
        ),
        (
            Fitting(DOWN),
            Fits.UNKNOWN,
            "unknown: blue's apply worker is down, 2.93 kB behind, 4 errors so far",
        ),
        (
            Fitting(RUNS, unknown=("t.k: the question took too long",)),
            Fits.UNKNOWN,
            "unknown: not known: t.k: the question took too long",
        ),
        (
            Fitting(replace(RUNS, behind_bytes=5 << 20)),
            Fits.UNKNOWN,
            "unknown: blue is 5 MB behind green",
        ),
        (
            Fitting(replace(DOWN, enabled=False)),
            Fits.UNKNOWN,
            "unknown: blue's subscription to green is disabled",
        ),
    ],
)
def test_answers(fitting: Fitting, answer: Fits, words: str) -> None:
    assert fitting.answer is answer
    assert say_fit(fitting) == words


def test_a_worker_that_comes_and_goes_is_stuck_and_a_slow_one_is_not() -> None:
    slow = replace(RUNS, behind_bytes=5 << 20)
    assert (RUNS.stuck, slow.stuck) == (False, False)
    assert (DOWN.stuck, replace(slow, errors=2).stuck) == (True, True)


def test_a_rollback_is_refused_with_the_rows() -> None:
    verdict = CheckFit("rollback").judge(Fitting(DOWN, misfits=(LONG,)))
    assert isinstance(verdict, Refused)
    assert str(refusal_error(verdict)) == (
        "error BG-6001: blue does not take what was written on green\n"
        "  seen:    shop.orders.note: 12 rows on green do not fit blue: id=7; id=9 …\n"
        "           blue's apply worker is down, 2.93 kB behind, 4 errors so far\n"
        "  wanted:  every row of green fits blue's types, constraints and labels\n"
        "  hint:    widen the other side first\n"
        "           then `bluegreen rollback --check` once more"
    )


def test_what_is_not_known_does_not_refuse() -> None:
    assert isinstance(CheckFit("rollback").judge(Fitting(DOWN)), Satisfied)
    assert isinstance(CheckFit("rollback").judge(None), Satisfied)


def test_a_schema_that_only_later_rows_would_break_on_does_not_refuse() -> None:
    """Blue has all that green took: the bad night needs the way back now."""
    told = CheckFit("rollback").judge(Fitting(RUNS, shape=(GONE,)))
    assert isinstance(told, Satisfied)
    assert "shop.t: blue has no a" in told.why
    held_up = CheckFit("rollback").judge(Fitting(DOWN, shape=(GONE,)))
    assert isinstance(held_up, Refused)


def test_a_stream_that_is_gone_is_told_by_who_knows_what_is_missing() -> None:
    gone = Fitting(Stream(present=False))
    assert isinstance(CheckFit("rollback").judge(gone), Satisfied)


class Still:
    """A clock that nobody waits for."""

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        return


@pytest.mark.parametrize(
    ("pids", "runs"),
    [
        ([7, 7], True),
        ([None, None], False),
        ([7, None, None], False),
        ([None, 8, 8], True),
        ([7, 8, 9, 10, 11, 12], False),
        ([7, None, 8, None, 9, None], False),
    ],
)
def test_a_worker_that_lives_for_a_moment_does_not_run(
    pids: list[int | None], runs: bool
) -> None:
    """It was seen alive between two failures, and the way back was said to fit."""
    seen = iter([replace(RUNS, runs=pid is not None, pid=pid) for pid in pids])
    found = steady(lambda: next(seen), Still())
    assert found.runs is runs
    assert next(seen, None) is None


def test_a_stream_that_is_not_there_is_not_waited_for() -> None:
    assert steady(lambda: Stream(present=False), Still()) == Stream(present=False)

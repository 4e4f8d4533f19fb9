"""Trying again ends: with success, with another refusal, or when patience is over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest

from bluegreen.model.errors import BluegreenError, BudgetError
from bluegreen.postgres.database import SqlError
from bluegreen.postgres.retry import outlast_deadlocks
from tests.kit.small_steps import HandClock


class Refusing:
    """Raises so many times, then gives its answer."""

    def __init__(self, error: Callable[[], BluegreenError], times: int) -> None:
        self.error, self.left, self.calls = error, times, 0

    def __call__(self) -> str:
        self.calls += 1
        if self.left == 0:
            return "done"
        self.left -= 1
        raise self.error()


def deadlock() -> BluegreenError:
    return SqlError(psycopg.errors.DeadlockDetected("deadlock detected"), "green")


def late() -> BluegreenError:
    return BudgetError(5001, "over the budget")


def test_deadlocks_without_end_are_given_up_after_two_minutes() -> None:
    clock, act = HandClock(), Refusing(deadlock, -1)
    with pytest.raises(SqlError) as caught:
        outlast_deadlocks(act, clock=clock)
    assert caught.value.sqlstate == "40P01"
    assert 120 <= clock.now < 126
    # The waits grow to five seconds: it is no busy loop, and no long silence.
    assert 25 < act.calls < 120
    assert max(clock.slept) <= 5


def test_a_few_deadlocks_are_outlasted() -> None:
    act = Refusing(deadlock, 4)
    assert outlast_deadlocks(act, clock=HandClock()) == "done"
    assert act.calls == 5


def test_another_code_is_told_at_once() -> None:
    clock, act = HandClock(), Refusing(late, -1)
    with pytest.raises(BudgetError):
        outlast_deadlocks(act, patience=timedelta(seconds=3), clock=clock)
    assert (act.calls, clock.now) == (1, 0.0)

"""A pause that takes too long is told as that, and not as a server that broke."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from bluegreen.model.errors import BudgetError
from bluegreen.model.history import fold
from bluegreen.model.side import Side
from bluegreen.postgres.fence.fence import read_fence
from tests.kit.arena import Arena, move, replicate

SPAN = timedelta(seconds=1)
POINTS = {
    "move/paused": "fence",
    "move/fenced": "marker",
    "move/marked": "catch_up",
    "move/caught_up": "sequences",
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("point", POINTS)
def test_the_part_that_used_it_up_is_named(
    arena: Callable[..., Arena], point: str
) -> None:
    here, late = arena(16, 18), [point]

    def stand_still(passed: str) -> None:
        if passed in late:
            late.remove(passed)
            time.sleep(2 * SPAN.total_seconds())

    here.pair.blue.run("CREATE TABLE t (id serial PRIMARY KEY)")
    world = here.guarded_world(point=stand_still)
    replicate(world)
    with pytest.raises(BudgetError) as caught:
        move(world, Side.GREEN, max_pause=SPAN)
    error = caught.value
    assert error.problem.startswith(
        f"the pause ran over its budget, most of it in {POINTS[point]} ("
    )
    assert (error.code, error.wanted) == (5001, "all of it within 1.0 s (`max_pause`)")
    assert error.traffic == "blue (backed out, nothing has moved)"
    assert fold(world.journal.records()).serving is Side.BLUE
    assert read_fence(world.blue).is_open
    move(world, Side.GREEN)
    late.append(point)
    with pytest.raises(BudgetError) as caught:
        move(world, Side.BLUE, max_pause=SPAN)
    assert caught.value.hint.startswith("pauses here took ")

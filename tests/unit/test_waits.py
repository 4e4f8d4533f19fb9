"""What a trial charges a wait with: a judge that excuses too much finds nothing."""

from __future__ import annotations

import pytest

from tests.kit.crowd import Span, charged


@pytest.mark.parametrize(
    ("excused", "seconds"),
    [
        ([], 10),
        ([(2, 5)], 7),
        ([(2, 5), (2, 5)], 7),
        ([(4, 8), (2, 5)], 4),
        ([(1, 9), (3, 4)], 2),
        ([(-3, 2), (9, 30)], 7),
        ([(20, 30)], 10),
    ],
)
def test_time_that_two_faults_share_is_excused_once(
    excused: list[Span], seconds: float
) -> None:
    assert charged((0, 10), excused) == seconds

"""A sample of the crash matrix, another one in each run.

All of it is `make fault`. A case that failed is repeated by the line that it prints:
`python -m tests.fault.matrix --case CASE --seed N`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest

from tests.fault.conftest import SEED, TOLD
from tests.fault.matrix import Deck, Fields, Tally, run_one
from tests.fault.trial import serving
from tests.kit.sampling import size

PARTS = size(sampled=2, whole=4)
CASES_AT_LEAST = size(sampled=4, whole=10)
DOUBLES = size(sampled=1, whole=3)
SECONDS = float(os.environ.get("SAMPLE_SECONDS", size(sampled=20, whole=60)))
"""What each part takes at least: on a quiet machine more cases fit in."""


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(PARTS))
def test_a_fault_at_any_point_loses_nothing_and_leaves_nobody_waiting(
    part: int, record_property: Callable[[str, object], None]
) -> None:
    seed = SEED + 10_000 * part
    tally, begun = Tally(seed), time.monotonic()
    with Fields() as fields:
        fields.take()
        deck = Deck(fields.points, seed, DOUBLES)
        tally.whole = deck.whole
        while (
            len(tally.outcomes) < CASES_AT_LEAST + DOUBLES
            or time.monotonic() - begun < SECONDS
        ):
            dealt = deck.deal(serving(fields.take()))
            assert dealt is not None
            tally.add(run_one(fields, *dealt))
    record_property(TOLD, tally.line())
    assert not tally.wrong, "\n".join(map(str, tally.wrong))

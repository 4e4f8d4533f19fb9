"""Cutover and rollback in turn under load, over three pairs of versions."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.fault.conftest import SEED, TOLD
from tests.fault.soak import PAIRS, Soaked, flips_of
from tests.kit.sampling import size

FLIPS = size(sampled=4, whole=7)
PARTS = size(sampled=1, whole=3)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(PARTS))
def test_flip_after_flip_every_write_is_there_once(
    part: int, record_property: Callable[[str, object], None]
) -> None:
    soaked = Soaked(SEED)
    pair = random.Random(SEED).sample(PAIRS, 3)[part]
    flips_of(pair, FLIPS, soaked, float("inf"))
    record_property(TOLD, soaked.line())
    assert soaked.flips == FLIPS
    assert soaked.acknowledged > 0
    assert not soaked.wrong, soaked.wrong

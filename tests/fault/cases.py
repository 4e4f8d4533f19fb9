"""Which cases there are, and samples of them.

Owns the matrix: every point of the movement, as the tool itself names them, times
every fault, times both directions.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from bluegreen.model.side import Side
from tests.fault.faults import FAULTS
from tests.fault.trial import Case

Points = Mapping[Side, Sequence[str]]


def matrix(points: Points) -> list[Case]:
    """All cases, in order."""
    return [
        Case(to, point, fault)
        for to in Side
        for point in points[to]
        for fault in FAULTS
    ]


def shuffled(points: Points, seed: int) -> list[Case]:
    """All cases; each fault comes soon, and half of them inside the pause.

    The points outside the pause are three times as many, and less can happen there.
    """
    dice = random.Random(seed)
    cases = matrix(points)
    dice.shuffle(cases)
    inside = [case for case in cases if case.point.startswith(("move/", "way_back/"))]
    outside = [case for case in cases if case not in set(inside)]
    mixed = [case for pair in zip(inside, outside, strict=False) for case in pair]
    mixed += inside[len(outside) :] + outside[len(inside) :]
    return spread(mixed)


def spread(cases: Sequence[Case]) -> list[Case]:
    """The same cases, the faults taking turns."""
    left = {name: [c for c in cases if c.fault == name] for name in FAULTS}
    ordered = []
    while any(left.values()):
        ordered += [queue.pop(0) for queue in left.values() if queue]
    return ordered


def double(points: Points, seed: int) -> Case:
    """A case of two faults."""
    dice = random.Random(seed)
    to = dice.choice(list(Side))
    inside = [p for p in points[to] if p.startswith(("move/", "way_back/"))]
    first, second = dice.choice(list(FAULTS)), dice.choice(list(FAULTS))
    return Case(to, dice.choice(inside), first, second)

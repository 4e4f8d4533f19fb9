"""How much of a large set of cases a run tries: a sample by seed, or all of it.

`make test` takes samples, another one each time; the report's first lines name the
seed, and SEED=N takes the same again. `make test-all` sets
TESTS=all.
"""

from __future__ import annotations

import os
import random
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable
from typing import TypeVar

Case = TypeVar("Case")

SEED_VARIABLE = "SEED"
SEED_LIMIT = 1_000_000


def is_whole() -> bool:
    """Whether all cases are wanted."""
    return os.environ.get("TESTS") == "all"


def get_seed() -> int:
    """The seed of this run. Drawn once; worker processes inherit it."""
    drawn = random.SystemRandom().randrange(SEED_LIMIT)
    return int(os.environ.setdefault(SEED_VARIABLE, str(drawn)))


def sample(
    cases: Iterable[Case],
    keep: int,
    *,
    always: Collection[Case] = (),
    stratum: Callable[[Case], Hashable] = lambda _: None,
) -> list[Case]:
    """`keep` cases of each stratum in their old order, or all of a whole run.

    Args:
        cases: all of them; each is hashable or is told apart by identity.
        keep: how many of each stratum, those of `always` counted in.
        always: what every sample holds.
        stratum: the kind of a case; no kind is left out of a sample.
    """
    all_ = list(cases)
    if is_whole():
        return all_
    strata: dict[Hashable, list[int]] = defaultdict(list)
    for number, case in enumerate(all_):
        strata[stratum(case)].append(number)
    chance = random.Random(get_seed())
    kept: set[int] = set()
    for numbers in strata.values():
        fixed = [n for n in numbers if all_[n] in always]
        others = [n for n in numbers if n not in fixed]
        count = min(max(keep - len(fixed), 0), len(others))
        kept.update(fixed, chance.sample(others, count))
    return [all_[n] for n in sorted(kept)]


def size(*, sampled: int, whole: int) -> int:
    """How many of something that has no list."""
    return whole if is_whole() else sampled

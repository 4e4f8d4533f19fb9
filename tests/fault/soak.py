"""Flip after flip under load, over pairs of versions.

`python -m tests.fault.soak --seconds 3600 --seed 7`; ends with one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import secrets
import sys
import time
from dataclasses import dataclass, field
from itertools import count

from bluegreen.lab.ledger import audit
from tests.fault.trial import digests, flip, serving
from tests.kit.battlefield import BUDGET_S, Battlefield, battlefield
from tests.kit.crowd import Felt
from tests.kit.wait import wait_until

PAIRS = ((15, 15), (15, 16), (15, 17), (15, 18), (16, 18), (17, 18))
AN_HOUR_S = 3600.0
FLIPS_EACH = 20
"""Flips of one pair before the next one has its turn."""


@dataclass
class Soaked:
    """What the flips add up to."""

    seed: int
    flips: int = 0
    lost: int = 0
    doubled: int = 0
    two_writable: int = 0
    longest_wait_ms: int = 0
    acknowledged: int = 0
    pairs: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def line(self) -> str:
        """The one line of JSON."""
        told = {"cases": self.flips, **vars(self)}
        del told["flips"]
        return json.dumps(told)

    def add(self, felt: Felt, here: Battlefield, pair: str) -> None:
        """Judge what a crowd was told."""
        told = audit(here.conninfo(serving(here)), felt.ledger)
        wait = max(felt.longest_call_s(), felt.longest_gap_s())
        self.lost += told.lost
        self.doubled += told.doubled
        self.two_writable += len(felt.both)
        self.acknowledged += felt.ledger.acknowledged
        self.longest_wait_ms = max(self.longest_wait_ms, round(wait * 1000))
        troubles = {
            "ledger": "" if told.ok else told,
            "both sides took writes": felt.both,
            "sums of the bank": felt.wrong_sums,
            "errors": dict(felt.errors),
            "hung": felt.ledger.hung,
            "waited": wait if wait > BUDGET_S else 0,
        }
        self.wrong += [f"{pair}: {k}: {v}" for k, v in troubles.items() if v]


def flips_of(pair: tuple[int, int], flips: int, soaked: Soaked, until: float) -> None:
    """There and back between two versions, with everybody at work."""
    name = f"{pair[0]}-{pair[1]}"
    with battlefield(*pair) as here:
        here.tool("run").require()
        here.crowd.begin()
        flip(here)
        soaked.flips += 1
        for _ in range(flips - 1):
            if time.monotonic() > until:
                break
            flip(here)
            soaked.flips += 1
        soaked.add(here.crowd.end(), here, name)
        wait_until(lambda: len(set(digests(here))) == 1, f"equal sides of {name}")
    soaked.pairs.append(name)


def main() -> int:
    """Flip until the time is over; exit status 1 when something was wrong."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--seconds", type=float, default=0.0, help="0: an hour")
    words.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    given = words.parse_args()
    until = time.monotonic() + (given.seconds or AN_HOUR_S)
    soaked = Soaked(given.seed)
    dice = random.Random(given.seed)
    for _ in count():
        for pair in dice.sample(PAIRS, len(PAIRS)):
            if time.monotonic() > until:
                print(soaked.line(), flush=True)
                return 1 if soaked.wrong else 0
            flips_of(pair, FLIPS_EACH, soaked, until)
            print(f"# {soaked.line()}", file=sys.stderr, flush=True)
    raise AssertionError("unreachable")


if __name__ == "__main__":
    sys.exit(main())

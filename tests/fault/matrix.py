"""The crash matrix from the command line.

`python -m tests.fault.matrix --case cutover:move/fenced:blue_killed --seed 7` repeats
one case; without `--case` it goes through all of them until `--seconds` are over, and
with `--past FILE` it leaves out those that earlier calls with that file have tried.
Calls side by side with one file and one seed take a share each: `--share 1/3`.
Ends with one line of JSON, over all that the file holds.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bluegreen.model.side import Side
from tests.fault.cases import Points, double, shuffled
from tests.fault.past import Past
from tests.fault.trial import Case, Outcome, points_of, serving, try_case
from tests.kit.battlefield import Battlefield, battlefield

DOUBLE_EACH = 6
"""Every sixth trial is one of two faults, until there are no more of them."""

RENEW_AFTER = 120
"""Times that one is used; its tables grow, and each judgement reads them."""


@dataclass
class Tally:
    """What many trials add up to."""

    seed: int
    past: Past = field(default_factory=Past)
    whole: int = 0

    def add(self, outcome: Outcome) -> None:
        """Count one, and show it."""
        self.past.add(outcome)
        print(outcome, flush=True)
        if outcome.wrong or not outcome.reached:
            for line in outcome.story:
                print("   ", line, flush=True)

    @property
    def outcomes(self) -> list[Outcome]:
        """All that are kept."""
        return list(self.past)

    @property
    def wrong(self) -> list[Outcome]:
        """Those that must not be."""
        return [one for one in self.outcomes if one.wrong]

    def line(self) -> str:
        """The one line of JSON."""
        reached = [one for one in self.outcomes if one.reached]
        return json.dumps(
            {
                "cases": len(reached),
                "lost": sum(one.lost for one in self.outcomes),
                "doubled": sum(one.doubled for one in self.outcomes),
                "two_writable": sum(one.two_writable for one in self.outcomes),
                "longest_wait_ms": max((o.wait_ms for o in reached), default=0),
                "seed": self.seed,
                "acknowledged": sum(one.acknowledged for one in self.outcomes),
                "set_aside": sum(one.set_aside for one in self.outcomes),
                "failed": [f"{one.case} seed {one.seed}" for one in self.wrong],
                "matrix": self.whole,
                "covered": len({str(o.case) for o in reached if not o.case.second}),
            }
        )


class Fields:
    """A battlefield that is renewed when it is worn or broken. Use it with `with`."""

    def __init__(self, blue: int = 16, green: int = 18) -> None:
        self._majors = blue, green
        self._stack = ExitStack()
        self._here: Battlefield | None = None
        self._used = 0
        self.points: Points = {}

    def __enter__(self) -> Fields:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def take(self) -> Battlefield:
        """One on which everything is settled."""
        if self._used >= RENEW_AFTER:
            self.give_up()
        if self._here is None:
            self._here = self._stack.enter_context(battlefield(*self._majors))
            self._here.tool("run").require()
            self._used = 0
            if not self.points:
                self.points = {
                    to: points_of(self._here, to, str(self._here.folder / f"{to}.log"))
                    for to in reversed(Side)
                }
        self._used += 1
        return self._here

    def give_up(self) -> None:
        """The next one is new."""
        self._stack.close()
        self._here = None


def run_one(fields: Fields, case: Case, seed: int) -> Outcome:
    """Try a case; what goes wrong with the trial itself is wrong too."""
    here = fields.take()
    try:
        outcome = try_case(here, case, seed, fields.points[case.to])
    except AssertionError as error:
        outcome = Outcome(case, seed, wrong=[f"trial: {error}"])
    if outcome.wrong or outcome.set_aside:
        fields.give_up()
    return outcome


class Deck:
    """The cases that are left, dealt so that traffic need not be moved in between."""

    def __init__(
        self,
        points: Points,
        seed: int,
        doubles: int,
        only: str = "",
        past: Past | None = None,
        share: tuple[int, int] = (1, 1),
    ) -> None:
        past = past or Past()
        which, of = share
        numbered = [
            (case, seed + number) for number, case in enumerate(shuffled(points, seed))
        ]
        self.whole = len(numbered)
        self._left = [
            one
            for one in numbered[which - 1 :: of]
            if only in str(one[0]) and not past.has_tried(*one)
        ]
        pairs = [
            (double(points, seed + number), seed + number)
            for number in range(which - 1, doubles, of)
        ]
        self._doubles = [one for one in pairs if not past.has_tried(*one)]
        self._dealt = 0

    def deal(self, serving: Side) -> tuple[Case, int] | None:
        """The next one that moves away from the serving side; any if there is none."""
        self._dealt += 1
        turn = self._doubles and (self._dealt % DOUBLE_EACH == 0 or not self._left)
        deck = self._doubles if turn else self._left
        if not deck:
            return None
        at = next((n for n, (c, _) in enumerate(deck) if c.to is not serving), 0)
        return deck.pop(at)


def share(text: str) -> tuple[int, int]:
    """Read `1/3`: the first of three calls side by side."""
    which, _, of = text.partition("/")
    return int(which), int(of)


def main() -> int:
    """Run cases; exit status 1 when one of them failed."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--case", default="")
    words.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    words.add_argument("--seconds", type=float, default=0.0, help="0: all of it")
    words.add_argument("--doubles", type=int, default=200)
    words.add_argument("--times", type=int, default=1)
    words.add_argument("--only", default="", help="cases whose name holds this")
    words.add_argument("--past", type=Path, help="file of outcomes: go on from there")
    words.add_argument("--share", type=share, default=(1, 1), help="1/3 of the cases")
    given = words.parse_args()
    tally = Tally(given.seed, Past(given.past))
    begun = time.monotonic()
    with Fields() as fields:
        fields.take()
        if given.case:
            for turn in range(given.times):
                tally.add(run_one(fields, Case.parse(given.case), given.seed + turn))
        else:
            deck = Deck(
                fields.points,
                given.seed,
                given.doubles,
                given.only,
                tally.past,
                given.share,
            )
            tally.whole = deck.whole
            while not given.seconds or time.monotonic() - begun < given.seconds:
                dealt = deck.deal(serving(fields.take()))
                if dealt is None:
                    break
                tally.add(run_one(fields, *dealt))
    print(tally.line(), flush=True)
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())

"""How old a proof is, by every clock that saw it made.

Owns what a proof leaves in the journal, and when its age ends it. The clock by which it
is the oldest counts, as the other one may have been set back; one that shows less than
it did when the proof was made is believed no more, and ends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from bluegreen.model.body import Body
from bluegreen.model.side import Side
from bluegreen.postgres.journal.table import server_time
from bluegreen.steps.release.clocks import CLOCKS_APART
from bluegreen.steps.world import World


@dataclass(frozen=True, slots=True)
class Bound(Body):
    """What a result is bound to; that of another action than a proof, to nothing.

    Attributes:
        route: the stream's route then.
        lasts_s: how long it holds, in seconds; None where it does not age.
    """

    route: str | None = None
    lasts_s: float | None = None


@dataclass(frozen=True, slots=True)
class Proved(Bound):
    """The result of a proof.

    Attributes:
        of: names what was proved.
        made: both servers' clocks then; None where it does not age.
        summary: in words, what came out.
    """

    of: str | None = None
    made: Mapping[Side, datetime] | None = None
    summary: str = ""


def read_clocks(world: World) -> dict[Side, datetime]:
    """What both servers' clocks say."""
    return {side: server_time(world.on(side)) for side in Side}


def age_ends(
    proof: Proved,
    clocks: Mapping[Side, datetime],
    lasts: timedelta | None = None,
) -> str:
    """Why the age of a proof ends it; empty where it does not. Pure.

    Args:
        proof: as its result tells it.
        clocks: what they say now.
        lasts: how long it holds; as the proof says where it is left out.
    """
    if proof.made is None:
        return "it does not say when it was made"
    ages = {side: clocks[side] - at for side, at in proof.made.items()}
    for side, age in ages.items():
        if age < -CLOCKS_APART:
            return f"the clock of {side} was set back since the proof"
    lasts = lasts or timedelta(seconds=proof.lasts_s or 0)
    if max(ages.values()) > lasts:
        return f"the proof is older than {lasts / timedelta(hours=1):g} hours"
    return ""

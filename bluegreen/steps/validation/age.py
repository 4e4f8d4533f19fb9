"""How old a proof is, by every clock that saw it made.

Owns when its age ends a proof. The clock by which it is the oldest counts, as the other
one may have been set back; one that shows less than it did when the proof was made is
believed no more, and ends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from bluegreen.model.side import Side
from bluegreen.postgres.journal.table import server_time
from bluegreen.steps.release.clocks import CLOCKS_APART
from bluegreen.steps.world import World


def read_clocks(world: World) -> dict[str, datetime]:
    """What both servers' clocks say, by side."""
    return {str(side): server_time(world.on(side)) for side in Side}


def stamp(clocks: Mapping[str, datetime], lasts: timedelta) -> dict[str, Any]:
    """What a result says of its age, for `age_ends`. Pure."""
    made = {side: at.isoformat() for side, at in clocks.items()}
    return {"made": made, "lasts_s": lasts.total_seconds()}


def age_ends(
    body: Mapping[str, Any],
    clocks: Mapping[str, datetime],
    lasts: timedelta | None = None,
) -> str:
    """Why the age of a proof ends it; empty where it does not. Pure.

    Args:
        body: its result.
        clocks: what they say now.
        lasts: how long it holds; as its stamp says where it is left out.
    """
    if "made" not in body:
        return "it does not say when it was made"
    made = {side: datetime.fromisoformat(at) for side, at in body["made"].items()}
    ages = {side: clocks[side] - at for side, at in made.items()}
    for side, age in ages.items():
        if age < -CLOCKS_APART:
            return f"the clock of {side} was set back since the proof"
    lasts = lasts or timedelta(seconds=body["lasts_s"])
    if max(ages.values()) > lasts:
        return f"the proof is older than {lasts / timedelta(hours=1):g} hours"
    return ""

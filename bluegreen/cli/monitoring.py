"""The watches of a verb that runs. Owns which of its words they take."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from bluegreen.engine.monitoring import Watchman
from bluegreen.model.hazard import Hazard
from bluegreen.steps.world import World


def watching(
    world: World, tell: Callable[[Any], None], allow: Collection[Hazard]
) -> Watchman:
    """A watchman for a run, to be entered once the lease is held."""
    return Watchman(world, tell, may_abandon=Hazard.ABANDONS_GREEN in allow)

"""The monitors of a verb that runs. Owns which of its words they take."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from bluegreen.engine.monitoring import MonitorThread
from bluegreen.model.hazard import Hazard
from bluegreen.steps.world import World


def monitoring(
    world: World, tell: Callable[[Any], None], allow: Collection[Hazard]
) -> MonitorThread:
    """A monitor thread for a run, to be entered once the lease is held."""
    return MonitorThread(world, tell, may_abandon=Hazard.ABANDONS_GREEN in allow)

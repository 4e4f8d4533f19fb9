"""The step `cutover`: traffic moves from blue to green inside one budgeted pause.

Owns the order of its actions; the limits and the switchover itself, the same in both
directions, are in `steps/switchover/`.
"""

from __future__ import annotations

from typing import Any, Literal

from bluegreen.model.side import Side
from bluegreen.steps.contract import Action, Step
from bluegreen.steps.monitors.gate import gates_of
from bluegreen.steps.replication.schema import AnalyzeGreen
from bluegreen.steps.replication.views import RefreshViews
from bluegreen.steps.switchover.limits import SwitchoverLimits
from bluegreen.steps.switchover.names import ShortenTtl
from bluegreen.steps.switchover.order import actions_of_switchover
from bluegreen.steps.switchover.switchover import Switchover
from bluegreen.steps.validation.green import ProveGreen


class Cutover(SwitchoverLimits, Step):
    """Move traffic to green: pause, fence, marker, commit point, pointer, resume."""

    step: Literal["cutover"] = "cutover"

    def actions(self) -> tuple[Action[Any], ...]:
        """What the engine runs, in order."""
        names = (ShortenTtl(self.key),) if self.end_sessions else ()
        return (
            *names,
            RefreshViews(self.key),
            AnalyzeGreen(self.key),
            ProveGreen(self.key),
            *actions_of_switchover(
                self.key,
                Switchover(Side.GREEN, self),
                gates_of(self.key, Side.GREEN),
            ),
        )

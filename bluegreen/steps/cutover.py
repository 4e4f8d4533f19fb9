"""The step `cutover`: traffic moves from blue to green inside one budgeted pause.

Owns the parameters; the movement itself, the same in both directions, is in
`steps/switchover/`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from bluegreen.model.side import Side
from bluegreen.steps.contract import Action, Step
from bluegreen.steps.fields import Duration
from bluegreen.steps.monitors.gate import gates_of
from bluegreen.steps.replication.schema import AnalyzeGreen
from bluegreen.steps.replication.views import RefreshViews
from bluegreen.steps.switchover.order import actions_of_switchover
from bluegreen.steps.switchover.switchover import Switchover
from bluegreen.steps.validation.green import ProveGreen


class Cutover(Step):
    """Move traffic to green: pause, fence, marker, commit point, pointer, resume."""

    step: Literal["cutover"] = "cutover"

    max_pause: Duration = timedelta(seconds=2)
    """Clients wait at most this long; then everything backs out and blue serves."""

    drain: Duration = timedelta(milliseconds=500)
    """How long open transactions that write on blue may hold up the fence."""

    after_drain: Literal["abort", "terminate"] = "abort"
    """What happens to them then: back out, or end those that block."""

    max_lag: Duration = timedelta(seconds=1)
    """Two marker rows in a row must make the way within this time right before the
    pause."""

    wait_for_lag: Duration = timedelta(seconds=15)
    """How long they are sent again where one is late; clients are served meanwhile."""

    probe: bool = True
    """Measure the pause as clients feel it, through the first pointer with a
    `client`."""

    def switchover(self, to: Side) -> Switchover:
        """A movement within this step's limits; `rollback` uses the same ones."""
        return Switchover(
            to,
            max_pause=self.max_pause,
            drain=self.drain,
            after_drain=self.after_drain,
            max_lag=self.max_lag,
            wait_for_lag=self.wait_for_lag,
            probe=self.probe,
        )

    def actions(self) -> tuple[Action[Any], ...]:
        """What the engine runs, in order."""
        return (
            RefreshViews(self.key),
            AnalyzeGreen(self.key),
            ProveGreen(self.key),
            *actions_of_switchover(
                self.key,
                self.switchover(Side.GREEN),
                gates_of(self.key, Side.GREEN),
            ),
        )

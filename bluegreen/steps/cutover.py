"""The step `cutover`: traffic moves from blue to green inside one budgeted pause.

Owns the parameters; the movement itself, the same in both directions, is in
`steps/move/`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from bluegreen.steps.contract import Action, Step
from bluegreen.steps.fields import Duration


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
    """Two marker rows must make the way within this time right before the pause."""

    probe: bool = True
    """Measure the pause as clients feel it, through each pointer."""

    def actions(self) -> tuple[Action[Any], ...]:
        """What the engine runs, in order."""
        return ()

"""The step `hold`: the window in which rollback is promised.

Owns when the window opens and ends, by green's clock.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from bluegreen.steps.contract import Action, Step
from bluegreen.steps.fields import Duration


class Hold(Step):
    """Open the confidence window; blue stays a rollback target until it ends."""

    step: Literal["hold"] = "hold"

    window: Duration = timedelta(hours=24)
    """How long, from the moment the way back was proved."""

    def actions(self) -> tuple[Action[Any], ...]:
        """One action: the window's end stands in the journal."""
        return ()

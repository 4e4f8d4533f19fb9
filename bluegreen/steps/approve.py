"""The step `approve`: a person says yes, from any machine.

Owns what counts as an approval; writing one is the verb `approve`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from bluegreen.steps.contract import Action, Step
from bluegreen.steps.fields import Duration


class Approve(Step):
    """Wait for `bluegreen approve`. An approval counts for the next move only."""

    step: Literal["approve"] = "approve"

    message: str = ""
    """What the person should look at before they say yes."""

    deadline: Duration = timedelta(days=7)
    """Stop waiting after this time; `run` again waits anew."""

    def actions(self) -> tuple[Action[Any], ...]:
        """One action: an approval is in the journal."""
        return ()

"""The step `check`: look at both servers and all pointers before anything is touched.

Owns the list of looks and what they mean; reading catalogs is for `postgres/`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from bluegreen.steps.contract import Action, Step
from bluegreen.steps.fields import Duration


class Check(Step):
    """Look at both sides and the pointers; stop on whatever would hurt later."""

    step: Literal["check"] = "check"

    accept: tuple[str, ...] = ()
    """Ids of blocking findings that this playbook accepts, e.g. `large-objects`."""

    max_transaction_age: Duration = timedelta(minutes=5)
    """A transaction on blue that is open longer than this blocks."""

    def actions(self) -> tuple[Action[Any], ...]:
        """One action: the findings."""
        return ()

"""The step `replicate`: green becomes a logical replica of blue.

Owns the order: our schema, roles and extensions looked at, blue's schema on green,
publication, slot, initial copy, indexes after the data, lag. The statements are for
`postgres/`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from pydantic import Field

from bluegreen.steps.contract import Action, Step
from bluegreen.steps.fields import Duration


class Replicate(Step):
    """Create green as a logical replica of blue and wait until it follows closely."""

    step: Literal["replicate"] = "replicate"

    workers: int = Field(default=4, ge=1, le=64)
    """How many tables are copied at once; green's
    `max_sync_workers_per_subscription` is the other limit."""

    exclude: tuple[str, ...] = ()
    """Tables that stay behind, `schema.table`; a migration tool's own table belongs
    here."""

    identity_full: tuple[str, ...] = ()
    """Tables without a key that may get `REPLICA IDENTITY FULL` on blue."""

    max_lag: Duration = timedelta(seconds=1)
    """A marker row must travel from blue to green within this time."""

    deadline: Duration = timedelta(hours=24)
    """Give up when the initial copy has not ended after this time."""

    def actions(self) -> tuple[Action[Any], ...]:
        """What the engine runs, in order."""
        return ()

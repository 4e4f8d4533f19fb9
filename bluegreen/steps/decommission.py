"""The step `decommission`: blue stops being a rollback target.

Owns the parameters and the order of the end; the refusals are in `release/due.py`.
`bluegreen decommission` runs it, `run` leaves it for later.
"""

from __future__ import annotations

from typing import Any, Literal

from bluegreen.steps.contract import Action, Step
from bluegreen.steps.release.due import AwaitWindowEnd
from bluegreen.steps.release.end import (
    EndWayBack,
    RemoveGreenFence,
    TakeBlueDown,
    TakeFinalBackup,
)


class Decommission(Step):
    """End the way back, take the final backup, and take blue down or stop there."""

    step: Literal["decommission"] = "decommission"

    final_backup: str = "backups"
    """Folder for the last dump of blue; relative to the playbook."""

    command: tuple[str, ...] = ()
    """A program that takes blue down, without a shell; it must bear being run twice.
    Nothing is run where it is left out."""

    def actions(self) -> tuple[Action[Any], ...]:
        """What the engine runs, in order."""
        key = self.key
        last = (TakeBlueDown(key, self.command),) if self.command else ()
        return (
            AwaitWindowEnd(key),
            EndWayBack(key),
            TakeFinalBackup(key, self.final_backup),
            RemoveGreenFence(key),
            *last,
        )

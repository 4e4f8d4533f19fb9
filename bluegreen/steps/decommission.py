"""The step `decommission`: blue stops being a rollback target.

Owns the refusals and the order of the end; `bluegreen decommission` runs it, `run`
leaves it for later.
"""

from __future__ import annotations

from typing import Any, Literal

from bluegreen.steps.contract import Action, Step


class Decommission(Step):
    """End the way back, take the final backup, and take blue down or stop there."""

    step: Literal["decommission"] = "decommission"

    final_backup: str = "backups"
    """Folder for the last dump of blue; relative to the playbook."""

    command: tuple[str, ...] = ()
    """A program that takes blue down, without a shell; nothing where left out."""

    def actions(self) -> tuple[Action[Any], ...]:
        """What the engine runs, in order."""
        return ()

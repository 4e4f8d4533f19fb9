"""The contract between the engine and the steps of a playbook.

Owns the shape of a step; that of an action is in `action.py`. What a step does is in
the file of its name; planning, running and remembering are for `engine/`.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from pydantic import BaseModel, ConfigDict

from bluegreen.steps.action import Action, Result

__all__ = ["Action", "Result", "Step"]


class Step(BaseModel):
    """An entry of a playbook: frozen parameters that expand into actions."""

    # Built at first use: the playbook's own model builds those of its steps once more.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    step: str
    """Which step this is."""

    id: str = ""
    """A name of its own; the step's kind where it is left out."""

    @property
    def key(self) -> str:
        """The id that journal and messages use."""
        return self.id or self.step

    @abstractmethod
    def actions(self) -> tuple[Action[Any], ...]:
        """What the engine runs, in order."""

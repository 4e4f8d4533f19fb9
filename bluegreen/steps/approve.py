"""The step `approve`: a person says yes, from any machine.

Owns what counts as an approval; writing one is the verb `approve`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from bluegreen.model.history import Approval, fold
from bluegreen.model.verdict import NotYet, Satisfied, Verdict
from bluegreen.steps.contract import Action, Result, Step
from bluegreen.steps.fields import Duration
from bluegreen.steps.world import World


class Approve(Step):
    """Wait for `bluegreen approve`. An approval counts for the next move only."""

    step: Literal["approve"] = "approve"

    message: str = ""
    """What the person should look at before they say yes."""

    deadline: Duration = timedelta(days=7)
    """Stop waiting after this time; `run` again waits again."""

    def actions(self) -> tuple[Action[Any], ...]:
        """One action: an approval is in the journal."""
        return (AwaitApproval(self.key, self.message, self.deadline),)


@dataclass(frozen=True, slots=True)
class ApprovalFacts:
    """The approval of this epoch, if there is one."""

    approval: Approval | None


class AwaitApproval(Action[ApprovalFacts]):
    """A person has approved the next move.

    Crash: nothing of ours runs; the approval stands in the journal.
    """

    title = "a person has approved"
    no_undo = "it only waits"
    waits_for_person = True

    def __init__(self, step_id: str, message: str, deadline: timedelta) -> None:
        super().__init__(step_id)
        self.step_id, self.message, self.patience = step_id, message, deadline

    def observe(self, world: World) -> ApprovalFacts:
        """Approvals since the last move, as the journal tells."""
        state = fold(world.journal.records())
        return ApprovalFacts(state.approvals.get(self.step_id))

    def judge(self, facts: ApprovalFacts) -> Verdict:
        """Wait until there is one."""
        if facts.approval is not None:
            given = facts.approval
            return Satisfied(f"by {given.by} at {given.at:%Y-%m-%d %H:%M} UTC")
        asked = self.message or "look at the results above"
        return NotYet(
            f"{asked}; then `bluegreen approve PLAYBOOK --step {self.step_id}`"
        )

    def act(self, world: World, facts: ApprovalFacts) -> Result:
        """Nothing to do but wait."""
        return {}

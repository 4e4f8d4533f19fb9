"""The step `approve`: a person says yes, from any machine.

Owns what counts as an approval; writing one is the verb `approve`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from bluegreen.model.history import Approval, State, fold
from bluegreen.model.verdict import Needed, NotYet, Satisfied, Verdict
from bluegreen.steps.contract import Action, Result, Step
from bluegreen.steps.fields import Duration
from bluegreen.steps.world import World


class Approve(Step):
    """Wait for `bluegreen approve`. It counts for the run that asked, and no other."""

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
    """What the journal has of it.

    Attributes:
        asked: whether this run has said that it waits.
        approval: the yes, if there is one.
    """

    asked: bool
    approval: Approval | None


class AwaitApproval(Action[ApprovalFacts]):
    """A person has approved what this run is about to do.

    Crash: nothing of ours runs, and the next run asks again.
    """

    title = "a person has approved"
    no_undo = "it only waits"
    waits_for_person = True

    def __init__(self, step_id: str, message: str, deadline: timedelta) -> None:
        super().__init__(step_id)
        self.step_id, self.message, self.patience = step_id, message, deadline

    def observe(self, world: World) -> ApprovalFacts:
        """What the newest run has asked, and the answer."""
        state = fold(world.journal.records())
        return ApprovalFacts(
            is_asked(state, self.step_id), state.approvals.get(self.step_id)
        )

    def judge(self, facts: ApprovalFacts) -> Verdict:
        """Ask, then wait until there is one."""
        if not facts.asked:
            return Needed("every run asks for it")
        if facts.approval is not None:
            given = facts.approval
            return Satisfied(f"by {given.by} at {given.at:%Y-%m-%d %H:%M} UTC")
        asked = self.message or "look at the results above"
        return NotYet(
            f"{asked}; then `bluegreen approve PLAYBOOK --step {self.step_id}`"
        )

    def act(self, world: World, facts: ApprovalFacts) -> Result:
        """Let the record of the result say that this run waits."""
        return {"asks": self.message}


def is_asked(state: State, step_id: str) -> bool:
    """Whether the newest run has come to where it waits for this approval. Pure."""
    result = state.results.get(f"{step_id}/{AwaitApproval.name()}")
    return result is not None and state.runs[-1:] == (result.run,)

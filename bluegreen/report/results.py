"""What verbs answer with.

Owns the small result types that no lower floor has. Printing them is for `answer.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bluegreen.engine.plan import Plan
from bluegreen.model.accept import Accepted, is_accepted
from bluegreen.model.finding import Finding
from bluegreen.model.hazard import Hazard
from bluegreen.model.record import Record
from bluegreen.model.side import Side
from bluegreen.model.verdict import Refused

if TYPE_CHECKING:
    from bluegreen.steps.compatibility.rows import Row


@dataclass(frozen=True, slots=True)
class PlanResult:
    """A plan, the file it is of, what that file allows, and what `compat` says."""

    playbook: str
    plan: Plan
    allow: tuple[Hazard, ...] = ()
    verdicts: tuple[Row, ...] = ()
    shared_fate: str = ""
    """What ends the tool and its guard together."""

    @property
    def exit_status(self) -> int:
        """What a run would end with, as far as can be seen: 0, 2, or a refusal's."""
        if self.plan.not_allowed:
            return 2
        refused = self.plan.refused
        if refused is None or not isinstance(refused.verdict, Refused):
            return 0
        return refused.verdict.code // 1000


@dataclass(frozen=True, slots=True)
class RollbackResult:
    """Whether a rollback would work now.

    Attributes:
        plan: what it would do.
        serving: the side that serves, by the journal.
        fit: what a look said of green's rows; None where blue serves.
    """

    plan: Plan
    serving: Side
    fit: Mapping[str, Any] | None = None

    @property
    def exit_status(self) -> int:
        """What a rollback would end with, as far as can be seen."""
        refused = self.plan.refused
        if refused is None or not isinstance(refused.verdict, Refused):
            return 0
        return refused.verdict.code // 1000


@dataclass(frozen=True, slots=True)
class Listing:
    """Records of the journal.

    Attributes:
        name: the playbook's name.
        total: how many there are in all.
        records: those that are shown, oldest first.
    """

    name: str
    total: int
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Approved:
    """A person's yes.

    Attributes:
        new: false when it was given before.
        next: the step that the run goes on with; empty where there is none.
    """

    step: str
    by: str
    at: datetime
    new: bool
    next: str = ""


@dataclass(frozen=True, slots=True)
class Looked:
    """Findings of a look, and what the playbook accepts."""

    findings: tuple[Finding, ...]
    accept: tuple[Accepted, ...] = ()

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """Those that a run would stop at."""
        blocking = (one for one in self.findings if one.is_blocking)
        return tuple(one for one in blocking if not self.accepts(one))

    def accepts(self, finding: Finding) -> bool:
        """Whether the playbook accepts it."""
        return is_accepted(self.accept, finding.id, finding.found_on)


@dataclass(frozen=True, slots=True)
class Verified:
    """A certificate that holds.

    Attributes:
        file: its name.
        kind: `cutover` or `rollback`.
        playbook: the playbook's name.
        epoch: the epoch that the move made.
        to: the side that traffic went to.
        committed: when.
        hash: its hash.
        held_against: sides whose journal and identity it was held against.
    """

    file: str
    kind: str
    playbook: str
    epoch: int
    to: Side
    committed: datetime
    hash: str
    held_against: tuple[Side, ...] = ()

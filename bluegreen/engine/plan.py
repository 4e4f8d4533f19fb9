"""The plan: what a run would do, by the code that will do it.

Owns looking at every action without acting, the plan's digest, and holding it against
the hazards that the playbook allows. Acting is for `runner.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bluegreen.model.codes import Code
from bluegreen.model.errors import (
    BluegreenError,
    PlaybookRefused,
    StepError,
    error_for,
)
from bluegreen.model.hazard import Hazard
from bluegreen.model.history import State, fold
from bluegreen.model.side import Side
from bluegreen.model.verdict import NotYet, Refused, Verdict
from bluegreen.postgres.database import SqlError
from bluegreen.steps.contract import Action, Step
from bluegreen.steps.world import World


@dataclass(frozen=True, slots=True)
class Unseen:
    """It cannot be looked at before an earlier action was done."""

    why: str


@dataclass(frozen=True, slots=True)
class Passed:
    """It lies before a cutover that is behind us; it is not looked at any more."""

    why: str


PlannedVerdict = Verdict | Unseen | Passed


@dataclass(frozen=True, slots=True)
class PlannedAction:
    """One action, its verdict now, and what it is dangerous for."""

    id: str
    title: str
    verdict: PlannedVerdict
    hazards: tuple[Hazard, ...] = ()
    waits_for_person: bool = False

    @property
    def kind(self) -> str:
        """The verdict's name: satisfied, needed, not_yet, refused, unseen, passed."""
        name = type(self.verdict).__name__.lower()
        return "not_yet" if name == "notyet" else name

    @property
    def lies_ahead(self) -> bool:
        """Whether a run looks at it, and so may come to act on it."""
        return not isinstance(self.verdict, Passed)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do.

    Attributes:
        actions: in the order in which they run.
        digest: short name of this plan; another world or playbook gives another.
        not_allowed: hazards that lie ahead and that the playbook does not allow.
    """

    actions: tuple[PlannedAction, ...]
    digest: str
    not_allowed: tuple[Hazard, ...] = ()

    @property
    def refused(self) -> PlannedAction | None:
        """The first action that a run would stop at."""
        refused = (one for one in self.actions if isinstance(one.verdict, Refused))
        return next(refused, None)

    def require_possible(self) -> None:
        """Stop where a run would stop.

        Raises:
            BluegreenError: of the first refusal.
        """
        refused = self.refused
        if refused is not None and isinstance(refused.verdict, Refused):
            raise refusal_error(refused.verdict)

    def require_digest(self, wanted: str) -> None:
        """Stop unless this is the plan that was looked at.

        Raises:
            PlaybookRefused: 2007.
        """
        if wanted != self.digest:
            raise PlaybookRefused(
                Code.PLAN_OUT_OF_DATE,
                "the plan is out of date: the servers or the playbook changed since "
                f"plan {wanted} (now {self.digest})",
                hint="read `bluegreen plan` again, then run with the new digest",
            )


def plan(
    steps: Sequence[Step],
    world: World,
    *,
    before: Sequence[Action[Any]] = (),
    playbook_digest: str = "",
    allow: Iterable[Hazard] = (),
) -> Plan:
    """Look at every action and change nothing.

    Args:
        steps: what would run, in order.
        world: what is looked at.
        before: what runs before all steps, whichever side serves.
        playbook_digest: goes into the plan's digest.
        allow: hazards that the playbook allows.

    Raises:
        BluegreenError: a server, a pointer or the journal could not be looked at.
    """
    behind, ahead = divide(expand(steps), fold(world.journal.records()))
    planned = (
        *(_planned(action, world) for action in before),
        *(_passed(action) for action in behind),
        *(_planned(action, world) for action in ahead),
    )
    return Plan(
        planned,
        digest_of(playbook_digest, planned),
        missing_hazards((*before, *ahead), allow),
    )


def refusal_error(no: Refused) -> BluegreenError:
    """The error that a run ends with at this refusal."""
    return error_for(no.code, no.why, seen=no.seen, wanted=no.wanted, hint=no.hint)


NOT_MADE_YET = frozenset({"42P01", "3F000", "42883", "42704"})
"""SQLSTATEs: no such table, schema, function or other object."""


def missing_hazards(
    actions: Iterable[Action[Any]], allow: Iterable[Hazard]
) -> tuple[Hazard, ...]:
    """Hazards of these actions that are not allowed. Pure.

    An action that is satisfied counts too: it may be needed again before the run gets
    to it, and a run of hours must not end on a word that could be asked for at once.
    """
    dangers = {hazard for action in actions for hazard in action.hazards}
    return tuple(sorted(dangers - set(allow)))


def expand(steps: Sequence[Step]) -> tuple[Action[Any], ...]:
    """All actions of these steps, in order."""
    return tuple(action for step in steps for action in step.actions())


def divide(
    actions: Sequence[Action[Any]], state: State
) -> tuple[tuple[Action[Any], ...], tuple[Action[Any], ...]]:
    """What lies behind a cutover that holds, and what is still looked at. Pure.

    While green serves, blue no longer feeds green: what comes before the movement
    would find its wanted states gone and start to bring them back. The movement
    itself is looked at, so that it is finished when it was cut short.
    """
    if state.serving is Side.BLUE:
        return (), tuple(actions)
    for number, action in enumerate(actions):
        if Hazard.MOVES_TRAFFIC in action.hazards:
            return tuple(actions[:number]), tuple(actions[number:])
    return (), tuple(actions)


def digest_of(playbook_digest: str, planned: Sequence[PlannedAction]) -> str:
    """Twelve letters of a SHA-256 over the playbook and what lies ahead.

    A look that a run itself makes possible, by building our schema, changes nothing of
    it, and neither does the word of a person for whom the run would wait.
    """
    counting = (one for one in planned if not one.waits_for_person)
    lines = [playbook_digest, *(f"{one.id} {_stands(one)}" for one in counting)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def _stands(one: PlannedAction) -> str:
    return "ahead" if one.kind in {"needed", "not_yet", "unseen"} else one.kind


def require_allowed(actions: Iterable[Action[Any]], allow: Iterable[Hazard]) -> None:
    """Stop unless every hazard of these actions is allowed.

    Raises:
        PlaybookRefused: 2006, with the line to add.
    """
    if missing := missing_hazards(actions, allow):
        raise not_allowed(missing, allow)


def not_allowed(
    missing: Iterable[Hazard], allow: Iterable[Hazard] = ()
) -> PlaybookRefused:
    """The refusal with the exact line for the playbook."""
    names = sorted(set(missing))
    line = ", ".join(sorted({*names, *allow}))
    return PlaybookRefused(
        Code.HAZARD_NOT_ALLOWED,
        f"the playbook does not allow {', '.join(names)}",
        seen="\n".join(f"{hazard}: {hazard.meaning}" for hazard in names),
        wanted=f"allow: [{line}]",
        hint="if that is meant, put this line into the playbook",
    )


def _passed(action: Action[Any]) -> PlannedAction:
    why = "it lies before the cutover, and green serves"
    return PlannedAction(action.id, action.title, Passed(why), _hazards(action))


def _planned(action: Action[Any], world: World) -> PlannedAction:
    # Whatever a person said is for the run that asked; the one to come asks again.
    asks = action.waits_for_person
    return PlannedAction(
        action.id,
        action.title,
        NotYet("the run asks for it") if asks else _look(action, world),
        _hazards(action),
        action.waits_for_person,
    )


def _hazards(action: Action[Any]) -> tuple[Hazard, ...]:
    return tuple(sorted(action.hazards))


def _look(action: Action[Any], world: World) -> PlannedVerdict:
    try:
        return action.judge(action.observe(world))
    except StepError as error:
        if error.code is Code.SERVER_WENT_AWAY:
            raise
        why = "" if _is_not_made_yet(error) else f"; today {error.problem}"
        return Unseen(f"known once replication has started{why}")


def _is_not_made_yet(error: StepError) -> bool:
    """Whether what it looks at comes only with an earlier action."""
    return isinstance(error, SqlError) and error.sqlstate in NOT_MADE_YET

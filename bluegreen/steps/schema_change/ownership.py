"""What a migration makes belongs to whom the application's objects belong to.

Owns the action on green; blue's is with `ExpandBlue`. Who that is is decided in
`postgres/schema/ownership.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bluegreen.model.accept import SCHEMA_DIFFERENCE, fits
from bluegreen.model.codes import Code
from bluegreen.model.hazard import Hazard
from bluegreen.model.history import fold
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, NotYet, Refused, Satisfied, Verdict
from bluegreen.postgres.schema.ownership import (
    CURE,
    Handover,
    hand_over,
    handovers,
    our_role,
    permitted,
    read_owned,
)
from bluegreen.steps.action import Action, Result
from bluegreen.steps.schema_change.journal_queries import given_to_blue_whole
from bluegreen.steps.world import World


@dataclass(frozen=True, slots=True)
class OwnerFacts:
    """Objects of green that are ours and are to be the application's.

    Attributes:
        pending: migrations that green still lacks.
        serving: the side that serves.
    """

    pending: int
    serving: Side
    found: tuple[Handover, ...]


class HandOver(Action[OwnerFacts]):
    """What migrations made on green belongs to the application's role.

    An object that a migration made in the place of blue's gets blue's owner and grants;
    a new one the owner of its schema's tables, as if that role had made it.

    Crash: each object is handed over whole or not at all; the next run does the others.
    """

    hazards = frozenset({Hazard.CHANGES_GREEN_SCHEMA})
    title = "what migrations made belongs to the application's role"
    no_undo = "it goes with what the migrations made"

    def __init__(
        self, step_id: str, role: str, pending: Callable[[World], int]
    ) -> None:
        super().__init__(step_id)
        self.role, self.pending = role, pending

    def observe(self, world: World) -> OwnerFacts:
        """Owners on both sides."""
        pending = self.pending(world)
        serving = fold(world.journal.records()).serving
        rests = bool(pending) or serving is Side.GREEN
        found = () if rests else to_hand_over(world, self.role)
        return OwnerFacts(pending, serving, found)

    def judge(self, facts: OwnerFacts) -> Verdict:
        """Only what our role may hand over, and to one role."""
        if facts.serving is Side.GREEN:
            return Satisfied("green serves")
        if facts.pending:
            return NotYet(f"green lacks {facts.pending} migrations")
        if refused := refusal(facts.found, Side.GREEN):
            return refused
        if facts.found:
            names = ", ".join(f"{one.owned.key} to {one.to}" for one in facts.found)
            return Needed(names)
        return Satisfied("nothing of the application's is ours")

    def act(self, world: World, facts: OwnerFacts) -> Result:
        """Grants, then the owner, one object after the other."""
        return {"handed_over": hand_over(world.green, facts.found)}


def refusal(found: Iterable[Handover], side: Side) -> Refused | None:
    """Why objects cannot be handed over; None where all of them can."""
    hindered = [one for one in found if one.why_not]
    if not hindered:
        return None
    return Refused(
        Code.STEP_DOES_NOT_FIT,
        f"what was made on {side} belongs to our role",
        seen="\n".join(f"{one.owned.key}: {one.why_not}" for one in hindered),
        wanted="an owner by whose rights the application can use it",
        hint=CURE,
    )


def to_hand_over_on_blue(world: World) -> tuple[Handover, ...]:
    """What `expand_blue` made there, as green has it."""
    given = given_to_blue_whole(world.journal.records())
    if not given:
        return ()
    found = handovers(
        read_owned(world.green),
        read_owned(world.blue),
        ours=our_role(world.blue),
        only=given,
    )
    return tuple(permitted(world.blue, found))


def to_hand_over(world: World, role: str) -> tuple[Handover, ...]:
    """What is ours on green, as blue has it or would have it."""
    theirs = read_owned(world.blue)
    for key in given_to_blue_whole(world.journal.records()):
        # We made it for green's rows: it tells nothing of the application.
        theirs.pop(key, None)
    found = handovers(
        theirs, read_owned(world.green), ours=our_role(world.green), role=role
    )
    accepted = [a.object for a in world.limits.accept if a.id == SCHEMA_DIFFERENCE]
    left = (
        one
        for one in found
        if not any(fits(pattern, f"owner of {one.owned.key}") for pattern in accepted)
    )
    return tuple(permitted(world.green, left))

"""The rehearsal of blue's schema and the migrations as an action of a run.

Owns when a run rehearses and what it remembers. What is tried is in `rehearse.py`.
"""

from __future__ import annotations

from typing import Any

from pydantic import PrivateAttr

from bluegreen.model.history import fold
from bluegreen.model.verdict import Needed, Satisfied, Verdict
from bluegreen.postgres.catalog.relations import read_relations
from bluegreen.steps.contract import Action, Result, Step
from bluegreen.steps.preflight.refusal import Findings, progress_of, refuse
from bluegreen.steps.rehearse import Rehearser
from bluegreen.steps.rehearsed import NO_PLANS, Look, Plans, Rehearsed
from bluegreen.steps.replication.schema import CopySchema
from bluegreen.steps.world import World


def is_copied(world: World) -> bool:
    """Whether blue's schema was brought to green, or a run began to.

    The identity row says nothing of it: a run writes that before any step. An intent
    counts, as a kill may have come between the act and the record of its result.
    """
    state = fold(world.journal.records())
    begun = {**state.intents, **state.results}
    return any(action.endswith(f"/{CopySchema.name()}") for action in begun)


class RehearseSchema(Action["tuple[Look, Findings] | None"]):
    """Green's server has taken blue's schema and the migrations, without rows.

    What was found is remembered with a digest of both, so that a second run does not
    try it again. Once the schema is copied nothing is rehearsed.

    Crash: the throw-away database is dropped by the next call; nothing else is left.
    """

    title = "green takes blue's schema and the migrations"
    no_undo = "it only remembers"

    def __init__(
        self, step_id: str, plans: Plans, rehearser: Rehearser, *, tells: bool = True
    ) -> None:
        super().__init__(step_id)
        self._plans = plans
        self._rehearser = rehearser
        self._tells = tells

    def observe(self, world: World) -> tuple[Look, Findings] | None:
        """Try it, or read what is remembered of the same schema and files."""
        if is_copied(world) or any(
            not one.extension for one in read_relations(world.green, expressions=False)
        ):
            return None
        look = self._rehearser.now(world, self._plans)
        found = Findings(look.findings, world.limits.accept)
        for finding in look.findings if self._tells else ():
            world.tell(progress_of(finding, accepted=found.accepts(finding)))
        return look, found

    def judge(self, facts: tuple[Look, Findings] | None) -> Verdict:
        """Refuse with every blocking finding; remember what was tried."""
        if facts is None:
            return Satisfied("green has tables: it is rehearsed before the copy alone")
        look, found = facts
        if found.blocking:
            return refuse(found.blocking)
        if not look.key:
            return Satisfied("it could not be tried, as was told")
        if look.remembered:
            return Satisfied("it was tried, and nothing has changed since")
        return Needed("it was tried; the next run need not try it again")

    def act(self, world: World, facts: tuple[Look, Findings] | None) -> Result:
        """The record of this result is all there is to do."""
        if facts is None:
            return {}
        look, _ = facts
        return Rehearsed.of(look).as_body()


class Rehearse(Step):
    """The rehearsal in a playbook that has no step `check` before the copy."""

    step: str = "rehearse"

    _plans: Plans = PrivateAttr(NO_PLANS)
    _rehearser: Rehearser = PrivateAttr(default_factory=Rehearser)

    @classmethod
    def of(cls, plans: Plans) -> Rehearse:
        """The step that tries what the playbook means to do."""
        made = cls()
        made._plans = plans
        return made

    def actions(self) -> tuple[Action[Any], ...]:
        """One action."""
        return (RehearseSchema(self.key, self._plans, self._rehearser),)

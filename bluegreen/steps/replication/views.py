"""Materialized views on green: logical replication carries no rows for them.

Owns the action that fills them; order and statement are in
`postgres/catalog/materialized_views.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from bluegreen.model.accept import VIEW_CANNOT_BE_FILLED
from bluegreen.model.progress import Progress
from bluegreen.model.verdict import Needed, Satisfied, Verdict
from bluegreen.postgres.catalog.materialized_views import refresh_views, unfilled_views
from bluegreen.steps.contract import Action, Result
from bluegreen.steps.replication.told import ViewsFilled, told_empty
from bluegreen.steps.world import World


@dataclass(frozen=True, slots=True)
class ViewFacts:
    """Views that were never filled, and which of them may stay so."""

    unfilled: tuple[str, ...]
    may_stay: tuple[str, ...] = ()


class RefreshViews(Action[ViewFacts]):
    """Every materialized view of green holds rows, but for what the playbook accepts.

    Crash: the views that were filled stay so; the next run fills the others.
    """

    title = "green's materialized views are filled"
    no_undo = "a filled view does no harm"

    def observe(self, world: World) -> ViewFacts:
        """Views that were never filled, and what was seen to stay empty."""
        tried = told_empty(world.journal.records()) if _accepts_empty(world) else ()
        return ViewFacts(unfilled_views(world.green), tried)

    def judge(self, facts: ViewFacts) -> Verdict:
        """A query on a view that was never filled fails."""
        left = [name for name in facts.unfilled if name not in facts.may_stay]
        if left:
            return Needed(f"{len(left)} were never filled: {', '.join(left[:5])}")
        if facts.unfilled:
            return Satisfied(f"accepted as empty: {', '.join(facts.unfilled)}")
        return Satisfied("none is empty")

    def act(self, world: World, facts: ViewFacts) -> Result:
        """REFRESH them, those that others read first."""
        may = _accepts_empty(world)
        filled, empty = refresh_views(world.green, may_stay_empty=may)
        if empty:
            text = f"accepted: {', '.join(empty)} cannot be filled and stay empty"
            world.tell(Progress("views_left_empty", text, values={"views": [*empty]}))
        return ViewsFilled(filled, empty).as_body()


def _accepts_empty(world: World) -> bool:
    return any(one.id == VIEW_CANNOT_BE_FILLED for one in world.limits.accept)

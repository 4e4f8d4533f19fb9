"""Materialized views on green: logical replication carries no rows for them.

Owns the action that fills them; order and statement are in
`postgres/catalog/materialized_views.py`.
"""

from __future__ import annotations

from bluegreen.model.verdict import Needed, Satisfied, Verdict
from bluegreen.postgres.catalog.materialized_views import refresh_views, unfilled_views
from bluegreen.steps.contract import Action, Result
from bluegreen.steps.world import World


class RefreshViews(Action[tuple[str, ...]]):
    """Every materialized view of green holds rows.

    Crash: the views that were filled stay so; the next run fills the others.
    """

    title = "green's materialized views are filled"
    no_undo = "a filled view does no harm"

    def observe(self, world: World) -> tuple[str, ...]:
        """Views that were never filled."""
        return unfilled_views(world.green)

    def judge(self, facts: tuple[str, ...]) -> Verdict:
        """A query on a view that was never filled fails."""
        if facts:
            return Needed(f"{len(facts)} were never filled: {', '.join(facts[:5])}")
        return Satisfied("none is empty")

    def act(self, world: World, facts: tuple[str, ...]) -> Result:
        """REFRESH them, those that others read first."""
        return {"views": list(refresh_views(world.green))}

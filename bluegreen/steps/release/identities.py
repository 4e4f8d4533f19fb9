"""The action that gives tables back the replica identities that they had.

What we changed, and how it is put back, is in `replication/identities.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from bluegreen.model.counted import counted
from bluegreen.model.history import fold
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, NotYet, Satisfied, Verdict
from bluegreen.steps.contract import Action, Result
from bluegreen.steps.replication.identities import Restorable, put_back, restorable
from bluegreen.steps.world import World


class RestoreIdentities(Action["Mapping[Side, Restorable] | None"]):
    """Tables have the replica identity that they had before the first copy.

    Crash: one statement a table; the next run does the others.
    """

    title = "replica identities are as they were"
    no_undo = "no stream of ours needs them any more"

    def observe(self, world: World) -> Mapping[Side, Restorable] | None:
        """Both sides' tables, once blue is no way back any more."""
        if not fold(world.journal.records()).released:
            return None
        return {side: restorable(world, side) for side in Side}

    def judge(self, facts: Mapping[Side, Restorable] | None) -> Verdict:
        """What another publication has stays as it is."""
        if facts is None:
            return NotYet("blue is not released yet")
        left = [
            f"{side}'s {one.schema}.{one.table}"
            for side, found in facts.items()
            for one in found.tables
        ]
        if left:
            count = counted(len(left), "table has", "tables have")
            return Needed(f"{count} one that we gave it: {', '.join(left[:5])}")
        kept = [name for found in facts.values() for name in found.kept]
        why = f"; published by others too, so kept: {', '.join(kept)}" if kept else ""
        return Satisfied(f"none is left of ours{why}")

    def act(self, world: World, facts: Mapping[Side, Restorable] | None) -> Result:
        """Put back what each of them had."""
        for side, found in (facts or {}).items():
            put_back(world.on(side), found.tables)
        return {
            str(side): [f"{one.schema}.{one.table}" for one in found.tables]
            for side, found in (facts or {}).items()
        }

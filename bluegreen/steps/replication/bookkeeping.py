"""Migration tools' own tables: their rows come to green once and travel no more.

Owns this action; which tables these are is in `postgres/catalog/migration_tables.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from bluegreen.model.history import fold
from bluegreen.model.verdict import Needed, Satisfied, Verdict
from bluegreen.postgres.catalog.migration_tables import (
    BookkeepingTable,
    copy_bookkeeping,
    read_bookkeeping,
)
from bluegreen.postgres.catalog.relations import read_relations
from bluegreen.steps.contract import Action, Result
from bluegreen.steps.world import World


@dataclass(frozen=True, slots=True)
class BookkeepingFacts:
    """The tables, and whether their rows were brought before."""

    tables: tuple[BookkeepingTable, ...]
    done: bool


class CopyBookkeeping(Action[BookkeepingFacts]):
    """Green's migration tool knows what ran on blue, and tells blue nothing.

    Crash: one transaction; all of the rows are there or none.
    """

    title = "green knows which migrations ran on blue"
    no_undo = "drop green's database and make an empty one"

    def __init__(self, step_id: str, exclude: tuple[str, ...]) -> None:
        super().__init__(step_id)
        self.exclude = exclude

    def observe(self, world: World) -> BookkeepingFacts:
        """The tables on both sides."""
        found = read_bookkeeping(
            world.blue,
            world.green,
            read_relations(world.blue),
            read_relations(world.green),
        )
        return BookkeepingFacts(
            tuple(one for one in found if one.full_name not in self.exclude),
            self.id in fold(world.journal.records()).results,
        )

    def judge(self, facts: BookkeepingFacts) -> Verdict:
        """Once; rows that the tool wrote on green since are its own."""
        empty = _empty(facts)
        if facts.done or not empty:
            return Satisfied("nothing is to be brought")
        names = ", ".join(one.full_name for one in empty)
        return Needed(f"rows of {names}, which travel in no stream")

    def act(self, world: World, facts: BookkeepingFacts) -> Result:
        """Copy the rows of those that are empty on green."""
        empty = _empty(facts)
        rows = copy_bookkeeping(world.blue, world.green, empty)
        return {"tables": [one.full_name for one in empty], "rows": rows}


def _empty(facts: BookkeepingFacts) -> list[BookkeepingTable]:
    return [one for one in facts.tables if one.blue and not one.green]

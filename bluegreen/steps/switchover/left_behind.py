"""The action that names what a move left behind: tables that no stream carries.

Owns when it is asked, and the form in which the journal keeps it. The look is in
`postgres/replication/left_behind.py`; the certificate repeats it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bluegreen.model.body import Body
from bluegreen.model.history import fold
from bluegreen.model.progress import Progress
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, NotYet, Satisfied, Verdict
from bluegreen.postgres.quoting import quote_name
from bluegreen.steps.action import Action, Result
from bluegreen.steps.world import World


@dataclass(frozen=True, slots=True)
class LeftFacts:
    """What the journal tells.

    Attributes:
        open: the last move led to the action's side and its way back is open.
        told: the look of that move stands in the journal, or its certificate does.
    """

    open: bool
    told: bool


@dataclass(frozen=True, slots=True)
class LeftBehind(Body):
    """The result: schema, name and rows; None where counting took too long."""

    left_behind: tuple[tuple[str, str, int | None], ...]


class NameLeftBehind(Action[LeftFacts]):
    """The rows that stayed on the side that was left are named in the journal.

    Tables that were excluded, unlogged ones, and those that were made later than the
    stream. That side is fenced, so the counts hold.

    Crash: nothing is left; the next run looks again.
    """

    no_undo = "it only looks"

    def __init__(self, step_id: str, to_side: Side) -> None:
        super().__init__(step_id)
        self.to_side = to_side
        self.title = f"what stayed on {to_side.other} is named"

    def observe(self, world: World) -> LeftFacts:
        """The journal."""
        records = world.journal.records()
        state = fold(records)
        last = state.last_move
        if last is None or last.to_side is not self.to_side or not last.way_back_open:
            return LeftFacts(open=False, told=False)
        told = told_left_behind(records, last.epoch) is not None
        return LeftFacts(True, told or last.epoch in state.certificates)

    def judge(self, facts: LeftFacts) -> Verdict:
        """Once for each move."""
        if not facts.open:
            return NotYet("the way back is not open yet")
        if facts.told:
            return Satisfied("it stands in the journal")
        return Needed(
            f"the tables of {self.to_side.other} that do not travel are counted"
        )

    def act(self, world: World, facts: LeftFacts) -> Result:
        """Count their rows; empty tables leave nothing behind."""
        # A rollback starts without what only its end needs.
        from bluegreen.postgres.replication.left_behind import (
            count_rows,
            read_left_behind,
        )

        from_side = world.on(self.to_side.other)
        found = read_left_behind(from_side, world.on(self.to_side), world.name)
        counted = count_rows(from_side, found, world.clock)
        rows = tuple(
            (one.schema, one.name, one.rows) for one in counted if one.rows != 0
        )
        if rows:
            world.tell(_progress(self.to_side.other, rows))
        return LeftBehind(rows).as_body()


def _progress(from_side: Side, rows: Sequence[Sequence[object]]) -> Progress:
    names = ", ".join(
        f"{schema}.{name} ({'not counted' if count is None else count} rows)"
        for schema, name, count in rows
    )
    values: dict[str, object] = {
        "side": str(from_side),
        "tables": [list(one) for one in rows],
    }
    return Progress(
        "rows_left_behind", f"rows that stayed on {from_side}: {names}", values=values
    )


def told_left_behind(
    records: Sequence[Record], epoch: int
) -> Mapping[str, int | None] | None:
    """Rows by table that a move left behind; None where they were not counted. Pure."""
    ending = "/" + NameLeftBehind.name()
    for record in records:
        ours = record.kind is Kind.RESULT and record.action.endswith(ending)
        if ours and record.epoch == epoch:
            return {
                quote_name(schema, name): rows
                for schema, name, rows in LeftBehind.from_body(record.body).left_behind
            }
    return None

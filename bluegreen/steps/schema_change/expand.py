"""Blue is made wide enough for what green will send back.

Owns this action: production changes before the cutover, by names that the playbook
gives, each statement judged by the linter first. What a name comes to is in
`postgres/schema/expansion.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bluegreen.model.codes import Code
from bluegreen.model.counted import counted
from bluegreen.model.finding import Severity
from bluegreen.model.hazard import Hazard
from bluegreen.model.history import fold
from bluegreen.model.record import Kind
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, NotYet, Refused, Satisfied, Verdict
from bluegreen.postgres.catalog.relations import read_relations
from bluegreen.postgres.replication.publication import server_version
from bluegreen.postgres.schema.expansion import (
    LOCK_WAIT,
    Expansion,
    expansions,
    run_on_blue,
)
from bluegreen.postgres.schema.expansion_catalog import (
    Catalog,
    describe_table,
    estimated_rows,
    read_catalog,
)
from bluegreen.postgres.schema.fingerprint import read_prints
from bluegreen.postgres.schema.ownership import Handover, hand_over
from bluegreen.steps.action import Action, Result
from bluegreen.steps.monitors.drift import remember_prints, remembered
from bluegreen.steps.schema_change.journal_queries import (
    Expanded,
    ended_well,
    expansions_told,
    heads_of,
)
from bluegreen.steps.schema_change.ownership import refusal, to_hand_over_on_blue
from bluegreen.steps.world import World


@dataclass(frozen=True, slots=True)
class ExpandFacts:
    """What blue lacks of the names that the playbook gives.

    Attributes:
        pending: migrations that green still lacks.
        lacking: what is to be done.
        unknown: names that mean nothing on either side.
        objections: what the linter says against it, in words.
        ended: the last act came to its end, or there was none.
        serving: the side that serves.
        ours: what we gave to blue and is to be the application's.
    """

    pending: int
    lacking: tuple[Expansion, ...]
    unknown: tuple[str, ...]
    objections: tuple[str, ...]
    ended: bool
    serving: Side
    ours: tuple[Handover, ...] = ()


class ExpandBlue(Action[ExpandFacts]):
    """Blue can take what green will send back, where the playbook says so.

    Each change is told to the journal before it is made, so that a comparison of
    schemas knows it for ours.

    Crash: the changes that are made stay; the next run makes the others.
    """

    hazards = frozenset({Hazard.CHANGES_BLUE_SCHEMA})
    title = "blue can take what green will send back"

    def __init__(
        self, step_id: str, names: tuple[str, ...], pending: Callable[[World], int]
    ) -> None:
        super().__init__(step_id)
        self.names, self.pending = names, pending

    def observe(self, world: World) -> ExpandFacts:
        """Hold both catalogs against each other under every name."""
        blue, green = _catalog(world, Side.BLUE), _catalog(world, Side.GREEN)
        records = world.journal.records()
        told = {one.name for one in expansions_told(records)}
        found = (e for name in self.names for e in expansions(name, blue, green))
        # Two names may need one and the same enum.
        lacking = tuple({e.statement: e for e in found}.values())
        return ExpandFacts(
            self.pending(world),
            lacking,
            tuple(
                name
                for name in self.names
                if not (name in told or blue.knows(name) or green.knows(name))
            ),
            tuple(why for e in lacking for why in _objections(world, blue, e)),
            ended_well(self.id, records),
            fold(records).serving,
            to_hand_over_on_blue(world),
        )

    def judge(self, facts: ExpandFacts) -> Verdict:
        """Only when green has its schema, and only what holds blue up for a moment."""
        if facts.serving is Side.GREEN:
            return Satisfied("green serves")
        if facts.pending:
            return NotYet(f"green lacks {facts.pending} migrations")
        if facts.unknown:
            return Refused(
                Code.STEP_DOES_NOT_FIT,
                f"{facts.unknown[0]} is nothing that blue could be expanded by",
                seen="neither side has a column, table, enum, constraint or unique "
                "index of that name",
                wanted="names as `schema.table`, `schema.type`, `schema.table.column` "
                "or `schema.table.constraint`",
                hint="fix `expand_blue` of the step migrate",
            )
        if facts.objections:
            return Refused(
                Code.STEP_DOES_NOT_FIT,
                "blue cannot be expanded without holding up its clients",
                seen="\n".join(facts.objections),
                wanted="changes to blue's catalog alone",
                hint="take it out of `expand_blue`; a new column beside the old one "
                "and a `mapping` keep both in step",
            )
        if refused := refusal(facts.ours, Side.BLUE):
            return refused
        if facts.lacking:
            return Needed("; ".join(one.statement for one in facts.lacking))
        if facts.ours:
            return Needed(", ".join(f"{h.owned.key} to {h.to}" for h in facts.ours))
        if not facts.ended:
            return Needed("blue's schema is to be remembered as it is now")
        return Satisfied(
            counted(len(self.names), "name is wide enough", "names are wide enough")
        )

    def act(self, world: World, facts: ExpandFacts) -> Result:
        """Tell the journal, then make one change after the other."""
        tries = 0
        for one in facts.lacking:
            body = Expanded((one,)).as_body()
            world.journal.append(Kind.NOTE, action=self.id, body=body)
            world.point(f"{self.id}/before_statement")
            tries = max(tries, run_on_blue(world.blue, one.statement, world.clock))
            world.point(f"{self.id}/after_statement")
        made = [one for one in to_hand_over_on_blue(world) if not one.why_not]
        hand_over(world.blue, made)
        _remember(world, self.id)
        return {"statements": [one.statement for one in facts.lacking], "tries": tries}

    def undo(self, world: World, facts: ExpandFacts) -> None:
        """Take back what can be: columns and tables, dropped CHECKs unproved."""
        blue = _catalog(world, Side.BLUE)
        for one in reversed(expansions_told(world.journal.records())):
            back = one.kind != "constraint" or one.name not in blue.constraints
            if one.undo and back:
                run_on_blue(world.blue, one.undo, world.clock)
        _remember(world, self.id)


def _remember(world: World, action: str) -> None:
    """Take what we changed for meant; what others changed stays to be seen."""
    records = world.journal.records()
    then = remembered(records, fold(records), Side.BLUE)
    if then is None:
        return
    ours = {head for one in expansions_told(records) for head in heads_of(one)}
    now = read_prints(world.blue)
    merged = {**{k: v for k, v in then.items() if k not in ours}}
    merged |= {k: v for k, v in now.items() if k in ours}
    remember_prints(world, {Side.BLUE: merged}, action)


def _catalog(world: World, side: Side) -> Catalog:
    database = world.on(side)
    return read_catalog(database, read_relations(database), server_version(database))


def _objections(world: World, blue: Catalog, one: Expansion) -> Sequence[str]:
    """What the linter finds wrong with a statement that blue's clients wait for."""
    # The parser is heavy, and a rollback never needs it.
    from bluegreen.lint.config import Config
    from bluegreen.lint.engine import check
    from bluegreen.lint.tracking.track import know
    from bluegreen.sql.knowledge import NOTHING
    from bluegreen.sql.source import read

    knowledge = NOTHING
    relation = blue.tables.get(".".join(one.parts[:2]))
    if relation is not None:
        text = describe_table(world.blue, relation)
        rows = estimated_rows(world.blue, relation)
        counted = {} if rows is None else {(relation.schema, relation.name): rows}
        knowledge = know([read("blue", text)], rows=counted)
    config = Config(
        target_version=blue.version,
        settings={"lock_timeout": LOCK_WAIT, "statement_timeout": "60s"},
    )
    report = check([read(one.name, one.statement + ";")], config, knowledge)
    return [
        f"{one.statement}: {found.seen} ({found.id})"
        for found in report.findings
        if found.severity is Severity.CRITICAL
    ]

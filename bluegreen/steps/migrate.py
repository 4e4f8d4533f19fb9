"""The step `migrate`: bring green's schema forward, in a form that blue can live with.

Owns the parameters and the order; what makes a change compatible is in
`steps/schema_change/`, the tools are in `migrators/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from bluegreen.migrators.forecast import Forecast, forecast
from bluegreen.migrators.halves import Halves
from bluegreen.migrators.migrator import Applied, History
from bluegreen.migrators.script import Script
from bluegreen.migrators.sql_files import SqlFiles
from bluegreen.model.codes import Code
from bluegreen.model.counted import counted
from bluegreen.model.hazard import Hazard
from bluegreen.model.record import Kind
from bluegreen.model.verdict import Needed, Refused, Satisfied, Verdict
from bluegreen.steps.contract import Action, Result, Step
from bluegreen.steps.fields import Duration
from bluegreen.steps.schema_change.contract import DeferContract
from bluegreen.steps.schema_change.deferral import Asking, waiting_in
from bluegreen.steps.schema_change.exclude_columns import LeaveOut
from bluegreen.steps.schema_change.expand import ExpandBlue
from bluegreen.steps.schema_change.identity import PinGreenIdentity
from bluegreen.steps.schema_change.mapping import BackfillMapping, CreateMapping
from bluegreen.steps.schema_change.old_names import KeepOldNames
from bluegreen.steps.schema_change.ownership import HandOver
from bluegreen.steps.schema_change.rules import (
    ColumnRule,
    require_columns,
    require_names,
    require_tables,
    rules_by_table,
)
from bluegreen.steps.schema_change.stream import (
    StartStream,
    StopStream,
    started_on_failure,
)
from bluegreen.steps.world import World


class ApplyMigrations(Action[History]):
    """Every migration file is applied to green.

    Crash: a file in one transaction is applied whole or not at all; another goes on
    behind its last statement that was done. The stream may stay stopped, and blue keeps
    WAL for it, until the next run starts it.
    """

    hazards = frozenset({Hazard.CHANGES_GREEN_SCHEMA})
    title = "green has every migration"
    no_undo = (
        "a migration has no way back of its own: drop green and start again, or write "
        "a file that takes the change back"
    )

    def __init__(self, step_id: str, step: Migrate) -> None:
        super().__init__(step_id)
        self.step = step

    def observe(self, world: World) -> History:
        """Hold the files against what green remembers."""
        return self.step.migrator(world).look(world.green)

    def judge(self, facts: History) -> Verdict:
        """Satisfied when nothing is pending."""
        if facts.fault:
            fault = facts.fault
            return Refused(
                Code.MIGRATION_FAILED,
                fault.problem,
                fault.seen,
                fault.wanted,
                fault.hint,
            )
        if facts.pending:
            names = ", ".join(one.name for one in facts.pending)
            return Needed(f"{len(facts.pending)} to apply: {names}")
        return Satisfied(
            counted(
                len(facts.applied), "migration is applied", "migrations are applied"
            )
        )

    def act(self, world: World, facts: History) -> Result:
        """Apply what is pending."""
        migrator = self.step.migrator(world)
        done = []
        with started_on_failure(world, self.step.key):
            for one in facts.pending:
                world.point(f"{self.id}/before_file")
                applied = migrator.apply(world.green, one, world.tell)
                world.point(f"{self.id}/after_file")
                body = told(applied)
                world.journal.append(Kind.NOTE, action=self.id, body=body)
                done.append(applied)
        return {"migrations": [told(one) for one in done]}


def told(one: Applied) -> dict[str, Any]:
    """A migration as the journal tells of it."""
    return {
        "migration": one.name,
        "sha256": one.digest,
        "seconds": one.seconds,
        **one.details,
    }


class Migrate(Step):
    """Apply schema migrations to green, and keep both sides compatible."""

    step: Literal["migrate"] = "migrate"

    tool: Literal["sql"] = "sql"
    """Who applies them; `sql` runs plain files in the order of their names."""

    files: tuple[str, ...]
    """Files or patterns, relative to the playbook, e.g. `migrations/*.sql`."""

    contract: tuple[str, ...] = ()
    """Files or patterns of what blue could not live with: they run at `decommission`,
    once blue is released, and never before. What stands behind a line
    `-- bluegreen: contract` in one of `files` waits as well."""

    contract_by_judge: bool = False
    """Let those statements of `files` wait as well that are safe only once blue is
    released: what `compat` finds to narrow green's tables, or to take a name away
    that blue sends, and what builds on it. The plan shows each, and why."""

    leave_out: Annotated[tuple[str, ...], AfterValidator(require_names)] = ()
    """Tables and columns that a migration takes away, as `schema.table` or
    `schema.table.column`, where its text does not say so; blue stops sending them
    before it runs."""

    expand_blue: Annotated[tuple[str, ...], AfterValidator(require_names)] = ()
    """What blue may be given before the cutover, so that it can take back what green
    will write: `schema.table` for an empty table, `schema.table.column` for a new, a
    wider or a nullable column, `schema.type` for an enum or its labels,
    `schema.table.constraint` for a constraint or unique index that is dropped. An enum
    that a new table or column needs comes with it."""

    renamed: Annotated[Mapping[str, str], AfterValidator(require_tables)] = {}
    """Tables that a migration renames, `old: new`, each as `schema.table`; blue's rows
    come and go under the old name until blue is released."""

    mapping: Annotated[Mapping[str, ColumnRule], AfterValidator(require_columns)] = {}
    """Columns of green that follow from columns of blue, as `schema.table.column`, and
    the way back: `forward` gives the column, `reverse` the columns that it comes from.
    A trigger on green keeps them in step until blue is released."""

    role: str = ""
    """Whom new objects belong to; where it is left out, the one role that the tables of
    their schema belong to on blue. Its default privileges count for them."""

    lock_timeout: Duration = timedelta(seconds=5)
    """A statement that waits longer for a lock fails and the file is rolled back."""

    statement_timeout: Duration = timedelta(hours=6)
    """A statement that runs longer fails."""

    @property
    def asking(self) -> Asking:
        """What decides which statements wait."""
        needed = (
            f"{rules.full_name}.{column}"
            for rules in rules_by_table(self.mapping)
            for column in rules.needed
        )
        return Asking(
            self.files,
            self.contract,
            carried=frozenset(self.mapping),
            needed=frozenset(needed),
            renamed=frozenset(self.renamed),
            ask=self.contract_by_judge,
        )

    def migrator(self, world: World) -> SqlFiles:
        """The files that run before traffic moves."""
        return SqlFiles(
            world.home,
            self.files,
            contract=self.contract,
            waiting=waiting_in(world, self.asking).reasons,
            lock_timeout=self.lock_timeout,
            statement_timeout=self.statement_timeout,
            clock=world.clock,
        )

    def require_readable(self, home: Path) -> None:
        """See that every migration can be run, before anything is copied.

        Raises:
            PlaybookRefused: 2009, what is wrong in each file that cannot.
        """
        Halves(home, self.files, self.contract).require_readable()

    def scripts(self, home: Path) -> list[Script]:
        """The files that run before traffic moves, whatever `compat` lets wait."""
        return Halves(home, self.files, self.contract).scripts("expand")

    def pending(self, world: World) -> int:
        """How many files are left to apply."""
        return len(self.migrator(world).look(world.green).pending)

    def foresee(self, world: World) -> Forecast:
        """What the files that are left will take away."""
        migrator = self.migrator(world)
        left = migrator.look(world.green).pending
        return forecast([migrator.preview(one) for one in left])

    def actions(self) -> tuple[Action[Any], ...]:
        """Leave out, stop, migrate, make fit, start, fill, hand over, expand blue."""
        key, pending = self.key, self.pending
        renamed = (KeepOldNames(key, self.renamed, pending),) if self.renamed else ()
        mapping = (CreateMapping(key, self.mapping, pending),) if self.mapping else ()
        filling = (BackfillMapping(key, self.mapping, pending),) if mapping else ()
        names = self.expand_blue
        expanding = (ExpandBlue(key, names, pending),) if names else ()
        return (
            DeferContract(key, self.asking),
            LeaveOut(key, self.foresee, self.leave_out, names),
            StopStream(key, pending),
            ApplyMigrations(key, self),
            *renamed,
            PinGreenIdentity(key),
            *mapping,
            StartStream(key, pending),
            *filling,
            HandOver(key, self.role, pending),
            *expanding,
        )

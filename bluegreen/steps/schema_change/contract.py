"""The second half of a change: what blue could not live with waits for its release.

Owns remembering that it waits, taking away what only blue needed, and running it.
Splitting files is for `migrators/`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from bluegreen.migrators.migrator import History, LockNotFreeError
from bluegreen.migrators.sql_files import SqlFiles
from bluegreen.model.body import Body
from bluegreen.model.codes import Code
from bluegreen.model.counted import counted
from bluegreen.model.hazard import Hazard
from bluegreen.model.history import fold
from bluegreen.model.record import Kind, Record
from bluegreen.model.verdict import Needed, NotYet, Refused, Satisfied, Verdict
from bluegreen.postgres.catalog.relations import read_relations
from bluegreen.postgres.replication.replica_identity import (
    drop_key_index,
    set_identity_default,
)
from bluegreen.postgres.schema.mapping_triggers import drop_mapping, read_mappings
from bluegreen.postgres.schema.rename_wrapper import (
    RenameWrapper,
    drop_rename_wrapper,
    read_rename_wrappers,
)
from bluegreen.steps.action import Action, Result
from bluegreen.steps.schema_change.deferral import (
    Asking,
    Deferral,
    DeferredNote,
    Reasons,
    Waiting,
    last_deferral,
    remembered,
    waiting_in,
)
from bluegreen.steps.schema_change.identity import OURS
from bluegreen.steps.world import World

LOCK_WAIT = timedelta(milliseconds=500)
"""Green serves: its clients queue behind a statement that waits for a lock."""

TRIES = 20
PAUSE_S = 1.0
LONGEST = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Deferred:
    """What waits: patterns as the step `migrate` has them.

    Attributes:
        files: their second halves wait.
        contract: these wait whole.
        waiting: statements that `compat` lets wait, and why.
    """

    files: tuple[str, ...] = ()
    contract: tuple[str, ...] = ()
    waiting: Reasons = field(default_factory=dict)

    def migrator(self, world: World) -> SqlFiles:
        """The files that run once blue is released."""
        return SqlFiles(
            world.home,
            self.files,
            contract=self.contract,
            waiting=self.waiting,
            half="contract",
            lock_timeout=LOCK_WAIT,
            statement_timeout=LONGEST,
            clock=world.clock,
        )


def deferred(records: Sequence[Record]) -> Deferred:
    """What the journal tells that waits; nothing where no step deferred. Pure."""
    note = last_deferral(records)
    if note is None:
        return Deferred()
    by_judge = {
        name: waits.statements
        for name, waits in note.waiting.items()
        if waits.statements
    }
    return Deferred(note.files, note.contract, by_judge)


@dataclass(frozen=True, slots=True)
class DeferFacts:
    """What waits, and what the journal tells of it.

    Attributes:
        files: those that have something to wait for.
        told: the journal knows all of it.
        judged: what `compat` lets wait.
    """

    files: tuple[str, ...]
    told: bool
    judged: Waiting = field(default_factory=Waiting)


class DeferContract(Action[DeferFacts]):
    """What blue could not live with is known to wait for its release.

    Crash: the note is in the journal or it is not.
    """

    title = "what contracts the schema waits until blue is released"
    no_undo = "it only remembers"

    def __init__(self, step_id: str, asking: Asking) -> None:
        super().__init__(step_id)
        self.asking = asking

    def observe(self, world: World) -> DeferFacts:
        """Read the files and the journal; ask `compat` where the playbook says so."""
        judged = waiting_in(world, self.asking)
        wanted = Deferred(self.asking.files, self.asking.contract, judged.reasons)
        scripts = wanted.migrator(world).scripts()
        records = world.journal.records()
        digests = {name: waits.sha256 for name, waits in remembered(records).items()}
        told = deferred(records) == wanted and digests == judged.digests
        return DeferFacts(tuple(s.name for s in scripts), told, judged)

    def judge(self, facts: DeferFacts) -> Verdict:
        """`decommission` has no other way to know what waits."""
        if facts.judged.mixed:
            return Refused(
                Code.STEP_DOES_NOT_FIT,
                "a statement can wait for blue's release in part only",
                seen="\n".join(facts.judged.mixed),
                wanted="what blue cannot live with in statements of its own",
                hint="write one ALTER TABLE for each part that waits, then run again",
            )
        if facts.told:
            return Satisfied(counted(len(facts.files), "file waits", "files wait"))
        if not facts.files:
            return Satisfied("nothing waits")
        first = f"{', '.join(facts.files)} wait for `decommission`"
        return Needed("\n".join([first, *facts.judged.places]))

    def act(self, world: World, facts: DeferFacts) -> Result:
        """Tell the journal."""
        told = DeferredNote(
            self.asking.files, self.asking.contract, facts.judged.told()
        )
        world.journal.append(Kind.NOTE, action=self.id, body=Deferral(told).as_body())
        return {"waiting": list(facts.files), "by_judge": list(facts.judged.places)}


@dataclass(frozen=True, slots=True)
class HelperFacts:
    """What stands on green for blue's sake alone."""

    released: bool
    mappings: tuple[tuple[str, str], ...]
    shells: tuple[RenameWrapper, ...]
    keys: tuple[tuple[str, str, str], ...]

    @property
    def names(self) -> list[str]:
        """Everything, by table."""
        tables = [f"{schema}.{table}" for schema, table in self.mappings]
        keys = [f"{schema}.{table}" for schema, table, _ in self.keys]
        return [*tables, *(shell.old for shell in self.shells), *keys]


class RemoveHelpers(Action[HelperFacts]):
    """Green keeps nothing that only blue needed: triggers, old names, second keys.

    Columns that a trigger filled may be NULL from then on, so that an application that
    does not know them can write.

    Crash: one transaction a table; the next run does the others.
    """

    hazards = frozenset({Hazard.CHANGES_GREEN_SCHEMA})
    title = "green keeps nothing that only blue needed"
    no_undo = "a new cutover makes new ones"

    def observe(self, world: World) -> HelperFacts:
        """Triggers, shells and keys of ours on green."""
        return HelperFacts(
            fold(world.journal.records()).released,
            tuple(sorted(read_mappings(world.green))),
            read_rename_wrappers(world.green),
            tuple(
                (r.schema, r.name, index.name)
                for r in read_relations(world.green)
                for index in r.indexes
                if index.name.startswith(OURS)
            ),
        )

    def judge(self, facts: HelperFacts) -> Verdict:
        """None is left, once blue is released."""
        if not facts.names:
            return Satisfied("none is left")
        if not facts.released:
            return NotYet("blue is not released yet")
        return Needed(f"{', '.join(facts.names)} have some")

    def act(self, world: World, facts: HelperFacts) -> Result:
        """Drop them."""
        for schema, table in facts.mappings:
            drop_mapping(world.green, schema, table)
        for shell in facts.shells:
            drop_rename_wrapper(world.green, shell)
        indexes = (i for r in read_relations(world.green) for i in r.indexes)
        chosen = {index.name for index in indexes if index.chosen}
        for schema, table, index in facts.keys:
            if index in chosen:
                set_identity_default(world.green, schema, table)
            drop_key_index(world.green, schema, index)
        return {"tables": facts.names}


@dataclass(frozen=True, slots=True)
class ContractFacts:
    """Whether blue was released, and what is left to run."""

    released: bool
    history: History


@dataclass(frozen=True, slots=True)
class FileRun(Body):
    """A note: a file that ran once blue was released."""

    contract: str
    sha256: str


class RunContract(Action[ContractFacts]):
    """What waited for blue's release has run on green, in order and once.

    Green serves by then, so every statement waits only briefly for its lock and is
    tried again.

    Crash: as with migrations: a file in one transaction is applied whole or not at all;
    another goes on behind its last statement that was done.
    """

    hazards = frozenset({Hazard.CHANGES_GREEN_SCHEMA})
    title = "what waited for blue's release has run on green"
    no_undo = "blue was released, and nothing waits for its shape any more"

    def observe(self, world: World) -> ContractFacts:
        """The journal, the files, and what green remembers."""
        records = world.journal.records()
        told = deferred(records)
        history = History((), ())
        if told != Deferred():
            history = told.migrator(world).look(world.green)
        return ContractFacts(fold(records).released, history)

    def judge(self, facts: ContractFacts) -> Verdict:
        """Never before the release."""
        fault = facts.history.fault
        if not facts.history.pending and not fault:
            return Satisfied(
                counted(len(facts.history.applied), "file has run", "files have run")
            )
        if not facts.released:
            return NotYet("blue is not released yet")
        if fault:
            return Refused(
                Code.MIGRATION_FAILED,
                fault.problem,
                fault.seen,
                fault.wanted,
                fault.hint,
            )
        names = ", ".join(one.name for one in facts.history.pending)
        return Needed(f"{len(facts.history.pending)} to run: {names}")

    def act(self, world: World, facts: ContractFacts) -> Result:
        """Run what is left; told of in the journal file by file."""
        told = deferred(world.journal.records())
        done = []
        for one in facts.history.pending:
            world.point(f"{self.id}/before_file")
            self._run(world, told, one.name)
            world.point(f"{self.id}/after_file")
            body = FileRun(one.name, one.digest).as_body()
            world.journal.append(Kind.NOTE, action=self.id, body=body)
            done.append(body)
        return {"files": done}

    def _run(self, world: World, told: Deferred, name: str) -> None:
        """Try again where a lock was not free: what was rolled back is begun again."""
        migrator = told.migrator(world)
        for attempt in range(TRIES):
            left = [p for p in migrator.look(world.green).pending if p.name == name]
            try:
                for one in left:
                    migrator.apply(world.green, one, world.tell)
            except LockNotFreeError:
                if attempt == TRIES - 1:
                    raise
                world.clock.sleep(PAUSE_S)
            else:
                return

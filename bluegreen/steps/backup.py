"""The step `backup`: a dump of blue that is proved readable before anything changes.

Owns when a backup counts as taken and proved; dumping is for `backups/`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from bluegreen.backups.pg_dump import take_backup
from bluegreen.backups.proof import BackupProof, read_source
from bluegreen.model.duration import format_bytes
from bluegreen.model.hazard import Hazard
from bluegreen.model.history import fold
from bluegreen.model.verdict import Needed, Satisfied, Verdict
from bluegreen.steps.contract import Action, Result, Step
from bluegreen.steps.place_fields import (
    Address,
    Recipients,
    S3Options,
    draft_folder,
    require_bucket,
)
from bluegreen.steps.restore_backup import Proof, RestoreBackup
from bluegreen.steps.store_backup import Destination, storing
from bluegreen.steps.world import World


@dataclass(frozen=True, slots=True)
class BackupFacts:
    """What is known of the last backup.

    Attributes:
        proof: of the backup taken in this epoch; None where there is none.
        fault: what is wrong with its files, empty when nothing is.
    """

    proof: BackupProof | None
    fault: str = ""


class TakeBackup(Action[BackupFacts]):
    """A backup of blue is written, read once to its end, and unchanged since.

    A new epoch asks for a new backup; a new run in the same epoch does not. Observing
    reads the archive for its checksum.

    Crash: a draft is left in the folder; the next run removes it. A pg_dump that goes
    on without us keeps the folder locked until it ends. An archive that has its name
    and stands in no journal is whole and may be deleted.
    """

    hazards = frozenset({Hazard.LOADS_BLUE})
    title = "a proved backup of blue is written"

    def __init__(self, backup: Backup) -> None:
        super().__init__(backup.key)
        self._backup = backup

    def observe(self, world: World) -> BackupFacts:
        """Find the backup of this epoch in the journal and check its files."""
        records = world.journal.records()
        state = fold(records)
        result = state.results.get(self.id)
        if result is None or result.epoch != state.epoch:
            return BackupFacts(None)
        proof = BackupProof.from_result(result.body)
        if proof.tables != self._backup.tables:
            return BackupFacts(
                proof, "it holds other tables than the playbook asks for"
            )
        if self._backup.proof == "restore" and not proof.contents:
            return BackupFacts(proof, "its rows were not summed for a restore")
        changed = proof.source.find_change(read_source(world.blue))
        if changed:
            return BackupFacts(proof, changed)
        to = self._backup.destination
        return BackupFacts(proof, to.find_fault(proof, records, world.home))

    def judge(self, facts: BackupFacts) -> Verdict:
        """Satisfied by an unchanged archive."""
        if facts.proof is None:
            return Needed("no backup of blue was taken in this epoch")
        if facts.fault:
            return Needed(f"the backup does not hold: {facts.fault}")
        size = format_bytes(facts.proof.bytes)
        return Satisfied(
            f"{facts.proof.path.name} ({size}) is unchanged since it was proved"
        )

    def act(self, world: World, facts: BackupFacts) -> Result:
        """Dump blue and prove the archive."""
        return take_backup(
            world.blue,
            draft_folder(self._backup.to, self._backup.spool, world.home),
            f"{world.name}-blue",
            tables=self._backup.tables,
            workers=self._backup.workers,
            sum_rows=self._backup.proof == "restore",
            tell=world.tell,
        ).as_result()

    no_undo = (
        "a backup changes nothing on blue; delete the files when they are not needed"
    )


class Backup(Step):
    """Take a pg_dump of blue and prove it: read it whole, or restore and compare it."""

    step: Literal["backup"] = "backup"

    to: Address = "backups"
    """A folder, relative to the playbook, or `s3://bucket/prefix`."""

    s3: S3Options | None = None
    """How a bucket is reached, and what an object in it is given."""

    encrypt: Recipients = ()
    """Recipients of age, `age1…`: the archive is encrypted before it leaves this host.
    Keep their identities where bluegreen does not run."""

    spool: str | None = None
    """Folder where the archive stands until it is in its bucket; `backups` where it is
    left out."""

    tables: tuple[str, ...] = ()
    """Only these tables, `schema.table`; everything where it is left out."""

    workers: int = Field(default=2, ge=1, le=64)
    """How many tables are dumped at once (1 writes a single custom-format file)."""

    proof: Proof = "read"
    """`read` unpacks it once. `restore` also restores it into a database of its own on
    green's server, compares every row with blue's snapshot, and drops it again."""

    @model_validator(mode="after")
    def _bucket_alone(self) -> Self:
        require_bucket(self.to, self.s3, self.spool, key="to")
        return self

    @model_validator(mode="after")
    def _restore_needs_all(self) -> Self:
        if self.proof == "restore" and self.tables:
            raise ValueError(
                "`proof: restore` needs a backup of all tables; leave out `tables`"
            )
        return self

    @property
    def destination(self) -> Destination:
        """Where it stands in the end."""
        return Destination(self.to, self.s3, self.encrypt)

    def actions(self) -> tuple[Action[Any], ...]:
        """The dump, read; the trial where one is asked for; its way to its place."""
        taken = TakeBackup(self)
        tried = RestoreBackup(self.key, taken.id, self.workers)
        return (
            taken,
            *((tried,) if self.proof == "restore" else ()),
            *storing(self.key, taken.id, self.destination),
        )

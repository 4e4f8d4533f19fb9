"""Bringing a proved backup to its place, for every step that takes one.

Owns when it counts as stored, and when its draft here may go. Sealing and sending are
for `backups/stored.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bluegreen.backups import store
from bluegreen.backups.pg_dump import find_fault, require_unchanged
from bluegreen.backups.proof import BackupProof
from bluegreen.backups.stored import (
    Stored,
    find_stored_fault,
    members_of,
    store_backup,
    stored_copies,
    where_it_goes,
)
from bluegreen.model.duration import format_bytes
from bluegreen.model.errors import StepError
from bluegreen.model.history import fold
from bluegreen.model.record import Kind, Record
from bluegreen.model.verdict import Needed, NotYet, Satisfied, Verdict
from bluegreen.steps.contract import Action, Result
from bluegreen.steps.place_fields import S3Options, is_stored, place_of
from bluegreen.steps.world import World


@dataclass(frozen=True, slots=True)
class Destination:
    """What a step's fields say of where its backup goes.

    Attributes:
        address: a folder or `s3://bucket/prefix`.
        s3: how the bucket is reached.
        recipients: for whom it is encrypted.
    """

    address: str
    s3: S3Options | None = None
    recipients: tuple[str, ...] = ()

    @property
    def moves_on(self) -> bool:
        """Whether the archive goes on from where it was written."""
        return is_stored(self.address, self.recipients)

    def find_fault(
        self, proof: BackupProof, records: Sequence[Record], home: Path
    ) -> str:
        """What is wrong with a backup where it stands now; empty when nothing is.

        Raises:
            StepError: 4002; its place could not be asked.
        """
        stored = stored_copies(records).get(proof.sha256)
        if stored is None:
            return find_fault(proof)
        if not self.moves_on:
            return f"it stands at {stored.where}, and the playbook names a folder"
        place = place_of(self.address, self.s3, home)
        if stored.where != where_it_goes(proof, place, self.recipients):
            return f"it stands at {stored.where}, and the playbook names another place"
        if stored.recipients != self.recipients:
            return "it is encrypted for others than the playbook names"
        return find_stored_fault(stored)


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """What the journal tells of a backup, and what its place says.

    Attributes:
        proof: of the backup; None where none was taken.
        stored: where it was brought; None where it was not yet.
        fault: what is wrong there.
        drafts: files that are left where it was written.
        before: backups of the same step before this one.
    """

    proof: BackupProof | None
    stored: Stored | None = None
    fault: str = ""
    drafts: tuple[Path, ...] = ()
    before: tuple[BackupProof, ...] = ()


class _Stores(Action[StoreFacts]):
    """What the two actions read alike."""

    def __init__(self, step_id: str, taken: str, to: Destination) -> None:
        """`taken` is the id of the action whose result is the backup."""
        super().__init__(step_id)
        self._taken = taken
        self._to = to

    def observe(self, world: World) -> StoreFacts:
        """The journal, and the place itself."""
        records = world.journal.records()
        taken = fold(records).results.get(self._taken)
        if taken is None:
            return StoreFacts(None)
        proof = BackupProof.from_result(taken.body)
        stored = stored_copies(records).get(proof.sha256)
        return StoreFacts(
            proof,
            stored,
            self._to.find_fault(proof, records, world.home) if stored else "",
            members_of(proof),
            tuple(self._proofs(records)),
        )

    def _proofs(self, records: Sequence[Record]) -> list[BackupProof]:
        found = []
        for record in records:
            if record.kind is Kind.RESULT and record.action == self._taken:
                try:
                    found.append(BackupProof.from_result(record.body))
                except StepError:
                    continue
        return found


class StoreBackup(_Stores):
    """The proved backup stands in its place, encrypted where the playbook asks for it.

    Crash: parts of an upload are left in the bucket; the next run gives them up and
    sends again. A whole object that stands in no journal is taken for what it is by
    its checksum. A draft `.….part` is left beside the archive; the next run removes it.
    """

    title = "the backup stands in its place"
    no_undo = "a stored backup changes nothing; delete it when it is not needed"

    def judge(self, facts: StoreFacts) -> Verdict:
        """Satisfied by what its place says of it now."""
        if facts.proof is None:
            return NotYet("the backup is not taken yet")
        if facts.stored is None:
            return Needed(f"{facts.proof.path.name} was not brought to its place yet")
        if facts.fault:
            return Needed(f"the backup does not hold: {facts.fault}")
        size = format_bytes(facts.stored.bytes)
        return Satisfied(f"{facts.stored.where} ({size}) stands unchanged")

    def act(self, world: World, facts: StoreFacts) -> Result:
        """Pack, encrypt, send, and ask for what stands there then."""
        assert facts.proof is not None, "judge asks for a backup first"
        require_unchanged(facts.proof)
        return store_backup(
            facts.proof,
            place_of(self._to.address, self._to.s3, world.home),
            self._to.recipients,
            begun=facts.before,
            tell=world.tell,
        ).as_body()


class RemoveDraft(_Stores):
    """Nothing is left where the stored backup was written first.

    Crash: some of its files are left; the next run removes them.
    """

    title = "no draft of the stored backup is left here"
    no_undo = "the backup stands in its place"

    def judge(self, facts: StoreFacts) -> Verdict:
        """Only once the journal tells where it stands."""
        if facts.stored is None:
            return NotYet("the backup is not in its place yet")
        if facts.drafts:
            return Needed(f"{facts.drafts[0].name} is left")
        return Satisfied("none is left")

    def act(self, world: World, facts: StoreFacts) -> Result:
        """Remove the archive, its restore list and its checksums."""
        for path in reversed(facts.drafts):
            store.remove(path)
        return {"removed": len(facts.drafts)}


def storing(
    step_id: str, taken: str, to: Destination
) -> tuple[Action[StoreFacts], ...]:
    """The actions that bring a backup on; none where it stands where it was written."""
    if not to.moves_on:
        return ()
    return StoreBackup(step_id, taken, to), RemoveDraft(step_id, taken, to)

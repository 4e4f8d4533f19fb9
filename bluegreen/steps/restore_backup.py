"""Restoring a backup once to compare it, for every step that takes one.

Owns when a trial counts; restoring is for `backups/restore.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from bluegreen.backups.proof import BackupProof
from bluegreen.backups.restore import try_restore
from bluegreen.model.body import Body
from bluegreen.model.counted import counted
from bluegreen.model.hazard import Hazard
from bluegreen.model.history import fold
from bluegreen.model.verdict import Needed, NotYet, Satisfied, Verdict
from bluegreen.postgres.copy.trial_database import find_trial
from bluegreen.steps.contract import Action, Result
from bluegreen.steps.world import World

Proof = Literal["read", "restore"]


@dataclass(frozen=True, slots=True)
class TrialFacts:
    """What the journal tells of the backup and its trial.

    Attributes:
        proof: of the backup; None where none was taken.
        tried: checksum of the archive that was last restored and found alike.
        rows: how many rows came back then.
        left: a database of ours is left over from a trial that was killed.
    """

    proof: BackupProof | None
    tried: str = ""
    rows: int = 0
    left: bool = False


@dataclass(frozen=True, slots=True)
class Restored(Body):
    """The result: the archive's checksum, and what came back."""

    sha256: str = ""
    tables: int = 0
    rows: int = 0


class RestoreBackup(Action[TrialFacts]):
    """The backup was restored once beside green, and every row was as in its snapshot.

    Crash: the database of the trial, `bluegreen_trial_<playbook>`, is left on green's
    server; the next run drops it and tries again.
    """

    title = "the backup was restored and compared"
    hazards: ClassVar[frozenset[Hazard]] = frozenset({Hazard.LOADS_GREEN})
    no_undo = "the trial leaves nothing behind"

    def __init__(self, step_id: str, taken: str, workers: int = 1) -> None:
        """`taken` is the id of the action whose result is the backup."""
        super().__init__(step_id)
        self._taken = taken
        self._workers = workers

    def observe(self, world: World) -> TrialFacts:
        """The journal, and whether an earlier trial was killed."""
        results = fold(world.journal.records()).results
        taken, tried = results.get(self._taken), results.get(self.id)
        trial = Restored.from_body(tried.body) if tried else Restored()
        return TrialFacts(
            BackupProof.from_result(taken.body) if taken else None,
            trial.sha256,
            trial.rows,
            find_trial(world.green, world.name),
        )

    def judge(self, facts: TrialFacts) -> Verdict:
        """Satisfied by a trial of this very archive."""
        if facts.proof is None:
            return NotYet("the backup is not taken yet")
        if facts.left:
            return Needed("a trial was broken off; its database is left")
        if facts.tried != facts.proof.sha256:
            return Needed(f"{facts.proof.path} was never restored")
        return Satisfied(f"{counted(facts.rows, 'row')} came back alike")

    def act(self, world: World, facts: TrialFacts) -> Result:
        """Restore it into a database of its own, compare, drop."""
        assert facts.proof is not None, "judge asks for a backup first"
        back = try_restore(facts.proof, world.green, world.name, workers=self._workers)
        return Restored(facts.proof.sha256, back.tables, back.rows).as_body()

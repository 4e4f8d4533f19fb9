"""The step `decommission`: blue stops being a rollback target.

Owns the parameters and the order of the end; the refusals are in `release/due.py`, the
quarantine in `release/quarantine.py`.
`bluegreen decommission` runs it, `run` leaves it for later.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal, Self

from pydantic import model_validator

from bluegreen.model.history import State
from bluegreen.postgres.fence.fence import FenceFacts
from bluegreen.steps.contract import Action, Step
from bluegreen.steps.fields import Duration
from bluegreen.steps.place_fields import (
    Address,
    Recipients,
    S3Options,
    require_bucket,
)
from bluegreen.steps.release.due import AwaitWindowEnd
from bluegreen.steps.release.end import (
    EndWayBack,
    RemoveGreenFence,
    TakeBlueDown,
    TakeFinalBackup,
)
from bluegreen.steps.release.identities import RestoreIdentities
from bluegreen.steps.release.quarantine import AwaitQuarantine
from bluegreen.steps.restore_backup import Proof, RestoreBackup
from bluegreen.steps.schema_change.contract import RemoveHelpers, RunContract
from bluegreen.steps.store_backup import Destination, storing


class Decommission(Step):
    """End the way back, back blue up, run what waited for that, take blue down."""

    step: Literal["decommission"] = "decommission"

    final_backup: Address = "backups"
    """Where the last dump of blue goes: a folder, relative to the playbook, or
    `s3://bucket/prefix`."""

    s3: S3Options | None = None
    """How a bucket is reached, and what an object in it is given."""

    encrypt: Recipients = ()
    """Recipients of age, `age1…`: the last dump is encrypted before it leaves this
    host. Keep their identities where bluegreen does not run."""

    spool: str | None = None
    """Folder where the dump stands until it is in its bucket; `backups` where it is
    left out."""

    final_proof: Proof = "read"
    """`read` unpacks the last dump once; `restore` also restores it into a database of
    its own on green's server, compares every row, and drops it again."""

    command: tuple[str, ...] = ()
    """A program that takes blue down, without a shell; it must bear being run twice.
    Nothing is run where it is left out."""

    quarantine: Duration = timedelta(hours=72)
    """How long blue is kept, fenced and whole, between its release and `command`."""

    @property
    def await_quarantine(self) -> AwaitQuarantine:
        """The one that waits before the command."""
        return AwaitQuarantine(self.key, self.quarantine, self.last_action.id)

    @property
    def last_action(self) -> TakeBlueDown:
        """The one that runs the command."""
        return TakeBlueDown(self.key, self.command)

    def is_over(self, state: State, green: FenceFacts) -> bool:
        """Whether nothing is left to do, by what green tells alone: blue may be gone.

        A kill between an act and its result leaves no result, but for the command and
        the backup, which are then done again.
        """
        if not state.released:
            return False
        if self.command:
            return self.last_action.id in state.results
        return self.is_done_but_for_command(state, green)

    def is_done_but_for_command(self, state: State, green: FenceFacts) -> bool:
        """Whether only blue's end is left, by what green tells alone."""
        if not state.released:
            return False
        proved = all(action.id in state.results for action in self._backup)
        return proved and green.missing == green.tables

    @property
    def _backup(self) -> tuple[Action[Any], ...]:
        restore = self.final_proof == "restore"
        to = Destination(self.final_backup, self.s3, self.encrypt)
        taken = TakeFinalBackup(self.key, to, self.spool, sum_rows=restore)
        tried = (RestoreBackup(self.key, taken.id),) if restore else ()
        return (taken, *tried, *storing(self.key, taken.id, to))

    @model_validator(mode="after")
    def _bucket_alone(self) -> Self:
        require_bucket(self.final_backup, self.s3, self.spool, key="final_backup")
        return self

    def actions(self) -> tuple[Action[Any], ...]:
        """What the engine runs, in order."""
        key = self.key
        last = (self.await_quarantine, self.last_action) if self.command else ()
        return (
            AwaitWindowEnd(key),
            EndWayBack(key),
            RestoreIdentities(key),
            *self._backup,
            RemoveHelpers(key),
            RunContract(key),
            RemoveGreenFence(key),
            *last,
        )

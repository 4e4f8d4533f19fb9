"""The step `replicate`: green becomes a logical replica of blue.

Owns the parameters and the order. The actions are in `steps/replication/`, the
statements in `postgres/`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from pydantic import Field

from bluegreen.model.exclude import tables_in
from bluegreen.model.side import Side
from bluegreen.steps.contract import Action, Step
from bluegreen.steps.fields import Duration
from bluegreen.steps.monitors.drift import RememberSchema
from bluegreen.steps.monitors.servers import RememberServers
from bluegreen.steps.replication.bookkeeping import CopyBookkeeping
from bluegreen.steps.replication.following import AwaitInitialCopy, FollowBlue
from bluegreen.steps.replication.schema import (
    AnalyzeGreen,
    CopySchema,
    CreateIndexes,
    CreateKeys,
)
from bluegreen.steps.replication.stream import (
    CreatePublication,
    CreateSlot,
    CreateSubscription,
    PinReplicaIdentity,
)
from bluegreen.steps.switchover.arm import CreateFence
from bluegreen.steps.validation.green import NoteFollower


class Replicate(Step):
    """Create green as a logical replica of blue and wait until it follows closely."""

    step: Literal["replicate"] = "replicate"

    workers: int = Field(default=4, ge=1, le=64)
    """How many tables are copied and indexes built at once; for the copy green's
    `max_sync_workers_per_subscription` is the other limit."""

    exclude: tuple[str, ...] = ()
    """Tables whose rows stay behind, `schema.table`; and objects that are not made on
    green, in the form in which messages name them: `view mon.bg`, `function
    public.plain(text)`, `extension pg_cron`. What needs such an object is left out with
    it, but a table only where it is named itself, `table shop.old`. The tables in which
    migration tools remember what they ran are left out of the stream without being
    named; their rows come to green once."""

    identity_full: tuple[str, ...] = ()
    """Tables that may get `REPLICA IDENTITY FULL` on blue: those without a key, and
    those that are partitioned on green by a column outside the key."""

    identity_index: tuple[str, ...] = ()
    """Unique indexes on blue, `schema.index`, that become their table's replica
    identity; a table that gets a new key on green needs its old one here."""

    through_root: tuple[str, ...] = ()
    """Partitioned tables of blue whose partitions travel under the parent's name: those
    that are partitioned otherwise on green, or not at all."""

    max_lag: Duration = timedelta(seconds=1)
    """Two marker rows in a row must travel from blue to green within this time."""

    deadline: Duration = timedelta(hours=24)
    """Give up when the initial copy has not ended after this time."""

    def actions(self) -> tuple[Action[Any], ...]:
        """What the engine runs, in order."""
        key = self.key
        exclude = tables_in(self.exclude)
        return (
            PinReplicaIdentity(key, self.identity_full, exclude, self.identity_index),
            RememberServers(key),
            RememberSchema(key, Side.BLUE),
            CopySchema(key),
            CreateKeys(key),
            CreateFence(key, Side.GREEN, "closed"),
            CopyBookkeeping(key, exclude),
            CreatePublication(key, exclude, self.through_root),
            CreateSlot(key),
            CreateSubscription(key),
            AwaitInitialCopy(key, self.deadline),
            CreateIndexes(key, self.workers),
            AnalyzeGreen(key),
            FollowBlue(key, self.max_lag),
            NoteFollower(key),
        )

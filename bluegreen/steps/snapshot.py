"""The step `snapshot`: RDS keeps a snapshot of blue's instance.

Owns when a snapshot counts, and that it is of blue; the calls are in `backups/rds.py`.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from pydantic import Field

from bluegreen.backups.rds import InstanceFacts, Rds, SnapshotFacts
from bluegreen.model.body import Body
from bluegreen.model.codes import Code
from bluegreen.model.hazard import Hazard
from bluegreen.model.history import fold
from bluegreen.model.verdict import Needed, NotYet, Refused, Satisfied, Verdict
from bluegreen.steps.contract import Action, Result, Step
from bluegreen.steps.fields import Duration
from bluegreen.steps.world import World

LONGEST_NAME = 255
"""Of a snapshot in RDS."""


@dataclass(frozen=True, slots=True)
class SnapshotBegun(Body):
    """The result: the snapshot's name."""

    snapshot: str


@dataclass(frozen=True, slots=True)
class RdsFacts:
    """What RDS and the journal tell.

    Attributes:
        instance: as RDS has it.
        leads_to_blue: whether its endpoint is where blue's DSN leads.
        blue: where that is, for messages.
        name: of the snapshot begun in this epoch; empty where there is none.
        snapshot: as RDS has it; None where it has none of that name.
        epoch: how many moves were committed.
    """

    instance: InstanceFacts
    leads_to_blue: bool
    blue: str
    name: str = ""
    snapshot: SnapshotFacts | None = None
    epoch: int = 0


class TakeSnapshot(Action[RdsFacts]):
    """RDS has a whole snapshot of blue's instance, begun in this epoch.

    A new epoch asks for a new one; a new run in the same epoch does not.

    Crash: a snapshot that was begun goes on by itself; where the journal does not know
    of it, the next run begins another.
    """

    hazards = frozenset({Hazard.LOADS_BLUE})
    title = "RDS has a snapshot of blue"
    no_undo = "a snapshot changes nothing; delete it when it is not needed"

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__(snapshot.key)
        self._step = snapshot
        self.patience = snapshot.deadline

    def observe(self, world: World) -> RdsFacts:
        """Ask RDS for the instance and the snapshot of this epoch."""
        rds = self._rds(world)
        instance = rds.instance(self._step.instance)
        state = fold(world.journal.records())
        result = state.results.get(self.id)
        begun = result is not None and result.epoch == state.epoch
        name = ""
        if begun and result is not None:
            name = SnapshotBegun.from_body(result.body).snapshot
        host, port = world.blue.endpoint
        return RdsFacts(
            instance,
            _is_one((instance.address, instance.port), (host, port)),
            f"{host}:{port}",
            name,
            rds.snapshot(name) if name else None,
            state.epoch,
        )

    def judge(self, facts: RdsFacts) -> Verdict:
        """First that the instance is blue, then how far the snapshot is."""
        if facts.instance.cluster:
            return self._no_cluster(facts.instance.cluster)
        if not facts.leads_to_blue:
            return self._not_blue(facts)
        found = facts.snapshot
        if found is None or found.instance != self._step.instance:
            return Needed(f"{self._step.instance} has no snapshot of this epoch")
        if found.status == "creating":
            why = f"snapshot {facts.name} is {found.percent} % done"
            return NotYet(why, found.percent / 100)
        if found.status != "available":
            return Needed(f"snapshot {facts.name} is {found.status}")
        return Satisfied(f"snapshot {facts.name} is available")

    def act(self, world: World, facts: RdsFacts) -> Result:
        """Begin it; RDS goes on without us."""
        number = world.journal.records()[-1].seq
        label = world.name.replace("_", "-").rstrip("-")
        name = f"bluegreen-{label}-e{facts.epoch}-{number}"[:LONGEST_NAME]
        tags = {"bluegreen:playbook": world.name, "bluegreen:epoch": str(facts.epoch)}
        self._rds(world).begin_snapshot(self._step.instance, name, tags)
        return SnapshotBegun(name).as_body()

    def _rds(self, world: World) -> Rds:
        return Rds(self._step.region, self._step.endpoint_url, world.clock)

    def _not_blue(self, facts: RdsFacts) -> Refused:
        at = facts.instance
        return Refused(
            Code.STEP_DOES_NOT_FIT,
            f"instance {self._step.instance} is not blue",
            seen=f"its endpoint is {at.address or '(none yet)'}:{at.port}; blue is at "
            f"{facts.blue}",
            wanted="the instance that blue's DSN leads to",
            hint="correct `instance` or `region` of the step; nothing was touched",
        )

    def _no_cluster(self, cluster: str) -> Refused:
        return Refused(
            Code.STEP_DOES_NOT_FIT,
            f"instance {self._step.instance} is part of the Aurora cluster {cluster}",
            seen="Aurora keeps snapshots of a whole cluster",
            wanted="an instance of RDS for PostgreSQL",
            hint="leave the step out, and take it by hand:\n"
            f"aws rds create-db-cluster-snapshot --db-cluster-identifier {cluster} "
            "--db-cluster-snapshot-identifier NAME",
        )


class Snapshot(Step):
    """Take a snapshot of blue's instance in RDS."""

    step: Literal["snapshot"] = "snapshot"

    instance: str = Field(min_length=1)
    """The instance's identifier; its endpoint must be where blue's DSN leads."""

    region: str = ""
    """Its region; what AWS's own configuration says where it is left out."""

    endpoint_url: str = ""
    """URL of a service that speaks RDS and is not AWS's own."""

    deadline: Duration = timedelta(hours=12)
    """How long it may take; `run` again waits again."""

    def actions(self) -> tuple[Action[Any], ...]:
        """One action: the snapshot is available."""
        return (TakeSnapshot(self),)


def _is_one(one: tuple[str, int], other: tuple[str, int]) -> bool:
    """Whether two endpoints are one: by name, or by where their names lead."""
    if not one[0] or one[1] != other[1]:
        return False
    if one[0].rstrip(".").lower() == other[0].rstrip(".").lower():
        return True
    return bool(_addresses(one[0]) & _addresses(other[0]))


def _addresses(host: str) -> set[str]:
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(host, None)}
    except OSError:
        return set()

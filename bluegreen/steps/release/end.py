"""The end of blue as a way back: release, final backup, and the user's command.

Owns these actions. Whether they may run is decided in `due.py`, right before them.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, replace
from typing import ClassVar

from bluegreen.backups.pg_dump import take_backup
from bluegreen.backups.proof import BackupProof
from bluegreen.model.codes import Code
from bluegreen.model.counted import counted
from bluegreen.model.errors import ServerRefused, StepError
from bluegreen.model.hazard import Hazard
from bluegreen.model.history import State, fold
from bluegreen.model.record import Kind
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, NotYet, Refused, Satisfied, Verdict
from bluegreen.postgres.catalog.clients import ClientSession, read_clients
from bluegreen.postgres.catalog.identity import read_identity
from bluegreen.postgres.database import ServerGoneError
from bluegreen.postgres.fence.fence import FenceFacts, drop_fence, read_fence
from bluegreen.postgres.replication.publication import drop_publication
from bluegreen.postgres.replication.stream import (
    ReplicationStream,
    SlotFacts,
    SubscriptionFacts,
    drop_slot,
    drop_subscription,
    read_slot,
    read_subscription,
)
from bluegreen.steps.contract import Action, Result
from bluegreen.steps.place_fields import draft_folder
from bluegreen.steps.release.due import known_identities
from bluegreen.steps.store_backup import Destination
from bluegreen.steps.world import World

OUTPUT_LINES = 20
"""The last words of a failed command fit a screen."""


@dataclass(frozen=True, slots=True)
class EndFacts:
    """What the journal tells, and what is left of the stream from green to blue."""

    state: State
    subscription: SubscriptionFacts | None
    slot: SlotFacts | None


class EndWayBack(Action[EndFacts]):
    """Blue is no way back any more; green keeps no WAL for it.

    Crash: RELEASED stands first, so no run counts on blue once its stream may be gone;
    the next run takes the rest apart.
    """

    title = "blue is released"
    hazards: ClassVar[frozenset[Hazard]] = frozenset({Hazard.ENDS_ROLLBACK})
    no_undo = "a new cutover needs a new pair"

    def observe(self, world: World) -> EndFacts:
        """The reverse stream and the record of the release."""
        name = ReplicationStream(world.name, Side.GREEN).name
        return EndFacts(
            fold(world.journal.records()),
            read_subscription(world.blue, name),
            read_slot(world.green, name),
        )

    def judge(self, facts: EndFacts) -> Verdict:
        """Released, and nothing left of the stream."""
        if not facts.state.released:
            return Needed("blue is a rollback target")
        if facts.subscription is not None or facts.slot is not None:
            return Needed("its stream is still there")
        return Satisfied("blue was released")

    def act(self, world: World, facts: EndFacts) -> Result:
        """Say it, then end the stream on both sides."""
        if not facts.state.released:
            world.journal.append(Kind.RELEASED, action=self.id)
        name = ReplicationStream(world.name, Side.GREEN).name
        drop_subscription(world.blue, name, world.clock)
        drop_slot(world.green, name, world.clock)
        drop_publication(world.green, name)
        return {}


class RemoveGreenFence(Action[FenceFacts]):
    """Green is an ordinary database again: no fence trigger is left on it.

    Crash: some triggers are left, disabled; the next run drops them.
    """

    title = "green keeps no fence triggers"
    no_undo = "a new cutover makes new ones"

    def observe(self, world: World) -> FenceFacts:
        """Green's fence."""
        return read_fence(world.green)

    def judge(self, facts: FenceFacts) -> Verdict:
        """None is left."""
        if facts.tables == facts.missing:
            return Satisfied("none is left")
        return Needed(f"{facts.tables - facts.missing} triggers are left")

    def act(self, world: World, facts: FenceFacts) -> Result:
        """Drop them, one table at a time."""
        drop_fence(world.green, world.clock)
        return {"dropped": facts.tables - facts.missing}


@dataclass(frozen=True, slots=True)
class FinalBackupFacts:
    """Whether blue was released, and the final backup."""

    released: bool
    proof: BackupProof | None
    fault: str


class TakeFinalBackup(Action[FinalBackupFacts]):
    """A last backup of blue is written and proved.

    Crash: a draft is left in the folder; the next run removes it.
    """

    title = "a final backup of blue is proved"
    hazards: ClassVar[frozenset[Hazard]] = frozenset({Hazard.LOADS_BLUE})
    no_undo = "a backup changes nothing"

    def __init__(
        self,
        step_id: str,
        to: Destination,
        spool: str | None = None,
        *,
        sum_rows: bool = False,
    ) -> None:
        super().__init__(step_id)
        self._to = to
        self._spool = spool
        self._sum_rows = sum_rows

    def observe(self, world: World) -> FinalBackupFacts:
        """The final backup in the journal, and its files."""
        records = world.journal.records()
        state = fold(records)
        result = state.results.get(self.id)
        proof = BackupProof.from_result(result.body) if result else None
        fault = self._to.find_fault(proof, records, world.home) if proof else ""
        if proof and self._sum_rows and not proof.contents:
            fault = "its rows were not summed for a restore"
        return FinalBackupFacts(state.released, proof, fault)

    def judge(self, facts: FinalBackupFacts) -> Verdict:
        """Taken after the release, and unchanged."""
        if not facts.released:
            return NotYet("blue is not released yet")
        if facts.proof is None or facts.fault:
            return Needed(facts.fault or "no final backup was taken")
        return Satisfied(f"{facts.proof.path.name} is unchanged since it was proved")

    def act(self, world: World, facts: FinalBackupFacts) -> Result:
        """Dump blue and prove the archive."""
        return take_backup(
            world.blue,
            draft_folder(self._to.address, self._spool, world.home),
            f"{world.name}-blue-final",
            sum_rows=self._sum_rows,
            tell=world.tell,
        ).as_result()


@dataclass(frozen=True, slots=True)
class CommandFacts:
    """What the journal tells of the command, and blue of itself.

    Attributes:
        released: whether blue was released.
        done: whether the command ended well.
        begun: whether it was ever begun, after blue had proved itself.
        known: blue's identity by the commit record of the cutover.
        says: the identity that blue tells; None when it does not answer.
        clients: sessions on blue that are not ours.
    """

    released: bool
    done: bool
    begun: bool = False
    known: str = ""
    says: str | None = None
    clients: tuple[ClientSession, ...] = ()


class TakeBlueDown(Action[CommandFacts]):
    """The playbook's command to take blue down has ended well.

    Crash: it is not known whether the command ended; the next run runs it again, so it
    must be one that can be repeated. Blue may be gone by then: it had proved who it is
    before the command was first begun.
    """

    title = "blue is taken down by the playbook's command"
    hazards: ClassVar[frozenset[Hazard]] = frozenset(
        {Hazard.RUNS_A_COMMAND, Hazard.DELETES_DATA}
    )
    no_undo = "restore the final backup"

    def __init__(self, step_id: str, command: tuple[str, ...]) -> None:
        super().__init__(step_id)
        self.command = command

    def observe(self, world: World) -> CommandFacts:
        """The journal, and blue as long as it answers."""
        records = world.journal.records()
        state = fold(records)
        begun = any(r.kind is Kind.INTENT and r.action == self.id for r in records)
        facts = CommandFacts(
            state.released,
            self.id in state.results,
            begun,
            known_identities(records).get(Side.BLUE, ""),
        )
        if facts.done:
            return facts
        try:
            says = read_identity(world.blue).id
            return replace(facts, says=says, clients=read_clients(world.blue))
        except (ServerGoneError, ServerRefused):
            return facts

    def judge(self, facts: CommandFacts) -> Verdict:
        """Once, after the release, and while no client is on a blue that is blue."""
        if not facts.released:
            return NotYet("blue is not released yet")
        if facts.done:
            return Satisfied("the command ended well before")
        if facts.says is None and not facts.begun:
            return _unproved("it does not answer", facts.known)
        if not facts.known or facts.says not in {None, facts.known}:
            return _unproved(f"it says: identity {facts.says or '(none)'}", facts.known)
        if facts.clients:
            return Refused(
                Code.SIDE_NOT_PROVED,
                counted(len(facts.clients), "client is", "clients are")
                + " connected to blue",
                seen="\n".join(map(str, facts.clients[:10])),
                wanted="no client but bluegreen",
                hint="end their sessions, then run `bluegreen decommission` again",
            )
        return Needed(f"{self.command[0]} is to be run")

    def act(self, world: World, facts: CommandFacts) -> Result:
        """Run it without a shell; it is told which database is meant."""
        environment = {
            "BLUEGREEN_SIDE": "blue",
            "BLUEGREEN_DATABASE": world.blue.address,
            "BLUEGREEN_IDENTITY": facts.known,
        }
        done = subprocess.run(
            self.command,
            env={**os.environ, **environment},
            cwd=world.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        if done.returncode != 0:
            raise StepError(
                Code.GOAL_NOT_REACHED,
                f"the command {self.command[0]!r} ended with status {done.returncode}",
                seen="\n".join(done.stdout.splitlines()[-OUTPUT_LINES:]),
                wanted="status 0",
                hint="blue is released and its final backup is proved; fix the "
                "command, then run `bluegreen decommission` again",
            )
        return {"status": 0}


def _unproved(seen: str, known: str) -> Refused:
    return Refused(
        Code.SIDE_NOT_PROVED,
        "the database given as blue is not proved to be blue",
        seen=seen,
        wanted=f"identity {known or '(no cutover is recorded)'}",
        hint="is the playbook's address right? The command was not run",
    )

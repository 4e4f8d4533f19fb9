"""May blue go? Owns every reason for a no, read fresh from servers and pointers.

The reasons are judged purely, so that each can be tried without a server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bluegreen.backups.pg_dump import find_fault
from bluegreen.backups.proof import BackupProof, read_source
from bluegreen.backups.stored import find_stored_fault, stored_copies
from bluegreen.model.bodies import Committing
from bluegreen.model.clock import host_time
from bluegreen.model.codes import Code
from bluegreen.model.counted import counted
from bluegreen.model.duration import format_duration
from bluegreen.model.errors import BluegreenError
from bluegreen.model.history import State, fold
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.model.verdict import NotYet, Refused, Satisfied, Verdict
from bluegreen.pointers.pointer import PointerFacts
from bluegreen.postgres.catalog.clients import ClientSession, read_clients
from bluegreen.postgres.catalog.identity import Identity, read_identity
from bluegreen.postgres.catalog.slots import read_slots
from bluegreen.postgres.fence.fence import FenceFacts, read_fence
from bluegreen.postgres.journal.belonging import read_stream_names
from bluegreen.postgres.journal.table import server_time
from bluegreen.postgres.replication.stream import (
    ReplicationStream,
    SubscriptionFacts,
    read_subscription,
)
from bluegreen.steps.action import Waiting
from bluegreen.steps.release.clocks import Clocks
from bluegreen.steps.world import World


@dataclass(frozen=True, slots=True)
class ReleaseFacts:
    """All that speaks for or against letting blue go.

    Attributes:
        state: what the journal tells.
        now: green's clock.
        blue_now: blue's clock, a second witness of the time.
        blue: who the database given as blue says it is.
        green: who the database given as green says it is.
        known: identities by side, as the commit record of the cutover has them.
        pointers: each pointer by id.
        reached: identity of the side that a client reaches, by pointer; empty where
            the pointer has no client.
        fence: blue's fence.
        clients: sessions on blue that are not ours.
        forward: a subscription by which green would still follow blue.
        others: logical slots of others on blue: others still follow it.
        leftovers: what another playbook's name has left on either side, in words.
        host_now: the clock of the machine that we run on, a third witness.
        backup: the newest backup of blue in the journal.
        fault: what is wrong with it.
    """

    state: State
    now: datetime
    blue_now: datetime
    blue: Identity
    green: Identity
    known: Mapping[Side, str]
    pointers: dict[str, PointerFacts]
    reached: dict[str, str]
    fence: FenceFacts
    clients: tuple[ClientSession, ...]
    forward: SubscriptionFacts | None
    backup: BackupProof | None
    fault: str
    others: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()
    host_now: datetime | None = None


def read_release(world: World, *, over: bool = False) -> ReleaseFacts:
    """Ask both servers, all pointers, the journal and the backup's files.

    The files are read where the window is over, or is about to be ended: `over`.
    """
    records = world.journal.records()
    backup = _newest_backup(records)
    ours = {ReplicationStream(world.name, publisher).name for publisher in Side}
    state, now = fold(records), server_time(world.green)
    return ReleaseFacts(
        state=state,
        now=now,
        blue_now=server_time(world.blue),
        blue=read_identity(world.blue),
        green=read_identity(world.green),
        known=known_identities(records),
        pointers={pointer.id: pointer.observe() for pointer in world.pointers},
        reached={pointer.id: pointer.probe() for pointer in world.pointers},
        fence=read_fence(world.blue),
        clients=read_clients(world.blue),
        forward=read_subscription(
            world.green, ReplicationStream(world.name, Side.BLUE).name
        ),
        backup=backup,
        others=tuple(
            slot.name
            for slot in read_slots(world.blue)
            if slot.here and slot.name not in ours
        ),
        leftovers=tuple(
            f"{name} on {side}"
            for side in Side
            for name in read_stream_names(world.on(side))
            if name not in ours
        ),
        host_now=host_time(),
        # The whole archive is read for this, so only once the window is over.
        fault=_fault(world, backup, records)
        if backup and (over or _is_over(state, now))
        else "",
    )


def _fault(world: World, backup: BackupProof, records: Sequence[Record]) -> str:
    if changed := backup.source.find_change(read_source(world.blue)):
        return changed
    stored = stored_copies(records).get(backup.sha256)
    return find_stored_fault(stored) if stored else find_fault(backup)


def _is_over(state: State, now: datetime) -> bool:
    return state.window_end is not None and now >= state.window_end


def _newest_backup(records: Sequence[Record]) -> BackupProof | None:
    for record in reversed(records):
        if record.kind is Kind.RESULT and "sha256" in record.body:
            try:
                proof = BackupProof.from_result(record.body)
            except BluegreenError:
                continue
            if proof.side is Side.BLUE and not proof.tables:
                return proof
    return None


def known_identities(records: Sequence[Record]) -> Mapping[Side, str]:
    """Identities by side, as the newest commit record of a move has them."""
    commits = [r for r in records if r.kind is Kind.COMMITTED]
    return Committing.from_body(commits[-1].body).identities if commits else {}


class AwaitWindowEnd(Waiting[ReleaseFacts]):
    """The window is over, and nothing blocks letting blue go.

    Crash: nothing is changed.
    """

    title = "blue may go"
    waits_for_timer = True

    def observe(self, world: World) -> ReleaseFacts:
        """Everything, read fresh."""
        return read_release(world)

    def judge(self, facts: ReleaseFacts) -> Verdict:
        """Wrong side first, then time, then those who still need blue."""
        if facts.state.released:
            return _same_sides(facts) or Satisfied("blue was released before")
        if not facts.known:
            return NotYet("no cutover was made")
        return (
            _same_sides(facts)
            or _not_moved(facts)
            or _not_serving(facts)
            or _not_due(facts)
            or _still_needed(facts)
            or _no_backup(facts)
            or Satisfied("the window is over, blue is not needed, a backup is proved")
        )


def _no(why: str, seen: str, wanted: str, hint: str) -> Refused:
    return Refused(Code.SIDE_NOT_PROVED, why, seen=seen, wanted=wanted, hint=hint)


def _same_sides(facts: ReleaseFacts) -> Refused | None:
    """Each database must be the one that the cutover was made with."""
    for side, identity in ((Side.BLUE, facts.blue), (Side.GREEN, facts.green)):
        if identity.side != side or facts.known.get(side) != identity.id:
            return _no(
                f"the database given as {side} is not the {side} of the cutover",
                f"it says: side {identity.side or '(none)'}, identity "
                f"{identity.id or '(none)'}",
                f"identity {facts.known.get(side, '(no cutover is recorded)')}",
                "is the playbook's address right? Nothing was touched",
            )
    if (facts.blue.system, facts.blue.database_oid) == (
        facts.green.system,
        facts.green.database_oid,
    ):
        return _no(
            "blue and green are one database",
            f"system {facts.blue.system}, database {facts.blue.database_oid}",
            "two databases",
            "correct the playbook; nothing was touched",
        )
    return None


def _not_moved(facts: ReleaseFacts) -> Verdict | None:
    """By the journal, traffic is on green, and no move is half-way."""
    if facts.state.open_move is not None:
        return _no(
            "a move of traffic was begun and has not ended",
            f"to {facts.state.open_move.to_side}",
            "a finished cutover",
            "run `bluegreen run` again; it finishes or backs out",
        )
    if facts.state.unfinished_move is not None:
        return _no(
            "the last move of traffic is not confirmed",
            "the journal does not tell that every pointer was seen to follow",
            "a finished cutover",
            "run `bluegreen run` again; it finishes the move",
        )
    if facts.state.serving is not Side.GREEN:
        return NotYet("blue serves")
    return None


def _not_serving(facts: ReleaseFacts) -> Verdict | None:
    """Every pointer must name green, and a client must reach it."""
    for name, pointer in facts.pointers.items():
        if pointer.names is not Side.GREEN:
            return _no(
                f"pointer {name} does not name green",
                f"it names {pointer.seen}",
                "every pointer on green",
                "run `bluegreen status`; who changed the pooler's configuration?",
            )
        if facts.reached[name] not in {"", facts.green.id}:
            return _no(
                f"a client that comes through pointer {name} does not reach green",
                f"it reached identity {facts.reached[name]}",
                f"identity {facts.green.id}",
                "look at the pooler's SHOW SERVERS",
            )
    return None


def _not_due(facts: ReleaseFacts) -> Verdict | None:
    end = facts.state.window_end
    if end is None:
        return NotYet("no window was opened: the step `hold` has not run")
    if facts.now < end:
        left = format_duration(end - facts.now)
        return NotYet(f"the window ends at {end:%Y-%m-%d %H:%M:%S} UTC, in {left}")
    clocks = Clocks(facts.now, facts.blue_now, facts.host_now)
    if not clocks.agree:
        return _no(
            clocks.problem(),
            clocks.say(),
            "two servers that agree that the window is over",
            "set the wrong clock right, then try again",
        )
    return None


def _still_needed(facts: ReleaseFacts) -> Verdict | None:
    if facts.clients:
        return _no(
            counted(len(facts.clients), "client is", "clients are")
            + " connected to blue",
            "\n".join(map(str, facts.clients[:10])),
            "no client but bluegreen",
            "send them to green, or end their sessions; then try again",
        )
    if not facts.fence.is_closed:
        return _no(
            "blue's fence is not closed",
            counted(
                facts.fence.tables - facts.fence.closed,
                "table takes writes",
                "tables take writes",
            ),
            "every table of blue refuses writes",
            "who opened it? Writes on blue since then are not on green",
        )
    if facts.forward is not None and facts.forward.enabled:
        return _no(
            "green still follows blue",
            "a subscription on green is enabled",
            "the forward stream retired",
            "run `bluegreen run` again; it retires the stream",
        )
    if facts.leftovers:
        return _no(
            "another playbook's stream is still there",
            ", ".join(facts.leftovers),
            "no slot, publication or subscription of bluegreen but this playbook's",
            "is another playbook at work on these databases? End it with "
            "`bluegreen decommission` first. What is left of a playbook that was "
            "renamed: give it its former name back, or drop these by hand",
        )
    if facts.others:
        return _no(
            "something else follows blue",
            "logical slots: " + ", ".join(facts.others),
            "no slot on blue but ours",
            "move their readers to green, or drop those without one: "
            "`SELECT pg_drop_replication_slot('NAME')`; then try again",
        )
    return None


def _no_backup(facts: ReleaseFacts) -> Verdict | None:
    backup = facts.backup
    whole = backup is not None and backup.side is Side.BLUE and not backup.tables
    if not whole or facts.fault:
        return _no(
            "there is no proved backup of blue",
            facts.fault or "the journal tells of none that holds the whole database",
            "an archive of this very database, unchanged since it was read to its end",
            "add the step `backup` without `tables` to the playbook, run it, then "
            "try again",
        )
    return None

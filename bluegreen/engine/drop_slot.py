"""Giving up the side that does not serve: its slot is dropped, its WAL let go.

Owns who may be given up, the drop, and telling the journal while only one side
answers. When to do it is for `cli/drop_slot.py` and `monitor thread.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bluegreen.engine.journal import TwinJournal
from bluegreen.engine.lease import Lease
from bluegreen.engine.plan import not_allowed
from bluegreen.model import bodies
from bluegreen.model.chain import link
from bluegreen.model.codes import Code
from bluegreen.model.duration import format_bytes
from bluegreen.model.errors import BluegreenError, PlaybookRefused, TrafficUnknownError
from bluegreen.model.hazard import Hazard
from bluegreen.model.history import State, fold
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.postgres.database import Database
from bluegreen.postgres.fence.fence import FenceFacts, read_fence
from bluegreen.postgres.journal.table import add_record, read_records, server_time
from bluegreen.postgres.replication.kept_wal import KeptWal, read_kept_wal
from bluegreen.postgres.replication.stream import ReplicationStream, drop_slot
from bluegreen.steps.monitors.kept_wal import WalFacts, is_over
from bluegreen.steps.world import World


@dataclass(frozen=True, slots=True)
class SideTold:
    """One side as it tells, as far as it counts here.

    Attributes:
        told: its own journal.
        fence: how its fence stands.
        kept: the slot of ours on it; None where there is none.
    """

    side: Side
    told: tuple[Record, ...]
    fence: FenceFacts
    kept: KeptWal | None

    @property
    def takes_writes(self) -> bool:
        """Its fence is not closed, not even in part. Nothing but a move closes it."""
        return not self.fence.closed


@dataclass(frozen=True, slots=True)
class Abandoned:
    """What came of it.

    Attributes:
        serving: the side that serves and had the slot.
        slot: its name; empty where nothing was dropped.
        kept: bytes of WAL that it kept.
        why: in words.
    """

    serving: Side
    slot: str
    kept: int
    why: str


def ask(world: World) -> tuple[SideTold, ...]:
    """Ask both sides; one that is away is left out.

    Raises:
        BluegreenError: neither answers; of blue.
    """
    found, errors = [], []
    for side in Side:
        database = world.on(side)
        try:
            found.append(
                SideTold(
                    side,
                    tuple(read_records(database)),
                    read_fence(database),
                    read_kept_wal(database, ReplicationStream(world.name, side).name),
                )
            )
        except BluegreenError as error:
            errors.append(error)
    if not found:
        raise errors[0]
    return tuple(found)


def serving_of(seen: tuple[SideTold, ...]) -> tuple[SideTold, State]:
    """The side that serves and was seen, by journal and fence together. Pure.

    One side's word is enough where its fence agrees: no move is committed while blue's
    fence is open, and none is undone while green's is.

    Raises:
        TrafficUnknownError: 7001.
    """
    records = max((one.told for one in seen), key=len)
    state = fold(records)
    for one in seen:
        if one.side is state.serving and one.takes_writes and not state.open_move:
            return one, state
    told = "\n".join(
        f"{one.side}: fence {'open' if one.takes_writes else 'closed'}, its journal "
        f"says that {fold(one.told).serving} serves"
        for one in seen
    )
    raise TrafficUnknownError(
        Code.TRAFFIC_UNKNOWN,
        "it cannot be confirmed which side serves, so no slot is dropped",
        seen=told,
        wanted="the side that serves by the journal, seen and taking writes",
        hint="look at `bluegreen status`; `bluegreen run` ends a move that was cut "
        "short. If a disk is about to fill, the runbook has the statement by hand",
    )


def drop_kept_slot(
    world: World,
    *,
    allow_drop: bool = True,
    allow_end: bool = False,
    only_over: bool = False,
) -> Abandoned:
    """Drop the slot that keeps WAL on the serving side for the other one.

    Needs the serving side alone. Takes its lease, so that no run counts on the slot.

    Args:
        world: the other side may be away.
        allow_drop: whether ABANDONS_GREEN is allowed; a person's call allows it.
        allow_end: whether ENDS_ROLLBACK is allowed in the call.
        only_over: do nothing while the slot keeps less than it may.

    Raises:
        TrafficUnknownError: 7001, which side serves is not confirmed.
        PlaybookRefused: 2006, one of both is needed and not allowed.
        LeaseRefused: 8001, a run goes on.
    """
    seen = ask(world)
    one, state = serving_of(seen)
    if one.kept is None:
        return Abandoned(one.side, "", 0, f"{one.side} has no slot of ours")
    facts = WalFacts(one.side, one.kept, None, serves=True)
    if only_over and not is_over(facts, world.limits):
        return Abandoned(one.side, "", one.kept.kept, "the limit is not reached")
    if one.side is Side.GREEN and not state.released and not allow_end:
        raise _ends_rollback(one.kept)
    if not allow_drop:
        raise not_allowed([Hazard.ABANDONS_GREEN])
    database = world.on(one.side)
    with Lease(database):
        drop_slot(database, one.kept.slot, world.clock)
        world.point("abandon/dropped")
        remember_abandoned(world, one.side, one.kept.kept, by="call")
    why = f"{one.side.other} lacks what {one.side} commits from now on"
    return Abandoned(one.side, one.kept.slot, one.kept.kept, why)


def remember_abandoned(world: World, serving: Side, kept: int, *, by: str) -> None:
    """Tell both journals, or the serving side's alone while the other is away.

    The other one then only lacks the end of the journal, and the next run completes it.
    """
    body = bodies.Abandoned(serving, kept, by).as_body()
    try:
        world.journal.append(Kind.ABANDONED, body=body)
    except BluegreenError:
        _tell_alone(world, world.on(serving), body)


def _tell_alone(world: World, database: Database, body: dict[str, object]) -> None:
    records = read_records(database)
    if any(record.kind is Kind.ABANDONED for record in records[-1:]):
        return
    journal = world.journal
    writer = journal.writer if isinstance(journal, TwinJournal) else ""
    run = journal.run if isinstance(journal, TwinJournal) else ""
    last = max((record.epoch for record in records), default=0)
    now = server_time(database)
    drawn = Record(len(records) + 1, now, Kind.ABANDONED, last, run, writer=writer)
    add_record(database, replace(drawn, body=body, follows=link(records)))


def _ends_rollback(kept: KeptWal) -> PlaybookRefused:
    return PlaybookRefused(
        Code.HAZARD_NOT_ALLOWED,
        "green serves: dropping its slot would end the way back to blue",
        seen=f"slot {kept.slot} on green keeps {format_bytes(kept.kept)} of WAL for "
        "blue",
        wanted="--allow ENDS_ROLLBACK in the call, whatever the playbook allows",
        hint="bring blue up instead, if it can be. With the slot dropped there is no "
        "lossless rollback any more: tell your team first",
    )

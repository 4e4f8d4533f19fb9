"""Asking the world what status says.

Owns which questions are asked of both servers and every pointer. What the answers
mean together is in `status.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from bluegreen.engine.heartbeats import await_heartbeat, write_heartbeat
from bluegreen.engine.journal import agreed
from bluegreen.engine.lease import describe_holder
from bluegreen.engine.status import (
    JournalStatus,
    PointerStatus,
    SideStatus,
    Status,
    StreamStatus,
    doubts_of,
    say_fence,
    say_way_back,
)
from bluegreen.model.errors import BluegreenError, LeaseRefused
from bluegreen.model.finding import Finding
from bluegreen.model.history import fold
from bluegreen.model.record import Record
from bluegreen.model.side import Side
from bluegreen.pointers.pointer import Pointer
from bluegreen.postgres.catalog.identity import read_identity
from bluegreen.postgres.database import Database
from bluegreen.postgres.fence.fence import read_fence
from bluegreen.postgres.journal.belonging import why_foreign
from bluegreen.postgres.journal.lease import read_holder
from bluegreen.postgres.journal.table import read_records, server_time
from bluegreen.postgres.replication.lag import read_lag
from bluegreen.postgres.replication.stream import (
    ReplicationStream,
    read_slot,
    read_subscription,
)
from bluegreen.steps.monitors.every import look_round, round_of
from bluegreen.steps.monitors.monitor import Round
from bluegreen.steps.preflight.intent import listed
from bluegreen.steps.world import World

HEARTBEAT_WITHIN_S = 1.0
"""A heartbeat arrives within milliseconds; longer than this would make status slow."""

TAIL = 5
"""Records at the end of the journal that status shows."""


def look(world: World, *, beat: bool = False) -> Status:
    """Ask both sides and every pointer. Raises nothing.

    Changes nothing, but for one row with `beat`: a heartbeat, which shows now whether
    the stream lives.
    """
    sides = tuple(_side(world.on(side), world.name) for side in Side)
    foreign = next((one.foreign for one in sides if one.foreign), "")
    # A side that is away is asked once: each try may take the connect timeout.
    away = {one.side for one in sides if one.problem}
    journal, records = _journal(world, away)
    state = fold(records)
    pointers = tuple(_pointer(pointer) for pointer in world.pointers)
    # Under another name, or over a newer schema, what is ours is not known.
    streams = () if foreign else _streams(world, away)
    doubts = doubts_of(state, sides, pointers, journal)
    seen = round_of(world, records, state, away, green=sides[1].identity)
    monitors = () if foreign else _monitors(seen, beat=beat)
    return Status(
        name=world.name,
        serving=None if doubts else state.serving,
        doubts=doubts,
        sides=sides,
        pointers=pointers,
        streams=streams,
        journal=journal,
        state=state,
        way_back=f"in doubt: {foreign}"
        if foreign
        else say_way_back(state, sides[1].now, streams, monitors, **_why_unseen(sides)),
        monitors=monitors,
        at=sides[1].now or sides[0].now,
    )


def _why_unseen(sides: Sequence[SideStatus]) -> dict[str, str]:
    away = [str(one.side) for one in sides if one.problem]
    return {"unseen": f"{' and '.join(away)} cannot be reached"} if away else {}


def _side(database: Database, name: str) -> SideStatus:
    try:
        identity, fence = read_identity(database), read_fence(database)
        holder = read_holder(database)
        no = why_foreign(database, name)
        now = server_time(database)
    except BluegreenError as error:
        return SideStatus(database.side, database.address, problem=_why(error))
    return SideStatus(
        database.side,
        database.address,
        identity=identity.id,
        says=identity.side,
        now=now,
        tables=fence.tables,
        fence=say_fence(fence),
        touched=listed(fence.touched),
        lease=describe_holder(holder) if holder else "",
        foreign=_why(no) if no else "",
    )


def _pointer(pointer: Pointer) -> PointerStatus:
    try:
        facts = pointer.observe()
    except BluegreenError as error:
        return PointerStatus(pointer.id, problem=_why(error))
    return PointerStatus(pointer.id, "", facts.names, facts.paused, facts.seen)


def _streams(world: World, away: Collection[Side]) -> tuple[StreamStatus, ...]:
    """A stream is seen from both of its ends or not at all."""
    if away:
        return ()
    found = (
        _stream(world, ReplicationStream(world.name, publisher)) for publisher in Side
    )
    return tuple(one for one in found if one is not None)


def _stream(world: World, stream: ReplicationStream) -> StreamStatus | None:
    publisher, subscriber = world.on(stream.publisher), world.on(stream.subscriber)
    try:
        subscription = read_subscription(subscriber, stream.name)
        slot = read_slot(publisher, stream.name)
        lag = read_lag(publisher, stream.name)
    except BluegreenError as error:
        return StreamStatus(stream.name, stream.publisher, problem=_why(error))
    if subscription is None and slot is None:
        return None
    return StreamStatus(
        stream.name,
        stream.publisher,
        enabled=bool(subscription and subscription.enabled),
        running=bool(subscription and subscription.apply_pid),
        ready=subscription.ready if subscription else 0,
        tables=subscription.tables if subscription else 0,
        errors=subscription.errors if subscription else None,
        kept_bytes=slot.kept_bytes if slot else None,
        replay_lag_bytes=lag.replay_bytes if lag else None,
    )


def _monitors(world: Round, *, beat: bool) -> tuple[Finding, ...]:
    """A round of all monitors, behind a heartbeat that had time to arrive."""
    if beat and write_heartbeat(world):
        await_heartbeat(world, HEARTBEAT_WITHIN_S)
    return look_round(world)


def _journal(
    world: World, away: Collection[Side]
) -> tuple[JournalStatus, Sequence[Record]]:
    """The records of both; where one side is not seen, those of the other."""
    told, unknown = {}, ""
    for side in Side:
        try:
            told[side] = None if side in away else read_records(world.on(side))
        except LeaseRefused as error:
            told[side], unknown = None, _why(error)
        except BluegreenError:
            told[side] = None
    blue, green = told[Side.BLUE], told[Side.GREEN]
    records, problem = _believed(world, blue, green)
    problem = unknown or problem
    count_blue = None if blue is None else len(blue)
    count_green = None if green is None else len(green)
    tail = tuple(records[-TAIL:])
    return JournalStatus(count_blue, count_green, problem, tail), records


def _believed(
    world: World, blue: Sequence[Record] | None, green: Sequence[Record] | None
) -> tuple[Sequence[Record], str]:
    """The records to believe, and what is wrong with them."""
    if blue is None and green is None:
        return (), "no journal was seen"
    if blue is None or green is None:
        return blue or green or (), "one side's journal was not seen"
    try:
        return agreed(blue, green, world.blue, world.green)[2], ""
    except BluegreenError as error:
        return max(blue, green, key=_newest), error.problem


def _newest(records: Sequence[Record]) -> tuple[int, int]:
    """The higher epoch wins, then the longer journal."""
    return max((record.epoch for record in records), default=0), len(records)


def _why(error: BluegreenError) -> str:
    """In one line; a server's further lines are advice for psql's own reader."""
    seen = error.seen.partition("\n")[0]
    return f"{error.problem}: {seen}" if seen else error.problem

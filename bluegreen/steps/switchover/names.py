"""What a move through names needs beside it, as a name holds no client back.

Owns two actions: the TTL is short before the move, and after it the sessions on the
side that was left are ended until clients have had time to look the name up again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import ClassVar

from bluegreen.model.bodies import Pause
from bluegreen.model.body import Body
from bluegreen.model.codes import Code
from bluegreen.model.counted import counted
from bluegreen.model.duration import format_duration
from bluegreen.model.errors import ServerRefused
from bluegreen.model.hazard import Hazard
from bluegreen.model.history import Move, fold
from bluegreen.model.progress import Progress
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, NotYet, Refused, Satisfied, Verdict
from bluegreen.pointers.all_poolers import apart, move_all
from bluegreen.pointers.names.pointer import NamePointer
from bluegreen.pointers.pointer import Pointer
from bluegreen.postgres.client_sessions import ClientSessions, end_client_sessions
from bluegreen.postgres.database import ServerGoneError, SqlError
from bluegreen.postgres.journal.table import server_time
from bluegreen.steps.action import Action, Result
from bluegreen.steps.switchover.newest import (
    last_pause,
    require_newest,
    while_newest,
)
from bluegreen.steps.world import World

END_EVERY_S = 1.0
"""A client that came back by the old address is sent off again a second later; one that
reconnects at once and without a rest costs the server a session a second."""

MARGIN = timedelta(seconds=5)
"""Between the note in the journal and the answer of the last server."""


@dataclass(frozen=True, slots=True)
class TtlLowered(Body):
    """A note, written before: what the TTLs were, and until when they may be kept."""

    ttls_lowered: Mapping[str, int]
    kept_until: datetime


@dataclass(frozen=True, slots=True)
class TtlFacts:
    """The TTLs as they are, and what was lowered.

    Attributes:
        ttls: by pointer, those of names alone.
        limits: the longest that may be.
        may_lower: pointers whose TTL may be lowered.
        lowered: the newest note, where there is one.
        now: by the clock of the journal.
    """

    ttls: Mapping[str, timedelta] = field(default_factory=dict)
    limits: Mapping[str, timedelta] = field(default_factory=dict)
    may_lower: frozenset[str] = frozenset()
    lowered: TtlLowered | None = None
    now: datetime | None = None

    @property
    def too_long(self) -> list[str]:
        """Pointers whose TTL is above their limit."""
        return [name for name, ttl in self.ttls.items() if ttl > self.limits[name]]


class ShortenTtl(Action[TtlFacts]):
    """Names that lead clients have a short TTL, and what resolvers kept is over.

    Crash: the journal names the former TTLs before the first is lowered; the next run
    lowers the others and waits.
    """

    title = "clients look names up again soon"

    def observe(self, world: World) -> TtlFacts:
        """Read the records, and the journal."""
        names = _names(world)
        if not names:
            return TtlFacts()
        notes = [
            TtlLowered.from_body(record.body)
            for record in world.journal.records()
            if record.kind is Kind.NOTE and "ttls_lowered" in record.body
        ]
        return TtlFacts(
            {one.id: timedelta(seconds=one.read().ttl_s) for one in names},
            {one.id: one.max_ttl for one in names},
            frozenset(one.id for one in names if one.lower_ttl),
            notes[-1] if notes else None,
            server_time(world.blue),
        )

    def judge(self, facts: TtlFacts) -> Verdict:
        """Lowered where the playbook asks for it, refused where it does not."""
        told = [
            f"pointer {name} has a TTL of {format_duration(facts.ttls[name])}, above "
            f"{format_duration(facts.limits[name])}"
            for name in facts.too_long
        ]
        if not set(facts.too_long) <= facts.may_lower:
            return Refused(
                Code.POINTER_ELSEWHERE,
                "clients would go on to come to the side that is left for too long",
                seen="\n".join(told),
                wanted="a TTL of max_ttl at most",
                hint="lower the TTL and wait the former one out; or give the pointer "
                "`lower_ttl: true`, and the cutover does both",
            )
        if told:
            return Needed("; ".join(told))
        if facts.lowered and facts.now and facts.now < facts.lowered.kept_until:
            left = format_duration(facts.lowered.kept_until - facts.now)
            return NotYet(f"resolvers may keep the former TTL for {left} more")
        return Satisfied("every TTL is short, or there is none")

    def act(self, world: World, facts: TtlFacts) -> Result:
        """Note what they are; then lower them."""
        long = {name: facts.ttls[name] for name in facts.too_long}
        until = server_time(world.blue) + max(long.values()) + MARGIN
        seconds = {name: int(ttl.total_seconds()) for name, ttl in long.items()}
        note = TtlLowered(seconds, until).as_body()
        world.journal.append(Kind.NOTE, action=self.id, body=note)
        for one in _names(world):
            if one.id in long:
                one.set_ttl(one.max_ttl)
        return {"lowered": sorted(long)}

    def undo(self, world: World, facts: TtlFacts) -> None:
        """Give them their former TTL, where it is still what we made it."""
        former = facts.lowered.ttls_lowered if facts.lowered else {}
        for one in _names(world):
            if one.id in former and facts.ttls[one.id] == one.max_ttl:
                one.set_ttl(timedelta(seconds=former[one.id]))


def _names(world: World) -> list[NamePointer]:
    return [one for one in world.pointers if isinstance(one, NamePointer)]


@dataclass(frozen=True, slots=True)
class EndedFacts:
    """What the journal tells of the last move.

    Attributes:
        move: the last one.
        told: its sessions were ended until the time was over.
    """

    move: Move | None
    told: bool


class EndSessions(Action[EndedFacts]):
    """Clients that stayed on the side that was left, or come back to it, are sent off.

    That side's fence refuses their writes. A client whose session ends looks the name
    up again.

    Crash: sessions that were ended are ended; the next run goes on until the time is
    over.
    """

    hazards: ClassVar[frozenset[Hazard]] = frozenset({Hazard.ENDS_SESSIONS})
    no_undo = "a session that has ended does not come back"

    def __init__(self, step_id: str, to_side: Side, span: timedelta) -> None:
        super().__init__(step_id)
        self.to_side, self.span = to_side, span
        self.title = f"no client is left on {to_side.other}"

    def observe(self, world: World) -> EndedFacts:
        """The journal."""
        records = world.journal.records()
        move = fold(records).last_move
        return EndedFacts(move, move is not None and _is_told(records, move.epoch))

    def judge(self, facts: EndedFacts) -> Verdict:
        """Once for each move."""
        move = facts.move
        if move is None or move.to_side is not self.to_side or not move.moved:
            return NotYet(f"{self.to_side} does not serve yet")
        if facts.told:
            return Satisfied("their time is over")
        return Needed(
            f"sessions on {self.to_side.other} are ended for "
            f"{format_duration(self.span)} after the move"
        )

    def act(self, world: World, facts: EndedFacts) -> Result:
        """End them each second, and tell who still came at the end."""
        # Judge says Needed only where there is one.
        assert facts.move is not None
        assert facts.move.committed is not None
        clock, ended = world.clock, Counter[str]()
        begun = last_pause(world.journal.records())
        pause = begun.seq if begun else 0
        late: Sequence[ClientSessions] = ()
        passed = server_time(world.on(self.to_side)) - facts.move.committed
        until = clock.monotonic() + (self.span - passed).total_seconds()
        while True:
            # The side that was left may serve again, by another hand.
            world.require_lease()
            require_newest(world, pause)
            late = _end_where_it_answers(world, self.to_side.other)
            for one in late:
                ended[one.role] += one.count
            if clock.monotonic() >= until:
                break
            clock.sleep(END_EVERY_S)
        world.tell(_progress(self.to_side.other, ended, late))
        return {"ended": dict(ended), "late": [str(one) for one in late]}


def _end_where_it_answers(world: World, side: Side) -> Sequence[ClientSessions]:
    """No client is on a side that does not answer; a rollback may be made for that."""
    try:
        return end_client_sessions(world.on(side))
    except (ServerGoneError, ServerRefused):
        return ()


def lead_by_name(
    world: World, names: Sequence[Pointer], to_side: Side, pause: int
) -> None:
    """Write the names, and end the sessions that were opened by them before.

    No server's silence is cut short here: no client is held up, and the servers of
    a name may need seconds.

    Raises:
        LeaseRefused: 8001, another run has begun to move traffic since.
        TrafficUnknownError: 7001, a name could not be written.
    """
    if not names:
        return
    sides = (to_side, to_side.other)
    while_newest(world, pause, lambda: move_all(names, to_side), sides)
    world.point("move/led")
    # What cannot be done now, or comes back, is for EndSessions.
    with suppress(ServerGoneError, ServerRefused, SqlError):
        require_newest(world, pause)
        end_client_sessions(world.on(to_side.other))


def told_of_names(pointers: Sequence[Pointer], took: Pause) -> Pause:
    """What the probe did not meet, clients of a name did: its writes pass a fence."""
    _, names = apart(pointers)
    if not names:
        return took
    told = tuple(one.id for one in names)
    return replace(took, client_errors=took.client_errors or None, not_held=told)


def _progress(
    side: Side, ended: Mapping[str, int], late: Sequence[ClientSessions]
) -> Progress:
    text = f"{counted(sum(ended.values()), 'session')} on {side} ended"
    if late:
        text += f"; still coming: {'; '.join(map(str, late))}"
    values: dict[str, object] = {"side": str(side), "ended": dict(ended)}
    return Progress("sessions_ended", text, values=values)


def _is_told(records: Sequence[Record], epoch: int) -> bool:
    ending = "/" + EndSessions.name()
    return any(
        record.kind is Kind.RESULT
        and record.epoch == epoch
        and record.action.endswith(ending)
        for record in records
    )

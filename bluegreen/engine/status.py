"""What status says: its parts, and what the answers of the world mean together. Pure.

What could not be seen is said as unknown and is never taken for good. Asking is for
`ask_status.py`, showing for `report/`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bluegreen.model.codes import Code
from bluegreen.model.errors import TrafficUnknownError
from bluegreen.model.finding import Blocks, Finding
from bluegreen.model.history import State
from bluegreen.model.record import Record
from bluegreen.model.side import Side
from bluegreen.postgres.fence.fence import FenceFacts
from bluegreen.steps.monitors.monitor import direction


@dataclass(frozen=True, slots=True)
class SideStatus:
    """One side as its server tells.

    Attributes:
        side: blue or green.
        address: host, port and database.
        problem: why it could not be seen; empty when it was.
        identity: its random identity row; empty before the first run.
        now: its clock.
        tables: how many tables ought to be fenced.
        fence: `none`, `open`, `closed` or `half closed`; empty when not seen.
        touched: tables whose trigger was disabled for a while since the closing.
        lease: who holds the lease there; empty for none.
        says: the side that it says it is; empty before the first run.
        foreign: why it is not this playbook's, or not this version's; empty when it is.
    """

    side: Side
    address: str
    problem: str = ""
    identity: str = ""
    now: datetime | None = None
    tables: int = 0
    fence: str = ""
    touched: str = ""
    lease: str = ""
    says: str = ""
    foreign: str = ""


@dataclass(frozen=True, slots=True)
class PointerStatus:
    """One pointer as it tells.

    Attributes:
        id: its name in the playbook.
        problem: why it could not be seen; empty when it was.
        names: the side it names; None for neither, or when not seen.
        paused: whether it holds clients back.
        seen: the address it names.
    """

    id: str
    problem: str = ""
    names: Side | None = None
    paused: bool = False
    seen: str = ""


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """One direction of replication.

    Attributes:
        name: of slot and subscription.
        publisher: the side that gives.
        problem: why it could not be seen; empty when it was.
        enabled: whether the subscription is meant to run.
        running: whether its apply worker lives.
        ready: tables that finished the initial copy.
        tables: tables that it knows.
        errors: failed applies and copies; None where the server does not count.
        kept_bytes: WAL that the slot keeps on the publisher; None without a slot.
        replay_lag_bytes: how far the subscriber's replay is behind; None when not seen.
    """

    name: str
    publisher: Side
    problem: str = ""
    enabled: bool = False
    running: bool = False
    ready: int = 0
    tables: int = 0
    errors: int | None = None
    kept_bytes: int | None = None
    replay_lag_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class JournalStatus:
    """What the two journals tell together.

    Attributes:
        blue: records on blue; None when not seen.
        green: records on green; None when not seen.
        problem: why the journals do not agree; empty when they do.
        tail: the last records.
    """

    blue: int | None
    green: int | None
    problem: str = ""
    tail: tuple[Record, ...] = ()


@dataclass(frozen=True, slots=True)
class Status:
    """All of it at one moment.

    Attributes:
        name: the playbook's name.
        serving: the side that serves; None when it cannot be confirmed.
        doubts: why it cannot; empty when it can.
        state: what the journal tells; of the side that was seen when only one was.
        way_back: in words, whether rollback is open and until when.
        monitors: what each monitor says, worst first.
        at: when it was seen, by green's clock, or blue's where green was not seen.
    """

    name: str
    serving: Side | None
    doubts: tuple[str, ...]
    sides: tuple[SideStatus, ...]
    pointers: tuple[PointerStatus, ...]
    streams: tuple[StreamStatus, ...]
    journal: JournalStatus
    state: State
    way_back: str
    monitors: tuple[Finding, ...] = ()
    at: datetime | None = None

    def require_known(self) -> None:
        """Stop when it cannot be confirmed which side serves.

        Raises:
            TrafficUnknownError: 7001.
        """
        if self.doubts:
            raise TrafficUnknownError(
                Code.TRAFFIC_UNKNOWN,
                "it cannot be confirmed where traffic goes",
                seen="\n".join(self.doubts),
                wanted="both sides and every pointer seen, and all of one mind",
                traffic=f"{self.state.serving}, if the journal is right",
                hint="fix what is named and look again; a move that was cut short is "
                "ended by `bluegreen run`",
            )


def doubts_of(
    state: State,
    sides: Sequence[SideStatus],
    pointers: Sequence[PointerStatus],
    journal: JournalStatus,
) -> tuple[str, ...]:
    """Everything that keeps us from saying which side serves. Pure."""
    serving = state.serving
    gone = _may_be_gone(state)
    if _proves_itself(state, sides, pointers):
        gone = serving.other
    doubts = [
        f"{one.side}: {one.problem}"
        for one in sides
        if one.problem and one.side is not gone
    ]
    doubts += [
        f"the database given as {one.side} says that it is {one.says}"
        for one in sides
        if one.says not in {"", str(one.side)}
    ]
    doubts += [f"{one.side}: {one.foreign}" for one in sides if one.foreign]
    told = {Side.BLUE: journal.blue, Side.GREEN: journal.green}
    away = {one.side for one in sides if one.problem}
    is_alone = gone in away and told[gone] is None and told[gone.other] is not None
    if journal.problem and not is_alone:
        doubts.append(journal.problem)
    if state.open_move is not None:
        doubts.append(
            f"a move to {state.open_move.to_side} was begun and has not ended"
        )
    for pointer in pointers:
        if pointer.problem:
            doubts.append(f"pointer {pointer.id!r}: {pointer.problem}")
        elif pointer.names is not serving:
            named = pointer.names or f"neither side ({pointer.seen})"
            doubts.append(
                f"pointer {pointer.id!r} names {named}, the journal says {serving}"
            )
        elif pointer.paused:
            doubts.append(f"pointer {pointer.id!r} holds clients back")
    for one in sides:
        doubts += _doubt_of_fence(one, one.side is serving, state.epoch)
    return tuple(doubts)


def _proves_itself(
    state: State, sides: Sequence[SideStatus], pointers: Sequence[PointerStatus]
) -> bool:
    """Whether the side that serves proves it without the other one.

    The fence of the side that is left is closed before the commit point: while its own
    journal says that it serves, its fence is open and every pointer names it, no move
    can have gone past it.
    """
    served = next(one for one in sides if one.side is state.serving)
    is_open = served.fence == "open" or (served.fence == "none" and not state.epoch)
    named = {None if one.problem else one.names for one in pointers}
    return not served.problem and is_open and named == {state.serving}


def _may_be_gone(state: State) -> Side | None:
    """Blue, once it was released: its absence is what was meant."""
    return Side.BLUE if state.released and state.serving is Side.GREEN else None


OFF_FOR_A_WHILE = "was off for a while on"


def _doubt_of_fence(side: SideStatus, serves: bool, epoch: int) -> list[str]:
    if side.problem or not side.tables:
        return []
    if serves and side.fence in {"closed", "half closed"}:
        return [f"{side.side} ought to serve and its fence is {side.fence}"]
    # Before the first move the other side may have no fence yet.
    if not serves and epoch and side.touched:
        return [
            f"{side.side} does not serve and its fence {OFF_FOR_A_WHILE} {side.touched}"
        ]
    if not serves and side.fence != "closed" and (epoch or side.fence != "none"):
        return [f"{side.side} does not serve and its fence is {side.fence}"]
    return []


def say_way_back(
    state: State,
    now: datetime | None,
    streams: Sequence[StreamStatus],
    monitors: Sequence[Finding] = (),
    *,
    unseen: str = "nothing is seen to stream from green to blue",
) -> str:
    """Whether rollback is open, in words. Pure."""
    move = state.last_move
    if state.serving is Side.BLUE or move is None:
        return "not needed: blue serves"
    if state.released:
        return "closed: blue was released"
    if not move.way_back_open:
        return "not open: no marker has come back from green to blue yet"
    back = direction(Side.GREEN)
    for one in monitors:
        if one.blocks is Blocks.RUN and one.where == back:
            return f"LOST: {one.seen}"
    stream = next((one for one in streams if one.publisher is Side.GREEN), None)
    if stream is None or stream.problem or not stream.running:
        return f"in doubt: {unseen}"
    doubt = _doubt_of_way_back(monitors)
    if doubt:
        return f"in doubt: {doubt}"
    if state.window_end is None:
        return "open; no window was promised yet"
    end = f"{state.window_end:%Y-%m-%d %H:%M:%S} UTC"
    if now is not None and now > state.window_end:
        return f"the window ended at {end}; blue was not released yet"
    return f"open until {end}"


def _doubt_of_way_back(monitors: Sequence[Finding]) -> str:
    """The worst thing that would stop a move back; empty for none."""
    stopping = (one for one in monitors if one.blocks is not Blocks.NOTHING)
    worst = next(stopping, None)
    return f"{worst.id}, {worst.where}: {worst.seen}" if worst else ""


def say_fence(fence: FenceFacts) -> str:
    """`none`, `open`, `closed` or `half closed`. Pure."""
    if fence.missing == fence.tables:
        return "none"
    if fence.is_closed:
        return "closed"
    return "open" if fence.is_open else "half closed"

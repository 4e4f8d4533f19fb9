"""The sequence inside the pause, up to the commit point.

Owns the order, which is the protocol's: all poolers or none, fence, marker, marker
seen, sequences, stream stopped, commit point. What was asked before the pause and can
change is asked again behind the fence. Everything it uses was opened, warmed and
written beforehand by `Ready`. Backing out is for `recover.py`, moving on for
`traffic.py`.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from bluegreen.model import bodies
from bluegreen.model.codes import Code
from bluegreen.model.duration import format_duration
from bluegreen.model.errors import BudgetError, ServerRefused
from bluegreen.model.lsn import Lsn
from bluegreen.model.progress import Progress
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.pointers.all_poolers import (
    pause_all,
    prove_all,
    require_unchanged,
    stage_all,
)
from bluegreen.pointers.pointer import Pointer
from bluegreen.postgres.database import Database
from bluegreen.postgres.fence.closer import Drain, FenceCloser
from bluegreen.postgres.fence.commit_point import commit_move, make_ready_to_commit
from bluegreen.postgres.journal.table import server_time
from bluegreen.postgres.replication.marker import (
    POLL_S,
    Marker,
    await_low_lag,
    await_marker,
    sweep_markers,
    write_marker,
)
from bluegreen.postgres.replication.sequence_facts import read_ranges
from bluegreen.postgres.replication.sequence_values import (
    SequenceTarget,
    pair_up,
    values_for,
)
from bluegreen.postgres.replication.sequences import (
    SequenceValue,
    read_sequences,
    set_sequences,
)
from bluegreen.postgres.replication.stream import stop_stream
from bluegreen.postgres.sync_wait import require_commits_return
from bluegreen.steps.switchover.limits import SwitchoverLimits
from bluegreen.steps.switchover.switchover import Budget, Switchover
from bluegreen.steps.switchover.table_set import LastLook
from bluegreen.steps.world import World


@dataclass(slots=True)
class Ready:
    """All that the pause needs, opened and tried.

    Attributes:
        look: the set of tables as it was judged.
        targets: the sequences to set, and what from.
        ahead: what they were set to beforehand; the pause sets those that moved on.
        commit_before: when the commit point must be passed, by the clock of `to_side`.
        asked_to_pause: whether clients may have been held back.
        asked_to_commit: whether the commit point may have been reached.
    """

    from_side: Database
    to_side: Database
    fence: FenceCloser
    look: LastLook
    targets: tuple[SequenceTarget, ...]
    ahead: frozenset[SequenceValue]
    budget: Budget
    commit_before: datetime
    asked_to_pause: bool = False
    asked_to_commit: bool = False


@dataclass(frozen=True, slots=True)
class Committed:
    """What the pause has brought about.

    Attributes:
        origin: where the reverse stream starts.
        marker: the marker row that proved the stream complete.
        values: what sequences were set to.
        left: where they stood on the side that was left, unless they were set to that.
    """

    origin: Lsn
    marker: Marker
    values: tuple[SequenceValue, ...]
    left: tuple[SequenceValue, ...]


@contextmanager
def made_ready(
    world: World, switchover: Switchover, noted: str = ""
) -> Iterator[Ready]:
    """Open, warm and stage everything before the pause; close it afterwards.

    The first statement of each kind pays for parsing, planning and catalog look-ups:
    opened inside the pause, connections alone made it 709 ms instead of 43.

    Args:
        world: the handles.
        switchover: where to.
        noted: the set of tables that was judged, see `table_set.py`.

    Raises:
        StepError: 4011, that set has changed.
        BudgetError: 5002, the stream is too far behind to begin.
    """
    from_side, to_side = world.on(switchover.from_side), world.on(switchover.to_side)
    with ExitStack() as stack:
        for pointer in world.pointers:
            stack.callback(pointer.close)
            pointer.warm_up()
            _require_client(world, pointer, switchover)
        prove_all(world.pointers, switchover.to_side)
        stage_all(world.pointers, switchover.to_side)
        fence = stack.enter_context(FenceCloser(from_side))
        _warm_up(from_side, to_side)
        look = LastLook.before_pause(world, switchover, noted)
        targets = _sequence_targets(world, switchover)
        ahead = _set_ahead(world, switchover, targets)
        await_low_lag(
            from_side,
            to_side,
            max_lag=switchover.limits.max_lag,
            deadline=switchover.limits.wait_for_lag,
            clock=world.clock,
            late=lambda: world.tell(_late(switchover)),
        )
        for database in (from_side, to_side):
            stack.enter_context(database.limited(switchover.limits.max_pause))
        # Before the guard's time runs: it may open the fence after the budget, and
        # nothing may commit from then on.
        commit_before = server_time(to_side) + switchover.limits.max_pause
        usual = _usual_pause(world.journal.records())
        budget = Budget(world.clock, switchover.limits.max_pause, usual)
        yield Ready(
            from_side, to_side, fence, look, targets, ahead, budget, commit_before
        )


def _require_client(world: World, pointer: Pointer, switchover: Switchover) -> None:
    """See that its client comes in; a rollback goes on without one that does not.

    On a bad night the pool is exhausted, the pooler full, or the login to green broken:
    what makes a rollback necessary must not keep it from being made.
    """
    if pointer.client is None:
        return
    try:
        pointer.client.warm_up()
    except ServerRefused as error:
        if switchover.to_side is Side.GREEN:
            raise
        pointer.leave_out_client()
        world.tell(_not_tried(pointer.id, error))


def _not_tried(where: str, error: ServerRefused) -> Progress:
    text = (
        f"probe: not tried; a client does not come in through pointer {where} now "
        f"({error.seen}), and the rollback does not need it"
    )
    return Progress("probe_not_tried", text)


def _usual_pause(records: Sequence[Record]) -> str:
    moves = (bodies.Moved.from_body(r.body) for r in records if r.kind is Kind.MOVED)
    took = [one.pause_ms for one in moves if one.pause_ms is not None]
    return f"pauses here took {statistics.median(took):.0f} ms; " if took else ""


def _sequence_targets(
    world: World, switchover: Switchover
) -> tuple[SequenceTarget, ...]:
    from_side, to_side = world.on(switchover.from_side), world.on(switchover.to_side)
    left = _left_by(world.journal.records(), switchover.to_side)
    return pair_up(read_ranges(from_side), read_ranges(to_side), left)


def _set_ahead(
    world: World, switchover: Switchover, targets: tuple[SequenceTarget, ...]
) -> frozenset[SequenceValue]:
    """Set them while clients are served; most stand still until the pause."""
    values = values_for(targets, read_sequences(world.on(switchover.from_side)))
    free = world.journal.records()[-1].seq + 1
    done = set_sequences(world.on(switchover.to_side), values, while_free=free)
    # Another run has written, or one was dropped: nothing is known to be set.
    return frozenset(values if done == len(values) else ())


def _left_by(
    records: Sequence[Record], side: Side
) -> dict[tuple[str, str], tuple[int, bool]] | None:
    """Where the sequences of a side stood when traffic left it, where that is known."""
    moves = (one for one in reversed(records) if one.kind is Kind.MOVED)
    told = next((bodies.Moved.from_body(one.body) for one in moves), None)
    if told is None or told.to is side or told.sequence_values is None:
        return None
    stood = (*told.sequence_values, *(told.sequences_left or ()))
    return {(schema, name): (last, called) for schema, name, last, called in stood}


def _late(switchover: Switchover) -> Progress:
    limits = switchover.limits
    lag, wait = map(format_duration, (limits.max_lag, limits.wait_for_lag))
    text = (
        f"{switchover.to_side} is more than {lag} behind; {switchover.from_side} "
        f"serves while this is waited for, {wait} at most"
    )
    return Progress("lag_seen", text)


def _warm_up(from_side: Database, to_side: Database) -> None:
    make_ready_to_commit(to_side)
    # Of a sequence that it has not seen a session asks the catalog: setting 5,000 took
    # half as long again.
    for database in (from_side, to_side):
        read_sequences(database)
    set_sequences(to_side, ())
    sweep_markers(from_side)


def go_through(
    world: World,
    switchover: Switchover,
    ready: Ready,
    draft: Record,
    require_monitored: Callable[[], None],
) -> Committed:
    """Pause, fence, prove, commit. Raises before the commit point only.

    Args:
        world: the handles.
        switchover: where to.
        ready: what was opened beforehand.
        draft: the commit record, numbered before the pause.
        require_monitored: raises unless the guard answers; no client is held back then.

    Raises:
        ServerRefused: 3007, a pooler's file holds what is not loaded; as below.
        StepError: 4001, the guard has ended, or 4011, a pooler's file or process is
            not the one that was proved, or a commit would wait for a standby that is
            not there; no client was held back.
        BudgetError: 5001, 5002 or 5003; the caller backs out.
        ServerGoneError: the caller finds out whether the commit record is there.
    """
    budget, clock, point = ready.budget, world.clock, world.point
    # The wait for the lag was time enough to edit a pooler's file or to restart it.
    require_unchanged(world.pointers)
    budget.start()
    _require_guard(ready)
    require_monitored()
    point("move/guarded")
    _hold_clients(world, switchover.limits, ready)
    marker = write_marker(ready.from_side)
    budget.mark("marker")
    # While the marker travels.
    ready.look.require_unchanged(world)
    budget.mark("look")
    left = read_sequences(ready.from_side)
    values = values_for(ready.targets, left)
    budget.done("read_sequences")
    point("move/marked")
    await_marker(
        ready.to_side, marker, deadline=budget.remaining, clock=clock, poll_s=POLL_S
    )
    ready.look.require_copied(world)
    budget.done("catch_up")
    point("move/caught_up")
    behind = tuple(one for one in values if one not in ready.ahead)
    set_sequences(ready.to_side, behind, while_free=draft.seq)
    budget.done("sequences")
    stream, free = switchover.stream(world.name).name, draft.seq
    stop_stream(
        ready.to_side, stream, clock=clock, deadline=budget.remaining, while_free=free
    )
    budget.done("stop_stream")
    point("move/stream_stopped")
    origin = _commit(world, ready, draft, marker)
    given = set(values)
    stays = tuple(one for one in left if one not in given)
    return Committed(origin, marker, values, stays)


def _hold_clients(world: World, limits: SwitchoverLimits, ready: Ready) -> None:
    """All poolers or none, then the fence for clients that bypass them."""
    budget = ready.budget
    ready.asked_to_pause = True
    pause_all(world.pointers, limits.max_pause)
    budget.done("pause")
    world.point("move/paused")
    budget.require_left()
    drain = Drain(limits.drain, limits.after_drain, budget.remaining)
    ready.fence.close_fence(drain, world.clock)
    budget.done("fence")
    world.point("move/fenced")


def _commit(world: World, ready: Ready, draft: Record, marker: Marker) -> Lsn:
    """Pass the commit point; returns where the reverse stream starts."""
    proof = bodies.Barrier(fence_position=marker.position, marker=marker.id)
    record = replace(draft, body={**draft.body, **proof.as_body()})
    # Behind the fence once more: a commit that waits for a standby cannot be undone.
    require_commits_return(ready.to_side, code=Code.SWITCHOVER_BLOCKED)
    # A question that was never sent leaves no doubt.
    ready.to_side.require_alive()
    ready.asked_to_commit = True
    origin = commit_move(ready.to_side, record, before=ready.commit_before)
    ready.budget.mark("commit")
    world.point("move/committed")
    return origin


def _require_guard(ready: Ready) -> None:
    """Hold no client back once the guard's time is over: it may have come and gone."""
    now = server_time(ready.to_side)
    if now >= ready.commit_before:
        raise BudgetError(
            Code.PAUSE_OVER_BUDGET,
            "the tool stood still right before the pause",
            seen=f"{now - ready.commit_before} over the time that the guard waits",
            wanted="a pause that begins at once, while the guard monitors",
            hint="was the tool stopped, or the machine suspended? Run again",
        )

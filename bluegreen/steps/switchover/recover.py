"""Recovering a move that was left half-way: back out, or finish. No other code may.

Owns the rule: the commit record decides. Absent, the side that serves takes writes
again, the poolers name it and let go; present, it only goes forward. Used by the error
path of a move, by the guard process, and by every new run before all else.

Backing out first takes the number that the commit record would have had, on the side
where it would have been written. So a tool that was only stopped, and goes on later,
finds that it can no longer commit. While that side does not answer, only the tool
itself can know whether it committed; then the side that was left stays fenced, and
clients get clean errors instead of a second writable side.

Clients may be let go at any moment: the fence is on the data, so a client that comes to
a side that must not be written to is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from bluegreen.model import bodies
from bluegreen.model.codes import Code
from bluegreen.model.errors import (
    BluegreenError,
    LeaseRefused,
    ServerRefused,
    TrafficUnknownError,
)
from bluegreen.model.history import Move, fold
from bluegreen.model.progress import Progress
from bluegreen.model.record import Kind
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, Satisfied, Verdict
from bluegreen.model.witness import FOUND_OPEN, Witness
from bluegreen.pointers.all_poolers import acts_until_served
from bluegreen.postgres.database import ServerGoneError, SqlError
from bluegreen.postgres.fence.fence import (
    close_fence,
    create_fence,
    open_fence,
    read_fence,
)
from bluegreen.postgres.journal.table import (
    add_record,
    newest_pause,
    no_new_records,
    server_time,
)
from bluegreen.postgres.replication.stream import ReplicationStream, start_stream
from bluegreen.postgres.replication.witness import read_start
from bluegreen.postgres.sync_wait import name_standby
from bluegreen.steps.action import Action, Result
from bluegreen.steps.switchover.inconsistencies import (
    TrafficFacts,
    find_inconsistencies,
    is_open_by_mistake,
    not_ours,
    read_traffic,
)
from bluegreen.steps.switchover.newest import (
    last_pause,
    read_journal,
    read_state,
    refuse_older,
    require_newest,
    was_silent,
    while_newest,
)
from bluegreen.steps.world import World

UNIQUE_VIOLATION = "23505"


class RecoverSwitchover(Action[TrafficFacts]):
    """No move of traffic is left half-way.

    Crash: every part is repeated by the next run; the parts do not depend on each
    other once the commit record or the back-out record stands.
    """

    title = "no move of traffic is left half-way"
    no_undo = "it only completes what another action began"

    def observe(self, world: World) -> TrafficFacts:
        """Where traffic goes, as servers and pointers say."""
        return read_traffic(world)

    def judge(self, facts: TrafficFacts) -> Verdict:
        """Inconsistencies are repaired only when a move of ours can have made them."""
        strange = not_ours(facts)
        if strange is not None:
            return strange
        ends = [*_left_open(facts), *find_inconsistencies(facts)]
        if ends:
            return Needed("; ".join(ends))
        return Satisfied(f"{facts.state.serving} serves")

    def act(self, world: World, facts: TrafficFacts) -> Result:
        """Shut the side that does not serve, then back out or finish."""
        claim_back_out(world)
        _shut_other(world)
        recover(world)
        return {"settled": [*_left_open(facts), *find_inconsistencies(facts)]}


def _left_open(facts: TrafficFacts) -> list[str]:
    """Whether the side that was left takes writes that nothing carries over. Pure."""
    other = facts.state.serving.other
    if not facts.state.epoch or facts.state.released:
        return []
    if not is_open_by_mistake(facts.fences[other]):
        return []
    return [f"{other} does not serve and its fence is open"]


def _shut_other(world: World) -> None:
    """What it took meanwhile is on no other side: a doubt, noted before it is closed.

    Once it is closed nothing else tells of it.
    """
    state = read_state(world)
    if not state.epoch or state.released or state.open_move is not None:
        return
    other = world.on(state.serving.other)
    if not is_open_by_mistake(read_fence(other)):
        return
    found = f"{FOUND_OPEN} {server_time(other):%Y-%m-%d %H:%M:%S} UTC"
    doubt = bodies.Witnessed(Witness(other.side, read_start(other), found))
    world.journal.append(Kind.NOTE, body=doubt.as_body())
    world.point("recover/doubt_noted")
    # A trigger that is disabled is enabled first; that alone would count as touched.
    create_fence(other, closed="closed", clock=world.clock)
    close_fence(other)


def claim_back_out(world: World, pause: int | None = None) -> None:
    """Make sure that an open move can never commit, unless it has committed.

    The record takes the commit record's number on the side that would have written it.

    Args:
        world: the handles.
        pause: number of the record that announced the caller's own pause, where it has
            one: a newer move is not the caller's to end.

    Raises:
        LeaseRefused: 8001, another run has begun to move traffic since.
        TrafficUnknownError: 7001; that side cannot be reached, so it is not known.
    """
    move = read_state(world).open_move
    if move is None:
        return
    try:
        draft = world.journal.draft(
            Kind.BACKED_OUT,
            action=move.action,
            body=bodies.BackedOut(move.to_side).as_body(),
        )
        if pause is not None:
            # One that is announced after this look takes the number of the draft.
            require_newest(world, pause)
        add_record(world.on(move.to_side), draft)
    except SqlError as error:
        if error.sqlstate != UNIQUE_VIOLATION:
            raise
    except (ServerGoneError, ServerRefused) as error:
        seen = "\n".join(filter(None, (error.problem, error.seen)))
        unknown = _nobody_knows(move, seen)
        name_standby(unknown, world.on(move.to_side))
        raise unknown from None
    _best_effort(world.journal.reconcile)


def _nobody_knows(move: Move, seen: str = "") -> TrafficUnknownError:
    to_side = move.to_side
    return TrafficUnknownError(
        Code.TRAFFIC_UNKNOWN,
        f"it is not known whether the move to {to_side} was committed",
        seen=seen or "the record that ends it was not seen on both sides",
        wanted="an answer of both sides: the journals decide",
        traffic=f"not confirmed; {to_side.other} is fenced and refuses writes until "
        "then",
        hint=f"bring {to_side} up or fix the network to it, then run `bluegreen run` "
        f"again; if {to_side} is lost for good, make it again first, an empty database",
    )


def open_again(world: World, from_side: Side, pause: int) -> None:
    """Let the side that was left serve again, known that the move cannot commit.

    For the tool alone, before its commit point: it needs no answer of the other side,
    which is asked only where this one is silent, and no pointer was moved yet, so none
    is moved back.

    Args:
        world: the handles.
        from_side: the side that serves.
        pause: number of the record that announced this pause.

    Raises:
        LeaseRefused: 8001, another run has begun to move traffic since; nothing of
            its work is touched.
        TrafficUnknownError: 7001, naming every part that could not be confirmed.
    """
    pointers = [one.resume for one in world.pointers]
    witnesses = (from_side, from_side.other)
    _let_serve(world, from_side, pause, pointers, witnesses)


def recover(world: World) -> int:
    """Make servers and pointers agree with the newest commit record. Repeatable.

    Clients come first: the fence of the serving side, then every pointer, and only
    then what no client waits for. A part that fails does not keep the others from being
    done.

    Raises:
        TrafficUnknownError: 7001, naming every part that could not be confirmed, or
            that the journal which can be seen leaves a move open.

    Returns:
        Number of the record that announced the newest pause; 0 without one.
    """
    records = read_journal(world)
    state = fold(records)
    if state.open_move is not None:
        # One side alone does not know what the other one may have committed.
        raise _nobody_knows(state.open_move)
    serving = state.serving
    pointers = list(acts_until_served(world.pointers, serving))
    witnesses = (serving, serving.other)
    last = last_pause(records)
    pause = last.seq if last else 0
    _let_serve(world, serving, pause, pointers, witnesses)
    unseen = _best_effort(partial(_follow, world, serving, pause))
    if unseen is not None:
        world.tell(_stream_unseen(serving, unseen))
    return pause


def _stream_unseen(serving: Side, error: BluegreenError) -> Progress:
    text = (
        f"{serving} serves; whether {serving.other} follows it could not be seen "
        f"({error.problem}). Run again once both sides answer: a stream that is off "
        f"keeps WAL on {serving} until then"
    )
    return Progress("stream_unseen", text)


def _let_serve(
    world: World,
    serving: Side,
    pause: int,
    pointers: Sequence[Callable[[], None]],
    witnesses: Sequence[Side],
) -> None:
    began = world.clock.monotonic()
    fence = _best_effort(partial(_take_writes, world, serving, pause))
    if isinstance(fence, LeaseRefused):
        # Its pointers may be where they belong by now.
        raise fence
    away = isinstance(fence, (ServerGoneError, ServerRefused))
    if away and was_silent(world, began):
        # Who is silent would only hold the clients up once more.
        witnesses = [side for side in witnesses if side is not serving]
    troubles = []
    for act in pointers:
        # A process that was stopped between two acts may wake up in a newer pause.
        trouble = _best_effort(partial(while_newest, world, pause, act, witnesses))
        if isinstance(trouble, LeaseRefused):
            raise trouble
        troubles.append(trouble)
    _require_served(serving, fence, [one for one in troubles if one is not None])


_REPAIR = "repair what is named, then run `bluegreen status`, then run again"


def _require_served(
    serving: Side, fence: BluegreenError | None, pointers: Sequence[BluegreenError]
) -> None:
    troubles = [*([fence] if fence else []), *pointers]
    found = list(dict.fromkeys(trouble.problem for trouble in troubles))
    if found:
        by_hand = [trouble.hint for trouble in pointers if trouble.hint]
        raise TrafficUnknownError(
            Code.TRAFFIC_UNKNOWN,
            "it cannot be confirmed that clients are served",
            seen="\n".join(found),
            wanted=f"{serving} takes writes and every pointer names it",
            traffic=f"{serving}, by the newest commit record",
            hint="\n".join([_REPAIR, *by_hand]),
        )


def _take_writes(world: World, serving: Side, pause: int) -> None:
    """Open the fence, unless a newer move has closed it.

    A guard holds no lease. While the journal is locked no new move can announce itself,
    and it fences only after it did.
    """
    database = world.on(serving)
    refuse_older(world, newest_pause(database), pause)
    if read_fence(database).is_open:
        return
    with no_new_records(database):
        refuse_older(world, newest_pause(database), pause)
        open_fence(database)


def _follow(world: World, serving: Side, pause: int) -> None:
    facts = read_traffic(world)
    if facts.stream and not facts.stream.enabled and facts.stream_was_live:
        name = ReplicationStream(world.name, serving).name
        start_stream(world.on(serving.other), name, newest=pause)


def _best_effort(part: Callable[[], object]) -> BluegreenError | None:
    try:
        part()
    except BluegreenError as error:
        return error
    return None

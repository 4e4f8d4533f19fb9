"""Settling a move that was left half-way: back out, or finish. Nothing else may do so.

Owns the rule: the commit record decides. Absent, the side that serves takes writes
again, the poolers name it and let go; present, it only goes forward. Used by the error
path of a move, by the guard process, and by every new run before all else.

Backing out first takes the number that the commit record would have had, on the side
where it would have been written. So a tool that was only stopped, and goes on later,
finds that it can no longer commit. While that side does not answer nobody but the tool
itself can know whether it committed; then the side that was left stays fenced, and
clients get clean errors instead of a second writable side.

Clients may be let go at any moment: the fence is on the data, so whoever comes to a
side that must not be written to is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

from bluegreen.model.errors import (
    BluegreenError,
    BudgetError,
    LeaseRefused,
    ServerRefused,
    TrafficUnknownError,
)
from bluegreen.model.history import Move, State, fold
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, Satisfied, Verdict
from bluegreen.pointers.pointer import Pointer
from bluegreen.postgres.channel import Channel, start_stream
from bluegreen.postgres.database import Database, ServerGoneError, SqlError
from bluegreen.postgres.fence import close_fence, open_fence, read_fence
from bluegreen.postgres.journal_table import (
    add_record,
    no_new_records,
    read_records,
    server_time,
)
from bluegreen.postgres.retry import outlast_locks
from bluegreen.postgres.witness import FOUND_OPEN, Witness, read_start
from bluegreen.steps.action import Action, Result
from bluegreen.steps.move.loose_ends import (
    TrafficFacts,
    is_open_by_mistake,
    loose_ends,
    not_ours,
    read_traffic,
)
from bluegreen.steps.world import World

UNIQUE_VIOLATION = "23505"

OPENING = timedelta(seconds=30)
"""How long locks on tables of the serving side are waited out, with clients let in; a
manual VACUUM may take hours, and a person should know of it."""


class SettleTraffic(Action[TrafficFacts]):
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
        """Loose ends are tied up only when a move of ours can have made them."""
        strange = not_ours(facts)
        if strange is not None:
            return strange
        ends = [*_left_open(facts), *loose_ends(facts)]
        if ends:
            return Needed("; ".join(ends))
        return Satisfied(f"{facts.state.serving} serves")

    def act(self, world: World, facts: TrafficFacts) -> Result:
        """Shut the side that does not serve, then back out or finish."""
        claim_back_out(world)
        doubt = _shut_other(world)
        settle(world)
        return {"settled": [*_left_open(facts), *loose_ends(facts)], **doubt}


def _left_open(facts: TrafficFacts) -> list[str]:
    """Whether the side that was left takes writes that nothing carries over. Pure."""
    other = facts.state.serving.other
    if not facts.state.epoch or facts.state.released:
        return []
    if not is_open_by_mistake(facts.fences[other]):
        return []
    return [f"{other} does not serve and its fence is open"]


def _shut_other(world: World) -> Result:
    """Close it first; what it took meanwhile is on no other side: a doubt to record."""
    state = read_state(world)
    if not state.epoch or state.released or state.open_move is not None:
        return {}
    other = world.on(state.serving.other)
    if not is_open_by_mistake(read_fence(other)):
        return {}
    close_fence(other)
    found = f"{FOUND_OPEN} {server_time(other):%Y-%m-%d %H:%M:%S} UTC"
    return {"witness": Witness(other.side, read_start(other), found).as_body()}


def read_state(world: World) -> State:
    """What the journal tells, by one side alone when the other does not answer.

    Raises:
        BluegreenError: neither side answers.
    """
    return fold(read_story(world))


def read_story(world: World) -> Sequence[Record]:
    """The records that `read_state` folds.

    Raises:
        BluegreenError: neither side answers.
    """
    try:
        return world.journal.records()
    except (ServerGoneError, ServerRefused) as error:
        told = [_one_story(world.on(side)) for side in Side]
        stories = [story for story in told if story is not None]
        if not stories:
            raise error from None
        return max(stories, key=len)


def _one_story(database: Database) -> list[Record] | None:
    try:
        return read_records(database)
    except (ServerGoneError, ServerRefused):
        return None


def claim_back_out(world: World) -> None:
    """Make sure that an open move can never commit, unless it has committed.

    The record takes the commit record's number on the side that would have written it.

    Raises:
        TrafficUnknownError: 7001; that side cannot be reached, so nobody knows.
    """
    move = read_state(world).open_move
    if move is None:
        return
    try:
        draft = world.journal.draft(
            Kind.BACKED_OUT, action=move.action, body={"to": str(move.to)}
        )
        add_record(world.on(move.to), draft)
    except SqlError as error:
        if error.sqlstate != UNIQUE_VIOLATION:
            raise
    except (ServerGoneError, ServerRefused) as error:
        seen = "\n".join(filter(None, (error.problem, error.seen)))
        raise _nobody_knows(move, seen) from None
    _best_effort(world.journal.reconcile)


def _nobody_knows(move: Move, seen: str = "") -> TrafficUnknownError:
    to = move.to
    return TrafficUnknownError(
        7001,
        f"it is not known whether the move to {to} was committed",
        seen=seen or "the record that ends it was not seen on both sides",
        wanted="an answer of both sides: the journals decide",
        traffic=f"not confirmed; {to.other} is fenced and refuses writes until then",
        hint=f"bring {to} up or mend the network to it, then run `bluegreen run` "
        f"again; if {to} is lost for good, make it anew first, an empty database",
    )


def open_again(world: World, left: Side, pause: int) -> None:
    """Let the side that was left serve again, known that the move cannot commit.

    For the tool alone, before its commit point: it needs no answer of the other side,
    and no pointer was moved yet, so none is moved back.

    Args:
        world: the handles.
        left: the side that serves.
        pause: number of the record that announced this pause.

    Raises:
        LeaseRefused: 8001, another run has begun to move traffic since; nothing of
            its work is touched.
        TrafficUnknownError: 7001, naming every part that could not be confirmed.
    """
    pointers = [partial(_resume, one) for one in world.pointers]
    _let_serve(world, left, pause, pointers, witnesses=(left,))


def require_newest(world: World, pause: int) -> None:
    """Refuse to end a move that another run has ended, or begun anew, meanwhile.

    Raises:
        LeaseRefused: 8001.
    """
    _require_newest(read_story(world), pause)


def settle(world: World) -> None:
    """Make servers and pointers agree with the newest commit record. Repeatable.

    Clients come first: the fence of the serving side, then every pointer, and only
    then what nobody waits for. A part that fails does not keep the others from being
    done.

    Raises:
        TrafficUnknownError: 7001, naming every part that could not be confirmed, or
            that the story which can be seen leaves a move open.
    """
    records = read_story(world)
    state = fold(records)
    if state.open_move is not None:
        # One side alone does not know what the other one may have committed.
        raise _nobody_knows(state.open_move)
    serving = state.serving
    pointers = [partial(_let_go, one, serving) for one in world.pointers]
    witnesses = (serving, serving.other)
    _let_serve(world, serving, newest_pause(records), pointers, witnesses)
    _best_effort(partial(_follow, world, state.serving))


def newest_pause(records: Sequence[Record]) -> int:
    """Number of the last record that announced a pause; 0 without one. Pure."""
    return max((r.seq for r in records if r.kind is Kind.PAUSING), default=0)


def _let_serve(
    world: World,
    serving: Side,
    pause: int,
    pointers: Sequence[Callable[[], object]],
    witnesses: Sequence[Side],
) -> None:
    take_writes = partial(_take_writes, world, serving, pause)
    fence = _best_effort(take_writes)
    if isinstance(fence, LeaseRefused):
        # Its pointers may be where they belong by now.
        raise fence
    if isinstance(fence, (ServerGoneError, ServerRefused)):
        # Who is silent would only hold the clients up once more.
        witnesses = [side for side in witnesses if side is not serving]
    troubles = []
    for act in pointers:
        # Whoever was stopped between two acts may wake up in a newer pause.
        _require_newest(_witnessed(world, witnesses), pause)
        troubles.append(_best_effort(act))
    if isinstance(fence, BudgetError):
        # Nobody is held back any more; a table that is locked takes no writes yet.
        fence = _best_effort(
            partial(outlast_locks, take_writes, patience=OPENING, clock=world.clock)
        )
    _require_served(serving, [fence, *troubles])


def _witnessed(world: World, witnesses: Sequence[Side]) -> Sequence[Record]:
    """The story as the first of them that answers tells it; empty if none does."""
    stories = (_one_story(world.on(side)) for side in witnesses)
    return next((story for story in stories if story is not None), ())


def _require_served(serving: Side, troubles: Sequence[BluegreenError | None]) -> None:
    found = [_told(trouble) for trouble in troubles if trouble is not None]
    if found:
        raise TrafficUnknownError(
            7001,
            "it cannot be confirmed that clients are served",
            seen="\n".join(found),
            wanted=f"{serving} takes writes and every pointer names it",
            traffic=f"{serving}, by the newest commit record",
            hint="mend what is named, then run `bluegreen status`, then run again",
        )


def _told(trouble: BluegreenError) -> str:
    """Its problem; who holds a lock is what the reader needs of that one."""
    held = trouble.seen if isinstance(trouble, BudgetError) else ""
    return "\n".join(filter(None, (trouble.problem, held)))


def _take_writes(world: World, serving: Side, pause: int) -> None:
    """Open the fence, unless a newer move has closed it.

    A guard holds no lease. While the journal is locked no new move can announce itself,
    and it fences only after it did.
    """
    database = world.on(serving)
    _require_newest(read_records(database), pause)
    if read_fence(database).is_open:
        return
    with no_new_records(database):
        _require_newest(read_records(database), pause)
        open_fence(database)


def _require_newest(records: Sequence[Record], pause: int) -> None:
    newest = newest_pause(records)
    if newest > pause:
        (begun,) = (record for record in records if record.seq == newest)
        raise LeaseRefused(
            8001,
            "another run has begun to move traffic meanwhile",
            seen=f"run {begun.run} of {begun.writer}, at "
            f"{begun.at:%Y-%m-%d %H:%M:%S} UTC",
            wanted="one operator at a time",
            traffic="that run's business; this one touched nothing more",
            hint="wait until that run has ended, then look at `bluegreen status`",
        )


def _resume(pointer: Pointer) -> None:
    pointer.resume()


def _let_go(pointer: Pointer, serving: Side) -> None:
    if pointer.observe().names is not serving:
        pointer.move(serving)
    pointer.resume()


def _follow(world: World, serving: Side) -> None:
    facts = read_traffic(world)
    if facts.stream and not facts.stream.enabled and facts.stream_was_live:
        start_stream(world.on(serving.other), Channel(world.name, serving).name)


def _best_effort(part: Callable[[], object]) -> BluegreenError | None:
    try:
        part()
    except BluegreenError as error:
        return error
    return None

"""Settling a move that was left half-way: back out, or finish. Nothing else may do so.

Owns the rule: the commit record decides. Absent, the side that serves takes writes
again, the poolers name it and let go; present, it only goes forward. Used by the error
path of a move, by the guard process, and by every new run before all else.

Backing out first takes the number that the commit record would have had, on the side
where it would have been written. So a tool that was only stopped, and goes on later,
finds that it can no longer commit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bluegreen.model.errors import BluegreenError, ServerRefused, TrafficUnknownError
from bluegreen.model.history import Move, State, fold
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, Refused, Satisfied, Verdict
from bluegreen.pointers.pointer import Pointer, PointerFacts
from bluegreen.postgres.channel import (
    Channel,
    SubscriptionFacts,
    read_subscription,
    start_stream,
)
from bluegreen.postgres.database import Database, ServerGoneError, SqlError
from bluegreen.postgres.fence import FenceFacts, open_fence, read_fence
from bluegreen.postgres.journal_table import add_record, read_records, server_time
from bluegreen.steps.action import Action, Result
from bluegreen.steps.world import World

UNIQUE_VIOLATION = "23505"


@dataclass(frozen=True, slots=True)
class TrafficFacts:
    """Where traffic goes, as servers and pointers say.

    Attributes:
        state: what the journal tells.
        fences: each side's fence.
        pointers: each pointer by id.
        stream: the subscription that follows the serving side, if there is one.
    """

    state: State
    fences: dict[Side, FenceFacts]
    pointers: dict[str, PointerFacts]
    stream: SubscriptionFacts | None

    @property
    def stream_was_live(self) -> bool:
        """Whether the other side ever followed the side that serves now."""
        last = self.state.last_move
        return last is None or last.way_back_open


def read_traffic(world: World) -> TrafficFacts:
    """Ask both servers and all pointers."""
    state = fold(world.journal.records())
    other = world.on(state.serving.other)
    return TrafficFacts(
        state,
        {side: read_fence(world.on(side)) for side in Side},
        {pointer.id: pointer.observe() for pointer in world.pointers},
        read_subscription(other, Channel(world.name, state.serving).name),
    )


def loose_ends(facts: TrafficFacts) -> list[str]:
    """What is not as it must be for the side that serves, in words. Pure."""
    serving = facts.state.serving
    ends = []
    if facts.state.open_move is not None:
        ends.append(f"a move to {facts.state.open_move.to} was begun and not ended")
    if not facts.fences[serving].is_open:
        ends.append(f"{serving} serves and its fence is closed")
    for name, pointer in facts.pointers.items():
        if pointer.names is not serving:
            ends.append(f"pointer {name} names {pointer.names or pointer.seen}")
        if pointer.paused:
            ends.append(f"pointer {name} holds clients back")
    stream = facts.stream
    if stream is not None and not stream.enabled and facts.stream_was_live:
        ends.append(f"{serving.other} does not follow {serving}: its stream is off")
    return ends


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
        strange = _not_ours(facts)
        if strange is not None:
            return strange
        ends = loose_ends(facts)
        if ends:
            return Needed("; ".join(ends))
        return Satisfied(f"{facts.state.serving} serves")

    def act(self, world: World, facts: TrafficFacts) -> Result:
        """Back out or finish."""
        claim_back_out(world)
        settle(world)
        return {"settled": loose_ends(facts)}


def _not_ours(facts: TrafficFacts) -> Refused | None:
    """A pointer that no move of ours can have left as it is."""
    moved = facts.state.epoch > 0 or facts.state.open_move is not None
    for name, pointer in facts.pointers.items():
        if pointer.names is None:
            return Refused(
                3007,
                f"pointer {name} names neither blue nor green",
                seen=f"it names {pointer.seen}",
                wanted="the address of blue or of green",
                hint="correct `blue` and `green` of the pointer in the playbook, or "
                "the pooler's configuration",
            )
        if not moved and pointer.names is Side.GREEN:
            return Refused(
                3007,
                f"pointer {name} names green though traffic was never moved",
                seen=f"it names {pointer.seen}",
                wanted="blue serves until the cutover",
                hint="are blue and green exchanged in the playbook?",
            )
        if not moved and pointer.paused:
            return Refused(
                3007,
                f"pointer {name} is paused and bluegreen did not pause it",
                seen="SHOW DATABASES says paused",
                wanted="a pooler that lets clients through",
                hint="find out who paused it; RESUME it on its console",
            )
    return None


def read_state(world: World) -> State:
    """What the journal tells, by one side alone when the other does not answer.

    Raises:
        BluegreenError: neither side answers.
    """
    try:
        return fold(world.journal.records())
    except (ServerGoneError, ServerRefused) as error:
        stories = [_one_story(world.on(side)) for side in Side]
        told = [fold(story) for story in stories if story is not None]
        if not told:
            raise error from None
        return max(told, key=lambda state: state.seq)


def _one_story(database: Database) -> list[Record] | None:
    try:
        return read_records(database)
    except (ServerGoneError, ServerRefused):
        return None


def claim_back_out(world: World) -> None:
    """Make sure that an open move can never commit, unless it has committed.

    The record takes the commit record's number on the side that would have written
    it. If that side cannot be reached it is quarantined: the record goes to the other
    side with a higher epoch, which wins whatever is found later.

    Raises:
        TrafficUnknownError: 7001; the side cannot be reached and a pointer names it,
            so clients may have written there.
    """
    state = read_state(world)
    move = state.open_move
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
    except (ServerGoneError, ServerRefused):
        _quarantine(world, state, move)
        return
    _best_effort(world.journal.reconcile)


def _quarantine(world: World, state: State, move: Move) -> None:
    """Say on the side that answers that the move is off, whatever the other holds.

    Only while every pointer still names the side that was left: then no client can
    have written to the other one.
    """
    _require_all_on(world, move.to.other)
    database = world.on(move.to.other)
    record = Record(
        seq=state.seq + 1,
        at=server_time(database),
        kind=Kind.BACKED_OUT,
        epoch=state.epoch + 2,
        run=move.run,
        action=move.action,
        body={"to": str(move.to), "quarantined": str(move.to)},
    )
    add_record(database, record)


def _require_all_on(world: World, side: Side) -> None:
    for pointer in world.pointers:
        names = pointer.observe().names
        if names is not side:
            raise TrafficUnknownError(
                7001,
                f"{side.other} does not answer, and pointer {pointer.id} leads to it",
                seen=f"pointer {pointer.id} names {names or 'neither side'}",
                wanted=f"an answer of {side.other}: clients may have written there",
                traffic=f"not confirmed; {side} is fenced and stays so",
                hint=f"bring {side.other} up again, then run `bluegreen run` again",
            )


def settle(world: World) -> None:
    """Make servers and pointers agree with the newest commit record. Repeatable.

    Clients come first: the fence of the serving side, then every pointer, and only
    then what nobody waits for. A part that fails does not keep the others from being
    done.

    Raises:
        TrafficUnknownError: 7001, naming every part that could not be confirmed.
    """
    serving = read_state(world).serving
    troubles = [
        _best_effort(partial(_take_writes, world, serving)),
        *(_best_effort(partial(_let_go, one, serving)) for one in world.pointers),
    ]
    found = [str(trouble.problem) for trouble in troubles if trouble is not None]
    if found:
        raise TrafficUnknownError(
            7001,
            "it cannot be confirmed that clients are served",
            seen="\n".join(found),
            wanted=f"{serving} takes writes and every pointer names it",
            traffic=f"{serving}, by the newest commit record",
            hint="mend what is named, then run `bluegreen status`, then run again",
        )
    _best_effort(partial(_follow, world, serving))


def _take_writes(world: World, serving: Side) -> None:
    database = world.on(serving)
    if not read_fence(database).is_open:
        open_fence(database)


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

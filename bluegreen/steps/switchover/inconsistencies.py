"""What a move that died may have left half-way.

Owns seeing it, in servers and pointers, and telling it from what others did.
Tying it up is for `recover.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from bluegreen.model.codes import Code
from bluegreen.model.history import State, fold
from bluegreen.model.side import Side
from bluegreen.model.verdict import Refused
from bluegreen.pointers.pointer import PointerFacts
from bluegreen.postgres.fence.fence import FenceFacts, read_fence
from bluegreen.postgres.replication.stream import (
    ReplicationStream,
    SubscriptionFacts,
    read_subscription,
)
from bluegreen.steps.world import World


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
        read_subscription(other, ReplicationStream(world.name, state.serving).name),
    )


def is_open_by_mistake(fence: FenceFacts) -> bool:
    """Whether the fence of a side that does not serve can be closed, and is not. Pure.

    Or was not for a while, as the triggers tell. Tables that were made since without a
    trigger cannot be closed here.
    """
    if fence.touched:
        return True
    if fence.is_closed or fence.missing == fence.tables:
        return False
    return fence.is_open or fence.missing == 0


def find_inconsistencies(facts: TrafficFacts) -> list[str]:
    """What is not as it must be for the side that serves, in words. Pure."""
    serving = facts.state.serving
    ends = []
    if facts.state.open_move is not None:
        ends.append(
            f"a move to {facts.state.open_move.to_side} was begun and not ended"
        )
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


def not_ours(facts: TrafficFacts) -> Refused | None:
    """A pointer that no move of ours can have left as it is."""
    moved = facts.state.epoch > 0 or facts.state.open_move is not None
    for name, pointer in facts.pointers.items():
        if pointer.names is None:
            return Refused(
                Code.POINTER_ELSEWHERE,
                f"pointer {name} names neither blue nor green",
                seen=f"it names {pointer.seen}",
                wanted="the address of blue or of green",
                hint="correct `blue` and `green` of the pointer in the playbook, or "
                "the pooler's configuration",
            )
        if not moved and pointer.names is Side.GREEN:
            return Refused(
                Code.POINTER_ELSEWHERE,
                f"pointer {name} names green though traffic was never moved",
                seen=f"it names {pointer.seen}",
                wanted="blue serves until the cutover",
                hint="are blue and green exchanged in the playbook?",
            )
        if not (moved or facts.state.pauses) and pointer.paused:
            return Refused(
                Code.POINTER_ELSEWHERE,
                f"pointer {name} is paused and bluegreen did not pause it",
                seen="SHOW DATABASES says paused",
                wanted="a pooler that lets clients through",
                hint="find out who paused it; RESUME it on its console",
            )
    return None

"""What opens the way back once traffic has moved, and what ends the stream it came by.

Owns these two actions. The reverse stream's objects were made by `arm.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from bluegreen.model import bodies
from bluegreen.model.codes import Code
from bluegreen.model.errors import StepError
from bluegreen.model.history import State, fold
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, NotYet, Satisfied, Verdict
from bluegreen.model.witness import FOUND_OPEN, Witness
from bluegreen.postgres.replication.marker import send_marker
from bluegreen.postgres.replication.publication import drop_publication
from bluegreen.postgres.replication.stream import (
    ReplicationStream,
    SlotFacts,
    SubscriptionFacts,
    advance_origin,
    drop_slot,
    drop_subscription,
    read_slot,
    read_subscription,
    start_stream,
)
from bluegreen.postgres.replication.witness import read_witness
from bluegreen.steps.action import Action, Result
from bluegreen.steps.switchover.newest import last_pause, require_newest
from bluegreen.steps.world import World

WAY_BACK_DEADLINE = timedelta(minutes=2)
"""Decoding starts at the slot's position: 226 MB of old WAL took 0.8 to 3.0 s."""


@dataclass(frozen=True, slots=True)
class WayBackFacts:
    """The reverse stream as it stands, and what the journal tells of it.

    Attributes:
        state: what the journal tells.
        subscription: the one on the side that was left.
        commit: the record of the last move that was committed.
        pause: number of the record that announced the newest pause; 0 without one.
    """

    state: State
    subscription: SubscriptionFacts | None
    commit: Record | None
    pause: int = 0


def _pause_of(records: Sequence[Record]) -> int:
    last = last_pause(records)
    return last.seq if last else 0


class StartReverseStream(Action[WayBackFacts]):
    """The side that was left follows the one that serves, proved by a marker row.

    Crash: before the subscription is enabled its origin is advanced again to the same
    position; after it only the marker is sent again.
    """

    no_undo = "it is what makes rollback possible"

    def __init__(self, step_id: str, to_side: Side) -> None:
        super().__init__(step_id)
        self.to_side = to_side
        self.title = f"{to_side.other} follows {to_side}: the way back is open"

    def observe(self, world: World) -> WayBackFacts:
        """The subscription on the side that was left, and the commit record."""
        records = world.journal.records()
        commits = [r for r in records if r.kind is Kind.COMMITTED]
        name = ReplicationStream(world.name, self.to_side).name
        return WayBackFacts(
            fold(records),
            read_subscription(world.on(self.to_side.other), name),
            commits[-1] if commits else None,
            _pause_of(records),
        )

    def judge(self, facts: WayBackFacts) -> Verdict:
        """Open once a marker came through since the move and the worker runs.

        Once blue was released no way back is wanted, and its stream is gone.
        """
        last = facts.state.last_move
        if facts.state.released:
            return Satisfied("blue was released")
        if facts.state.serving is not self.to_side or last is None:
            return NotYet(f"{self.to_side} does not serve yet")
        live = facts.subscription is not None and facts.subscription.enabled
        if live and last.way_back_open:
            return Satisfied(f"{self.to_side.other} follows")
        return Needed(f"{self.to_side.other} does not follow yet")

    def act(self, world: World, facts: WayBackFacts) -> Result:
        """Start the reverse stream right behind the commit point; prove it."""
        from_side, name = (
            world.on(self.to_side.other),
            ReplicationStream(world.name, self.to_side).name,
        )
        if facts.subscription is None or facts.commit is None:
            raise StepError(
                Code.STREAM_STOPPED,
                f"the subscription {name!r} on {self.to_side.other} is gone",
                wanted=f"the stream from {self.to_side} that was made before the move",
                traffic=str(self.to_side),
                hint=f"rollback is lost; {self.to_side.other} must be made again",
            )
        origin = None
        if not facts.subscription.enabled:
            behind = bodies.Committed.from_body(facts.commit.body).origin_position
            origin = advance_origin(from_side, name, behind)
            world.point("way_back/origin_advanced")
            # A side that was restarted may be another one by now; the lease tells.
            world.require_lease()
            if not start_stream(from_side, name, newest=facts.pause):
                require_newest(world, facts.pause)
            world.point("way_back/enabled")
        require_newest(world, facts.pause)
        # A marker of another disk would move the origin past what the newest one holds.
        world.require_lease()
        seconds = send_marker(
            world.on(self.to_side),
            from_side,
            deadline=WAY_BACK_DEADLINE,
            clock=world.clock,
        )
        known = _known_whole(
            facts.state, read_witness(from_side, name, world.on(self.to_side))
        )
        body = bodies.WayBackOpen(round(seconds, 3), known, origin).as_body()
        world.journal.append(Kind.WAY_BACK_OPEN, action=self.id, body=body)
        return body


def _known_whole(state: State, now: Witness) -> Witness:
    """The follower when it last held every row: as the commit record has it. Pure.

    Starting its stream altered the subscription. A proof that stands, of a way back
    that was opened before, is not replaced, nor is a doubt.
    """
    if state.witness is None:
        return now
    then, last = state.witness, state.last_move
    if then.stream.startswith(FOUND_OPEN) or (last and last.way_back_open):
        return then
    return replace(then, stream=now.stream)


@dataclass(frozen=True, slots=True)
class OldStreamFacts:
    """What is left of the stream that fed the side that serves now.

    Attributes:
        subscription: on the side that serves.
        slot: on the side that was left.
        open: whether the way back is.
        pause: number of the record that announced the newest pause; 0 without one.
    """

    subscription: SubscriptionFacts | None
    slot: SlotFacts | None
    open: bool
    pause: int = 0


class DropOldStream(Action[OldStreamFacts]):
    """Nothing is kept for a stream that is over: no slot holds WAL on the left side.

    Crash: the subscription goes first, so that no worker asks for a slot that is gone.
    """

    no_undo = "the next move makes a new stream"

    def __init__(self, step_id: str, to_side: Side) -> None:
        super().__init__(step_id)
        self.to_side = to_side
        self.title = f"the stream from {to_side.other} to {to_side} is retired"

    def observe(self, world: World) -> OldStreamFacts:
        """Subscription and slot of the spent stream."""
        name = ReplicationStream(world.name, self.to_side.other).name
        records = world.journal.records()
        last = fold(records).last_move
        return OldStreamFacts(
            read_subscription(world.on(self.to_side), name),
            read_slot(world.on(self.to_side.other), name),
            last is not None and last.to_side is self.to_side and last.way_back_open,
            _pause_of(records),
        )

    def judge(self, facts: OldStreamFacts) -> Verdict:
        """Only after the way back is open is the stream spent."""
        if not facts.open:
            return NotYet("the way back is not open yet")
        if facts.subscription is None and facts.slot is None:
            return Satisfied("nothing is left of it")
        return Needed("its subscription or slot is still there")

    def act(self, world: World, facts: OldStreamFacts) -> Result:
        """Drop the subscription, the slot and the publication.

        A later move makes objects of the same names, so each asks whose it is.
        """
        name, from_side = (
            ReplicationStream(world.name, self.to_side.other).name,
            world.on(self.to_side.other),
        )
        require_newest(world, facts.pause)
        drop_subscription(world.on(self.to_side), name, world.clock)
        world.point("way_back/subscription_dropped")
        require_newest(world, facts.pause)
        # A side that came back with an older disk still needs this slot.
        world.require_lease()
        drop_slot(from_side, name, world.clock)
        require_newest(world, facts.pause)
        world.require_lease()
        drop_publication(from_side, name)
        return {}

"""Giving a move up before its cutover: what was made for it is taken away again.

Owns who may, the order, and what stays. How one thing is taken away is its action's
`undo`. Every part may be repeated, so a cancel that was cut short is called again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bluegreen.engine.plan import expand
from bluegreen.engine.traffic import say_serving
from bluegreen.model.codes import Code
from bluegreen.model.errors import LeaseRefused
from bluegreen.model.history import State, fold
from bluegreen.model.record import Kind
from bluegreen.model.side import Side
from bluegreen.postgres.journal import own_schema
from bluegreen.postgres.replication.stream import (
    ReplicationStream,
    drop_subscription,
    stop_stream,
)
from bluegreen.postgres.replication.sync_slots import SyncSlots
from bluegreen.steps.action import Action
from bluegreen.steps.contract import Step
from bluegreen.steps.world import World

_STOPS_WITHIN = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What came of it.

    Attributes:
        undone: ids of the actions whose work was taken away, in that order.
        stays: what is left on the servers, a line each.
    """

    undone: tuple[str, ...]
    stays: tuple[str, ...]


def actions_to_undo(steps: Sequence[Step]) -> Sequence[Action[Any]]:
    """Those that leave something behind, the last one first. Pure."""
    made = [action for action in expand(steps) if not action.no_undo]
    return made[::-1]


def cancel(world: World, steps: Sequence[Step], *, forget: bool) -> Cancelled:
    """Take away all that was made for a move which was not made.

    Call it with the lease held, and every switchover recovered.

    Args:
        world: the handles.
        steps: the playbook's.
        forget: drop our schema on both sides too, and with it the journal.

    Raises:
        LeaseRefused: 8006, traffic has moved, so there is nothing to cancel.
        StepError: something could not be taken away; call it again.
    """
    require_cancellable(fold(world.journal.records()))
    world.require_lease()
    # First of all: the workers of a copy hold locks that all else would wait for.
    _end_copies(world)
    for side in Side:
        name = ReplicationStream(world.name, side).name
        drop_subscription(world.on(side.other), name, world.clock)
    undone = list(_undo_all(world, actions_to_undo(steps)))
    if forget:
        for side in (Side.GREEN, Side.BLUE):
            own_schema.remove(world.on(side))
    else:
        world.journal.append(Kind.NOTE, body={"cancelled": len(undone)})
    return Cancelled(tuple(undone), tuple(_what_stays(forget=forget)))


def _end_copies(world: World) -> None:
    """Their slots go while the subscription is there: nothing else tells whose."""
    name = ReplicationStream(world.name, Side.BLUE).name
    slots = SyncSlots.of(world.green, name)
    if slots.subscription:
        stop_stream(world.green, name, clock=world.clock, deadline=_STOPS_WITHIN)
        world.point("cancel/stream_stopped")
        slots.drop(world.blue, world.clock)


def _undo_all(world: World, actions: Sequence[Action[Any]]) -> Iterator[str]:
    for action in actions:
        world.require_lease()
        world.point(f"cancel/{action.id}")
        action.undo(world, action.observe(world))
        yield action.id


def require_cancellable(state: State) -> None:
    """Refuse once green serves, or blue is gone. Pure.

    Raises:
        LeaseRefused: 8006.
    """
    if state.serving is Side.BLUE and not state.released:
        return
    raise LeaseRefused(
        Code.NOTHING_TO_CANCEL,
        "there is no switchover to cancel: green serves",
        seen="the journal tells of a cutover",
        wanted="a move whose cutover was not made",
        traffic=say_serving(state),
        hint="`bluegreen decommission` lets blue go once its time has come"
        if state.released
        else "`bluegreen rollback PLAYBOOK` sends traffic back to blue without losing "
        "a write; cancel after it, or keep green",
    )


def _what_stays(*, forget: bool) -> Iterator[str]:
    yield (
        "green keeps the schema, the rows and the migrations that it was given; make "
        "it an empty database before the next run"
    )
    yield "green refuses no writes any more: keep clients off it"
    if not forget:
        yield (
            "schema bluegreen on both sides, with the journal; `--forget` drops it, "
            "and what was done can then no longer be told"
        )
    yield "backups, certificates and roles are yours to remove"

"""The actions of a whole movement, in order. Owns nothing but the order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bluegreen.model.history import State
from bluegreen.steps.action import Action
from bluegreen.steps.switchover.arm import (
    CreateCounterPublication,
    CreateCounterSlot,
    CreateCounterSubscription,
    CreateFence,
)
from bluegreen.steps.switchover.certify import WriteCertificate
from bluegreen.steps.switchover.left_behind import NameLeftBehind
from bluegreen.steps.switchover.movement import Movement
from bluegreen.steps.switchover.reverse_stream import OpenWayBack, RetireSpentStream
from bluegreen.steps.switchover.table_set import NoteTables
from bluegreen.steps.switchover.traffic import MoveTraffic


def actions_that_confirm(step_id: str, state: State) -> tuple[Action[Any], ...]:
    """What a move needs first that was cut short right behind its commit point.

    The guard lets clients in and says no more; that every pointer leads to the side
    that serves is not in the journal yet, and the way back waits for it.
    """
    last = state.last_move
    if last is None or last.moved:
        return ()
    return (MoveTraffic(step_id, Movement(last.to)),)


def actions_that_finish(step_id: str, state: State) -> tuple[Action[Any], ...]:
    """What a move that was cut short behind its commit point still needs.

    Before all else of a new run: a stream that is enabled before its origin stands at
    the commit point would send rows twice.
    """
    if state.last_move is None:
        return ()
    to = state.last_move.to
    return (
        *actions_that_confirm(step_id, state),
        OpenWayBack(step_id, to),
        # The spent stream says what it carried.
        NameLeftBehind(step_id, to),
        RetireSpentStream(step_id, to),
        WriteCertificate(step_id, to),
    )


def actions_of_move(
    step_id: str,
    movement: Movement,
    gates: Sequence[Action[Any]] = (),
    first: Sequence[Action[Any]] = (),
) -> tuple[Action[Any], ...]:
    """Note the tables, arm, move, open the way back, retire what is spent, certify.

    `first` judges the tables that were noted, `gates` come last before traffic moves.
    """
    to = movement.to
    return (
        NoteTables(step_id, to),
        *first,
        CreateFence(step_id, movement.left, "open"),
        CreateFence(step_id, to, "closed"),
        CreateCounterPublication(step_id, to),
        CreateCounterSlot(step_id, to),
        CreateCounterSubscription(step_id, to),
        *gates,
        MoveTraffic(step_id, movement),
        OpenWayBack(step_id, to),
        # The spent stream says what it carried.
        NameLeftBehind(step_id, to),
        RetireSpentStream(step_id, to),
        WriteCertificate(step_id, to),
    )

"""The actions of a whole movement, in order. Owns nothing but the order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bluegreen.model.history import State
from bluegreen.steps.action import Action
from bluegreen.steps.switchover.arm import (
    CreateFence,
    CreateReversePublication,
    CreateReverseSlot,
    CreateReverseSubscription,
)
from bluegreen.steps.switchover.certify import WriteCertificate
from bluegreen.steps.switchover.left_behind import NameLeftBehind
from bluegreen.steps.switchover.names import EndSessions
from bluegreen.steps.switchover.reverse_stream import DropOldStream, StartReverseStream
from bluegreen.steps.switchover.switchover import Switchover
from bluegreen.steps.switchover.table_set import NoteTables
from bluegreen.steps.switchover.traffic import SwitchTraffic


def actions_that_confirm(step_id: str, state: State) -> tuple[Action[Any], ...]:
    """What a move needs first that was cut short right behind its commit point.

    The guard lets clients in and says no more; that every pointer leads to the side
    that serves is not in the journal yet, and the certificate waits for it.
    """
    last = state.last_move
    if last is None or last.moved:
        return ()
    return (SwitchTraffic(step_id, Switchover(last.to_side)),)


def actions_that_finish(step_id: str, state: State) -> tuple[Action[Any], ...]:
    """What a move that was cut short behind its commit point still needs.

    Before all else of a new run: a stream that is enabled before its origin stands at
    the commit point would send rows twice.
    """
    if state.last_move is None:
        return ()
    to_side = state.last_move.to_side
    return (
        *actions_that_confirm(step_id, state),
        StartReverseStream(step_id, to_side),
        # The spent stream says what it carried.
        NameLeftBehind(step_id, to_side),
        DropOldStream(step_id, to_side),
        WriteCertificate(step_id, to_side),
    )


def actions_of_switchover(
    step_id: str,
    switchover: Switchover,
    gates: Sequence[Action[Any]] = (),
    first: Sequence[Action[Any]] = (),
) -> tuple[Action[Any], ...]:
    """Note the tables, arm, move, open the way back, retire what is spent, certify.

    Where the limits say so, sessions that stay behind are ended last.

    `first` judges the tables that were noted, `gates` come last before traffic moves.
    """
    to_side, span = switchover.to_side, switchover.limits.end_sessions
    last = (EndSessions(step_id, to_side, span),) if span else ()
    return (
        NoteTables(step_id, to_side),
        *first,
        CreateFence(step_id, switchover.from_side, "open"),
        CreateFence(step_id, to_side, "closed"),
        CreateReversePublication(step_id, to_side),
        CreateReverseSlot(step_id, to_side),
        CreateReverseSubscription(step_id, to_side),
        *gates,
        SwitchTraffic(step_id, switchover),
        StartReverseStream(step_id, to_side),
        # The spent stream says what it carried.
        NameLeftBehind(step_id, to_side),
        DropOldStream(step_id, to_side),
        WriteCertificate(step_id, to_side),
        # The longest of all, and nothing waits for it.
        *last,
    )

"""Which side serves, in one line for the end of an error.

Owns asking the journal and every pointer, and saying so when they disagree or cannot
be asked. The long answer is `status.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta

from bluegreen.model.errors import BluegreenError, ServerRefused
from bluegreen.model.history import State, fold
from bluegreen.model.side import Side
from bluegreen.postgres.database import Database
from bluegreen.postgres.fence.fence import read_fence
from bluegreen.postgres.hang_up import hung_up_after
from bluegreen.postgres.journal.table import read_records
from bluegreen.steps.world import World

ANSWER_WITHIN = timedelta(seconds=5)
"""The error that this line ends may come from a server that fell silent: telling it
must not wait for the same server."""


def traffic_line(world: World) -> str:
    """`blue (nothing has moved)`, `green (…)`, or `not confirmed: …`. Never raises."""
    try:
        with hung_up_after(ANSWER_WITHIN, world.blue, world.green):
            state = fold(world.journal.records())
        named = {p.id: p.observe().names for p in world.pointers}
    except BluegreenError as error:
        return _by_the_one_that_serves(world) or f"not confirmed: {error.problem}"
    if state.open_move is not None:
        return "not confirmed: a move was begun and has not ended; run `bluegreen run`"
    odd = [
        f"pointer {pointer!r} names {side or 'neither side'}"
        for pointer, side in named.items()
        if side is not state.serving
    ]
    if odd:
        return f"not confirmed: the journal says {state.serving}, {', '.join(odd)}"
    return say_serving(state)


def require_reachable(sides: Iterable[Database], world: World | None = None) -> None:
    """See that both sides answer, before anything is done that needs both.

    Args:
        sides: blue and green.
        world: with its pointers, to say who serves meanwhile.

    Raises:
        ServerRefused: 3001, naming all that does not answer.
    """
    away = []
    for database in sides:
        try:
            _ = database.session
        except ServerRefused as error:
            away.append(error)
    if not away:
        return
    first, *others = away
    if others:
        seen = "\n".join(f"{one.problem}: {one.seen}" for one in away)
        first.problem, first.seen = "neither blue nor green can be reached", seen
        first.wanted = "a session on each of them"
    elif world:
        first.traffic = _by_the_one_that_serves(world)
    raise first


def _by_the_one_that_serves(world: World) -> str:
    """The side that proves by itself that it serves; empty where none does.

    Its journal says so, every pointer names it and its fence is open: the fence of the
    side that is left is closed before the commit point, so no move can have gone past.
    """
    for side in Side:
        with suppress(BluegreenError), hung_up_after(ANSWER_WITHIN, world.on(side)):
            state = fold(read_records(world.on(side)))
            named = {pointer.observe().names for pointer in world.pointers}
            is_open = read_fence(world.on(side)).is_open
            if state.serving is side and not state.open_move and named == {side}:
                return say_serving(state) if is_open else ""
    return ""


def say_serving(state: State) -> str:
    """What the journal says of it. Pure."""
    move = state.last_move
    if move is None or move.committed is None:
        return f"{state.serving} (nothing has moved)"
    return f"{state.serving} (since {move.committed:%Y-%m-%d %H:%M:%S} UTC)"

"""Which side serves, in one line for the end of an error.

Owns asking the journal and every pointer, and saying so when they disagree or cannot
be asked. The long answer is `status.py`'s.
"""

from __future__ import annotations

from datetime import timedelta

from bluegreen.model.errors import BluegreenError
from bluegreen.model.history import State, fold
from bluegreen.postgres.database import hung_up_after
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
        return f"not confirmed: {error.problem}"
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


def say_serving(state: State) -> str:
    """What the journal says of it. Pure."""
    move = state.last_move
    if move is None or move.committed is None:
        return f"{state.serving} (nothing has moved)"
    return f"{state.serving} (since {move.committed:%Y-%m-%d %H:%M:%S} UTC)"

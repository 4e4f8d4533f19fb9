"""Which watches there are, and a round over them.

Owns the list, the order in which findings are told, and the scene of a round.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from bluegreen.model.history import State, fold, with_green
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.steps.monitors.drift import WatchDrift
from bluegreen.steps.monitors.follower import WatchFollower
from bluegreen.steps.monitors.foreign_slots import WatchForeignSlots
from bluegreen.steps.monitors.heartbeats import WatchHeartbeats
from bluegreen.steps.monitors.kept_wal import WatchKeptWal
from bluegreen.steps.monitors.monitor import Scene, Stops, Watch, Watched, look_through
from bluegreen.steps.monitors.sequences import WatchSequences
from bluegreen.steps.monitors.servers import WatchServers
from bluegreen.steps.monitors.settings import WatchSettings
from bluegreen.steps.monitors.stream import WatchStream
from bluegreen.steps.monitors.transactions import WatchTransactions
from bluegreen.steps.monitors.way_back_fits import WatchWayBackFits
from bluegreen.steps.world import World

WATCHES: tuple[Watch[Any], ...] = (
    WatchHeartbeats(),
    WatchStream(),
    WatchFollower(),
    WatchWayBackFits(),
    WatchSequences(),
    WatchServers(),
    WatchSettings(),
    WatchKeptWal(),
    WatchDrift(),
    WatchForeignSlots(),
    WatchTransactions(),
)
"""In the order in which findings of one weight are told."""


def scene_of(
    world: World,
    records: Sequence[Record],
    state: State | None = None,
    away: Collection[Side] = (),
    green: str = "",
) -> Scene:
    """What the watches look at, by the journal's records as they were read.

    `green` is the identity that green tells, where it was asked: one that was made anew
    while blue serves has nothing to do with what was told of the former one.
    """
    state = fold(records) if state is None else state
    if green and state.serving is Side.BLUE:
        state = with_green(state, green)
    return Scene(
        world.name,
        world.blue,
        world.green,
        state,
        [record for record in records if record.kind is Kind.WATCHED],
        world.limits,
        frozenset(away),
    )


def look_round(
    scene: Scene, watches: Iterable[Watch[Any]] = WATCHES
) -> tuple[Watched, ...]:
    """Everything that the watches say, worst first. Raises nothing of ours."""
    return worst_first(one for watch in watches for one in look_through(watch, scene))


def worst_first(found: Iterable[Watched]) -> tuple[Watched, ...]:
    """What stops more comes first, then what stands worse. Pure, and stable."""
    order = [watch.id for watch in WATCHES]
    weights = list(Stops)

    def weight(one: Watched) -> tuple[int, int, int]:
        place = order.index(one.watch) if one.watch in order else len(order)
        return -weights.index(one.stops), -one.standing.rank, place

    return tuple(sorted(found, key=weight))

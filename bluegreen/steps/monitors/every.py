"""Which monitors there are, and a round over them.

Owns the list, the order in which findings are told, and what a round may look at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from bluegreen.model.finding import Finding
from bluegreen.model.history import State, fold, with_green
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.steps.monitors.application import MonitorApplication
from bluegreen.steps.monitors.drift import MonitorDrift
from bluegreen.steps.monitors.follower import MonitorFollower
from bluegreen.steps.monitors.foreign_slots import MonitorForeignSlots
from bluegreen.steps.monitors.heartbeats import MonitorHeartbeats
from bluegreen.steps.monitors.kept_wal import MonitorKeptWal
from bluegreen.steps.monitors.monitor import Monitor, Round, look_through
from bluegreen.steps.monitors.pointers import MonitorPointers
from bluegreen.steps.monitors.sequences import MonitorSequences
from bluegreen.steps.monitors.servers import MonitorServers
from bluegreen.steps.monitors.settings import MonitorSettings
from bluegreen.steps.monitors.stayed import MonitorStayed
from bluegreen.steps.monitors.stream import MonitorStream
from bluegreen.steps.monitors.transactions import MonitorTransactions
from bluegreen.steps.monitors.way_back_fits import MonitorWayBackFits
from bluegreen.steps.world import World

MONITORS: tuple[Monitor[Any], ...] = (
    MonitorHeartbeats(),
    MonitorStream(),
    MonitorFollower(),
    MonitorWayBackFits(),
    MonitorSequences(),
    MonitorServers(),
    MonitorPointers(),
    MonitorStayed(),
    MonitorSettings(),
    MonitorApplication(),
    MonitorKeptWal(),
    MonitorDrift(),
    MonitorForeignSlots(),
    MonitorTransactions(),
)
"""In the order in which findings of one weight are told."""


def round_of(
    world: World,
    records: Sequence[Record],
    state: State | None = None,
    away: Collection[Side] = (),
    green: str = "",
) -> Round:
    """What the monitors look at, by the journal's records as they were read.

    `green` is the identity that green tells, where it was asked: one that was made
    again while blue serves has nothing to do with what was told of the former one.
    """
    state = fold(records) if state is None else state
    if green and state.serving is Side.BLUE:
        state = with_green(state, green)
    return Round(
        **vars(world),
        state=state,
        remembered=[record for record in records if record.kind is Kind.MONITORED],
        away=frozenset(away),
    )


def look_round(
    world: Round, monitors: Iterable[Monitor[Any]] = MONITORS
) -> tuple[Finding, ...]:
    """Everything that the monitors say, worst first. Raises nothing of ours."""
    return worst_first(
        one for monitor in monitors for one in look_through(monitor, world)
    )


def worst_first(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """What stops more comes first, then what stands worse. Pure, and stable."""
    order = [monitor.id for monitor in MONITORS]

    def weight(one: Finding) -> tuple[int, int, int]:
        place = order.index(one.id) if one.id in order else len(order)
        return -one.blocks.rank, -one.severity.rank, place

    return tuple(sorted(found, key=weight))

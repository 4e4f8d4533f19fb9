"""Heartbeats as a run, a wait or a look at the status sends them.

Owns whether one is due, waiting for it, and forgetting old ones. The rows are in
`postgres/replication/heartbeat.py`.
"""

from __future__ import annotations

import time

from bluegreen.model.errors import BluegreenError
from bluegreen.postgres.journal.own_schema import is_built
from bluegreen.postgres.replication.heartbeat import (
    KEPT,
    forget_beats,
    read_beats,
    write_beat,
)
from bluegreen.postgres.replication.stream import read_subscription
from bluegreen.steps.monitors.monitor import Round

_POLL_S = 0.02


def write_heartbeat(world: Round) -> bool:
    """Write one where the other side takes it; False where there is no such stream.

    A side that is away, or refuses, is for the monitors to tell.
    """
    state, name = world.state, world.feeding.name
    if state.abandoned or not world.is_way_back_expected:
        return False
    try:
        publisher = world.on(state.serving)
        return (
            is_built(publisher)
            and _is_counted_on(world, name)
            and write_beat(publisher, name)
        )
    except BluegreenError:
        return False


def _is_counted_on(world: Round, name: str) -> bool:
    """Whether the other side subscribes, or is away and may.

    Not whether there is a slot: what is written while it is gone is what proves it.
    """
    subscriber = world.state.serving.other
    return (
        subscriber in world.away
        or read_subscription(world.on(subscriber), name) is not None
    )


def await_heartbeat(world: Round, within_s: float) -> None:
    """Wait until the newest one has come or is known to be lost; not for longer."""
    serving, name = world.state.serving, world.feeding.name
    end = time.monotonic() + within_s
    try:
        publisher, subscriber = world.on(serving), world.on(serving.other)
        if read_subscription(subscriber, name) is None:
            return
        while time.monotonic() < end:
            beats = read_beats(publisher, subscriber, name, world.state.epoch)
            if beats.lost or beats.came >= beats.last:
                return
            time.sleep(_POLL_S)
    except BluegreenError:
        return


def forget_heartbeats(world: Round) -> None:
    """Delete those long arrived, and none above a sign that rows were lost."""
    serving, name, epoch = world.state.serving, world.feeding.name, world.state.epoch
    try:
        publisher, subscriber = world.on(serving), world.on(serving.other)
        beats = read_beats(publisher, subscriber, name, epoch)
        signs = [beats.came, *beats.lost, beats.recreated or beats.came]
        forget_beats(publisher, epoch, min(signs) - KEPT)
    except BluegreenError:
        return

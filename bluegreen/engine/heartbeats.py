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
from bluegreen.steps.monitors.monitor import Scene

_POLL_S = 0.02


def write_heartbeat(scene: Scene) -> bool:
    """Write one where the other side takes it; False where there is no such stream.

    A side that is away, or refuses, is for the monitors to tell.
    """
    state, name = scene.state, scene.feeding.name
    if state.abandoned or not scene.is_way_back_expected:
        return False
    try:
        publisher = scene.on(state.serving)
        return (
            is_built(publisher)
            and _is_counted_on(scene, name)
            and write_beat(publisher, name)
        )
    except BluegreenError:
        return False


def _is_counted_on(scene: Scene, name: str) -> bool:
    """Whether the other side subscribes, or is away and may.

    Not whether there is a slot: what is written while it is gone is what proves it.
    """
    subscriber = scene.state.serving.other
    return (
        subscriber in scene.away
        or read_subscription(scene.on(subscriber), name) is not None
    )


def await_heartbeat(scene: Scene, within_s: float) -> None:
    """Wait until the newest one has come or is known to be lost; not for longer."""
    serving, name = scene.state.serving, scene.feeding.name
    end = time.monotonic() + within_s
    try:
        publisher, subscriber = scene.on(serving), scene.on(serving.other)
        if read_subscription(subscriber, name) is None:
            return
        while time.monotonic() < end:
            beats = read_beats(publisher, subscriber, name, scene.state.epoch)
            if beats.lost or beats.came >= beats.last:
                return
            time.sleep(_POLL_S)
    except BluegreenError:
        return


def forget_heartbeats(scene: Scene) -> None:
    """Delete those long arrived, and none above a sign that rows were lost."""
    serving, name, epoch = scene.state.serving, scene.feeding.name, scene.state.epoch
    try:
        publisher, subscriber = scene.on(serving), scene.on(serving.other)
        beats = read_beats(publisher, subscriber, name, epoch)
        signs = [beats.came, *beats.lost, beats.recreated or beats.came]
        forget_beats(publisher, epoch, min(signs) - KEPT)
    except BluegreenError:
        return

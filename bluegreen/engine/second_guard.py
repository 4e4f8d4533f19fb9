"""A second guard, on another host: it acts where the tool and its guard died together.

Owns when a pause counts as abandoned. What is done then is the first guard's own act
(`guard.py`), by the rule of `recover.py`; a pause that is not ours to end any more is
left alone there.

A pause is known by its record. How long it has been open is measured by this process,
from the moment when it first saw the record: no clock of another host is believed.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from threading import Event

from bluegreen.engine.guard import (
    RELEASE_AFTER_S,
    TRY_LASTS,
    end_pause,
    guard_spec,
    guard_world,
)
from bluegreen.engine.journal import TwinJournal
from bluegreen.engine.lifeline import LOOK_ENDS, Lifeline
from bluegreen.model.errors import BluegreenError
from bluegreen.model.record import Record
from bluegreen.model.side import Side
from bluegreen.postgres.database import hung_up_after
from bluegreen.postgres.journal.table import open_pause
from bluegreen.steps.switchover.inconsistencies import (
    find_inconsistencies,
    read_traffic,
)
from bluegreen.steps.world import World

LOOK_EVERY_S = 0.2
"""One short query a side."""

AFTER = timedelta(seconds=2)
"""How long after the budget it acts: the first guard acts a quarter of a second after
it, and has let the clients go another quarter later."""

WHY = "the tool and its guard were silent"


def stand_by(
    world: World, budget: timedelta, *, until: Event, tell: Callable[[str], None]
) -> None:
    """Look for an abandoned pause until `until` is set, and end what is found.

    Args:
        world: the handles; only what they were made of is used.
        budget: the longest pause that a switchover of the playbook may make.
        until: set to stop; a pause that is being ended is ended first.
        tell: takes a line for each pause that was ended, or could not be.
    """
    seen = guard_world(guard_spec(world, "", budget))
    patience_s = (budget + AFTER).total_seconds()
    number, since = 0, time.monotonic()
    while not until.wait(LOOK_EVERY_S):
        pause = _open_pause(seen)
        if pause is None:
            continue
        if pause.seq != number:
            number, since = pause.seq, time.monotonic()
        elif time.monotonic() - since > patience_s:
            tell(_end(world, pause, budget))
            # Once more only if it is still open after as long again.
            since = time.monotonic()


def _open_pause(world: World) -> Record | None:
    """As the side tells it that knows most; None where neither answers."""
    found = []
    for side in Side:
        with suppress(BluegreenError), hung_up_after(LOOK_ENDS, world.on(side)):
            found.append(open_pause(world.on(side)))
    told = [record for record in found if record is not None]
    return max(told, key=lambda record: record.seq) if told else None


def _end(world: World, pause: Record, budget: timedelta) -> str:
    """Do what a first guard does; says what came of it."""
    spec = guard_spec(world, pause.run, budget)
    ours, lifeline = guard_world(spec), Lifeline(spec)
    name = f"guard {socket.gethostname()[:30]} {os.getpid()}"
    journal = TwinJournal(ours.blue, ours.green, pause.run, name)
    ours = replace(ours, journal=journal)
    with suppress(BluegreenError):
        facts = read_traffic(ours)
        if facts.state.open_move is None and not find_inconsistencies(facts):
            return f"run {pause.run}: {facts.state.serving} serves, nothing was to do"
    try_once = partial(hung_up_after, TRY_LASTS, ours.blue, ours.green)
    with lifeline.pulled_at(time.monotonic() + RELEASE_AFTER_S) as over:
        if not end_pause(ours, WHY, pause.run, try_once):
            return f"run {pause.run}: its pause could not be ended; see status"
        over.set()
    return f"run {pause.run}: its pause was abandoned and is ended; see status"

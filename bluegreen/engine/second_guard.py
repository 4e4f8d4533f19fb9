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
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
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
from bluegreen.model.progress import Progress
from bluegreen.model.record import Record
from bluegreen.model.side import Side
from bluegreen.postgres.hang_up import hung_up_after
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


class Outcome(StrEnum):
    """What came of an abandoned pause, as it is told."""

    ENDED = "its pause was abandoned and is ended"
    NOT_ENDED = "its pause is not ended yet"
    NOTHING_TO_DO = "clients are served; only its last record is missing"


def stand_by(world: World, budget: timedelta, *, until: Event) -> None:
    """Look for an abandoned pause until `until` is set, and end what is found.

    Args:
        world: the handles; only what they were made of is used.
        budget: the longest pause that a switchover of the playbook may make.
        until: set to stop; a pause that is being ended is ended first.
    """
    seen = guard_world(guard_spec(world, "", budget))
    patience_s = (budget + AFTER).total_seconds()
    number, since, ended = 0, time.monotonic(), 0
    while not until.wait(LOOK_EVERY_S):
        pause = _open_pause(seen)
        if pause is None or pause.seq == ended:
            continue
        if pause.seq != number:
            number, since = pause.seq, time.monotonic()
        elif time.monotonic() - since > patience_s:
            outcome = _end(world, pause, budget)
            # What was not ended is tried again after as long.
            since = time.monotonic()
            if outcome is not Outcome.NOT_ENDED:
                ended = pause.seq
            if outcome is not Outcome.NOTHING_TO_DO:
                text = f"run {pause.run}: {outcome}; see `bluegreen status`"
                world.tell(Progress("pause_abandoned", text))


def _open_pause(world: World) -> Record | None:
    """As the side tells it that knows most; None where neither answers."""
    found = []
    for side in Side:
        with suppress(BluegreenError), hung_up_after(LOOK_ENDS, world.on(side)):
            found.append(open_pause(world.on(side)))
    told = [record for record in found if record is not None]
    return max(told, key=lambda record: record.seq) if told else None


def _end(world: World, pause: Record, budget: timedelta) -> Outcome:
    """Do what a first guard does."""
    spec = guard_spec(world, pause.run, budget)
    ours, lifeline = guard_world(spec), Lifeline(spec)
    with ExitStack() as stack:
        for database in (ours.blue, ours.green):
            stack.callback(database.close)
        for pointer in ours.pointers:
            stack.callback(pointer.close)
        stack.callback(lifeline.close)
        if _is_well(ours):
            return Outcome.NOTHING_TO_DO
        name = f"guard {socket.gethostname()[:30]} {os.getpid()}"
        journal = TwinJournal(ours.blue, ours.green, pause.run, name)
        acting = replace(ours, journal=journal)
        try_once = partial(hung_up_after, TRY_LASTS, ours.blue, ours.green)
        with lifeline.pulled_at(time.monotonic() + RELEASE_AFTER_S) as over:
            if not end_pause(acting, WHY, pause.run, try_once):
                return Outcome.NOT_ENDED
            over.set()
    return Outcome.ENDED


def _is_well(world: World) -> bool:
    """Whether a move that was committed lacks its last record alone."""
    with suppress(BluegreenError):
        facts = read_traffic(world)
        return facts.state.open_move is None and not find_inconsistencies(facts)
    return False

"""What the runner tells while it works, as values.

Owns their fields; showing them is for `report/`. Long work inside an act tells
`model.progress.Progress` through the same ear.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from bluegreen.model.progress import Progress


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins: its id and the playbook's name."""

    run: str
    playbook: str


@dataclass(frozen=True, slots=True)
class ActionSatisfied:
    """Nothing was to be done; `why` says what holds."""

    action: str
    title: str
    why: str


@dataclass(frozen=True, slots=True)
class ActionStarted:
    """An act begins.

    Attributes:
        action: its id.
        title: the wanted state.
        why: what it is needed for.
        critical: whether clients may be held back in it.
    """

    action: str
    title: str
    why: str
    critical: bool = False


@dataclass(frozen=True, slots=True)
class ActionDone:
    """An act ended and its wanted state was seen.

    Attributes:
        action: its id.
        title: the wanted state.
        why: what holds now.
        seconds: from the first look until the state was seen.
    """

    action: str
    title: str
    why: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ActionWaits:
    """Someone or something else must move first.

    Attributes:
        action: its id.
        title: the wanted state.
        why: what is waited for.
        part: from 0 to 1 where it is known.
        seconds: waited so far.
        patience_s: when the wait is given up; None for never.
    """

    action: str
    title: str
    why: str
    part: float | None
    seconds: float
    patience_s: float | None


@dataclass(frozen=True, slots=True)
class MonitorChanged:
    """A monitor sees something else than before.

    Attributes:
        id: the monitor's.
        where: the side or the direction.
        severity: `ok`, `info`, `warning`, `unknown` or `critical`.
        was: the same before.
        seen: in plain words.
        fix: what a person does now; may be empty.
        blocks: `nothing`, `switchover` or `run`.
    """

    id: str
    where: str
    severity: str
    was: str
    seen: str
    fix: str
    blocks: str


@dataclass(frozen=True, slots=True)
class StopAsked:
    """Ctrl-C or SIGTERM came; the run stops at the next safe point."""


@dataclass(frozen=True, slots=True)
class RunEnded:
    """All that could be done was done.

    Attributes:
        run: its id.
        seconds: how long it took.
        acted: ids of the actions that changed something.
        waiting: what an end that is left to time waits for; empty otherwise.
        serving: the side that serves, as the journal tells; empty where it is not told.
        pause_ms: how long clients waited, where this run moved traffic.
        client_errors: SQLSTATEs that its probe met meanwhile; None without a probe.
        rollback: the command that sends traffic back; empty where nothing would.
        rollback_until: the end of the rollback window, where one is open.
    """

    run: str
    seconds: float
    acted: tuple[str, ...]
    waiting: str = ""
    serving: str = ""
    pause_ms: float | None = None
    client_errors: tuple[str, ...] | None = None
    rollback: str = ""
    rollback_until: datetime | None = None


Event = (
    RunStarted
    | ActionSatisfied
    | ActionStarted
    | ActionDone
    | ActionWaits
    | MonitorChanged
    | StopAsked
    | RunEnded
    | Progress
)
Tell = Callable[[Event], None]

"""The handles that a step gets: both databases, the pointers, the journal, time.

Owns nothing but the bundle; it never grows with a step's own state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from bluegreen.model.clock import Clock, SystemClock
from bluegreen.model.progress import Progress
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.pointers.pointer import Pointer
from bluegreen.postgres.database import Database
from bluegreen.steps.monitors.limits import Limits


class Journal(Protocol):
    """The records as both databases have them."""

    def records(self) -> Sequence[Record]:
        """All records, oldest first, read afresh."""
        ...

    def told_by(self, side: Side) -> Sequence[Record]:
        """What one side alone tells."""
        ...

    def append(
        self, kind: Kind, *, action: str = "", body: Mapping[str, Any] | None = None
    ) -> Record:
        """Write one record to both sides."""
        ...

    def draft(
        self, kind: Kind, *, action: str = "", body: Mapping[str, Any] | None = None
    ) -> Record:
        """Number a record without writing it: the commit point writes it on one side.

        A COMMITTED record carries the next epoch.
        """
        ...

    def reconcile(self) -> int:
        """Copy what only one side has to the other; returns how many records."""
        ...


def _nothing(*_: object) -> None:
    return None


def _no_guard(*_: object) -> AbstractContextManager[Callable[[], None]]:
    return nullcontext(_nothing)


@dataclass(frozen=True)
class World:
    """What a step may touch.

    Attributes:
        name: the playbook's name; slots, publications and subscriptions carry it.
        home: the playbook's folder; relative paths start here.
        point: called with the name of a crash point; does nothing unless armed.
        tell: takes progress for the terminal and the log.
        require_lease: raises LeaseRefused unless this run holds the lease on both
            sides; called right before traffic moves.
        guard: starts the guard process for a pause of the given length and ends it;
            what it gives is called when the pause begins.
        limits: what the playbook lets the monitors pass.
        shared_fate: says what ends the tool and its guard together; nothing where no
            guard is meant.
    """

    name: str
    blue: Database
    green: Database
    pointers: tuple[Pointer, ...]
    journal: Journal
    home: Path = field(default_factory=Path.cwd)
    clock: Clock = field(default_factory=SystemClock)
    point: Callable[[str], None] = _nothing
    tell: Callable[[Progress], None] = _nothing
    require_lease: Callable[[], None] = _nothing
    guard: Callable[[timedelta], AbstractContextManager[Callable[[], None]]] = _no_guard
    limits: Limits = field(default_factory=Limits)
    shared_fate: Callable[[], str] = str  # an empty text

    def on(self, side: Side) -> Database:
        """The database of a side."""
        return self.blue if side is Side.BLUE else self.green

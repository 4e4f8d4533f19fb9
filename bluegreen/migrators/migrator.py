"""The protocol of a migration tool, as the step `migrate` knows it.

Owns the protocol and its values. Each tool has its file; plain SQL files are
`sql_files.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bluegreen.model.errors import StepError
from bluegreen.model.progress import Progress
from bluegreen.postgres.database import Database


@dataclass(frozen=True, slots=True)
class Pending:
    """A migration that is not applied, or not to its end.

    Attributes:
        name: as the tool calls it, e.g. the path of a file.
        digest: SHA-256 of what it would run.
        done: how many of its statements were done before; 0 where it is whole.
    """

    name: str
    digest: str
    done: int = 0


@dataclass(frozen=True, slots=True)
class Fault:
    """Why the migrations may not go on from here."""

    problem: str
    seen: str
    wanted: str
    hint: str


@dataclass(frozen=True, slots=True)
class History:
    """Where a database stands.

    Attributes:
        applied: names, in order.
        pending: what comes next, in order.
        fault: set when what was applied and what is asked for do not fit.
    """

    applied: tuple[str, ...]
    pending: tuple[Pending, ...]
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """What applying one migration did; JSON values in `details`."""

    name: str
    digest: str
    seconds: float
    details: Mapping[str, Any]


class LockNotFreeError(StepError):
    """A statement did not get its lock in time; it may be tried again."""


class Migrator(Protocol):
    """A tool that brings one database's schema forward."""

    def look(self, database: Database) -> History:
        """Say what is applied and what is pending; change nothing.

        Raises:
            PlaybookRefused: 2009; a migration cannot be read.
        """
        ...

    def preview(self, one: Pending) -> Sequence[str]:
        """The statements that `apply` would run."""
        ...

    def apply(
        self, database: Database, one: Pending, tell: Callable[[Progress], None]
    ) -> Applied:
        """Apply one migration and remember it in the same database.

        Raises:
            StepError: 4004; says what was rolled back and what stays.
        """
        ...

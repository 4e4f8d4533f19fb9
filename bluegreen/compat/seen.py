"""What probes saw, as values: changes, refusals, and what they left behind.

Owns the form only. Looking is for `compat/probe/rehearsal.py`; what it means is for
`judge`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bluegreen.postgres.catalog.scope import Name

Image = Mapping[str, str | None]
"""A row as it travels: a column's name to its text, as the type's output gives it."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one row, or a TRUNCATE of several tables at once."""

    kind: str
    tables: tuple[Name, ...]
    old: Image | None = None
    new: Image | None = None

    @property
    def table(self) -> Name:
        """The table, for all but TRUNCATE."""
        return self.tables[0]


@dataclass(frozen=True, slots=True)
class Refused:
    """A write of the application that its own side refused."""

    write: int
    sqlstate: str
    message: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The receiving side refused a row."""

    rule: str
    table: Name
    message: str
    sqlstate: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """A value or a row that is not the same on both sides.

    `column` is empty when one side has no such row.
    """

    table: Name
    column: str
    key: str
    sent: str | None
    stored: str | None


@dataclass(frozen=True, slots=True)
class Harm:
    """Damage that shows in no published column: orphans, stale derived values."""

    rule: str
    table: Name
    why: str
    statement: int | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """All that one rehearsal brought up.

    Attributes:
        touched: tables whose rows changed on the sending side, by their own names.
        copied: tables whose rows were copied first.
        stopped: the first refusal, after which nothing was applied.
        missed: changes that found no row.
        existing: what differed before the first write.
        differences: what differed after the last.
    """

    touched: frozenset[Name] = frozenset()
    copied: frozenset[Name] = frozenset()
    refused: tuple[Refused, ...] = ()
    stopped: Stopped | None = None
    missed: tuple[Change, ...] = ()
    existing: tuple[Difference, ...] = ()
    differences: tuple[Difference, ...] = ()
    harms: tuple[Harm, ...] = ()

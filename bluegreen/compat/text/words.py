"""Words that the readers of trees share: ways, and what is known so far."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from bluegreen.compat.verdict import Answer, Direction
from bluegreen.sql.ops import Name

FORWARD = (Direction.FORWARD, Direction.COPY)
REVERSE = (Direction.REVERSE,)
BOTH = (*FORWARD, *REVERSE)


def dotted(name: Name | None) -> str:
    """A name as verdicts have it, the schema where one is written; empty for none."""
    return ".".join(filter(None, name or ()))


Said = Iterator[tuple[tuple[Direction, ...], Answer, str, str]]


@dataclass
class Renames:
    """What became of one column's name.

    Attributes:
        first: what blue calls it.
        where: its table, as the last statement names it.
        statements: those that renamed it.
    """

    first: str
    where: str = ""
    statements: list[int] = field(default_factory=list)


@dataclass
class Read:
    """What is known so far: the publications, and what this set has made.

    Attributes:
        forward: whether blue publishes all tables; None when it is not known.
        reverse: the same for green.
        generated: whether green may send stored generated columns (18).
        lists: whether what only green has is left out of what it sends back.
        tables: schema, empty where none is written, and name of what this set made.
        renames: columns that blue has too, by table and the name of now.
        always: tables with a trigger that fires on apply.
        carried: tables and columns that triggers keep in step with others.
    """

    forward: bool | None = None
    reverse: bool | None = None
    generated: bool = False
    lists: bool = False
    tables: set[tuple[str, str]] = field(default_factory=set)
    columns: set[tuple[str, str]] = field(default_factory=set)
    dropped: set[tuple[str, str]] = field(default_factory=set)
    renames: dict[tuple[str, str], Renames] = field(default_factory=dict)
    always: set[tuple[str, str]] = field(default_factory=set)
    carried: frozenset[tuple[str, str]] = frozenset()

    def made(self, table: tuple[str, str]) -> bool:
        """Whether this set made the table."""
        return _is_among(table, self.tables)

    def fills(self, table: tuple[str, str]) -> bool:
        """Whether a trigger of the table fires on apply."""
        return _is_among(table, self.always)


def _is_among(table: tuple[str, str], known: Iterable[tuple[str, str]]) -> bool:
    """A schema that is not written may be any."""
    schema, name = table
    return any(
        name == other and (not schema or not own or schema == own)
        for own, other in known
    )

"""What is known of the database that the files will meet. Frozen, handed in.

Owns the values only. They are filled from a server by `postgres/`, or from SQL text
(a schema dump, the migrations already applied) by `track.know`. Nothing known is a
fine answer too: the rules then take the worst case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from bluegreen.sql.ops import Column, Constraint, Name, Op, Type

Key = tuple[str, str]


class Index(NamedTuple):
    """An index.

    Attributes:
        names: plain columns, those of INCLUDE among them.
        mentions: columns within its expressions and its predicate.
        included: how many of `names`, the last ones, are those of INCLUDE.
        computed: whether it has an expression or a predicate.
    """

    name: str
    names: tuple[str, ...] = ()
    mentions: frozenset[str] = frozenset()
    unique: bool = False
    valid: bool = True
    included: int = 0
    computed: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that it is ordered by."""
        return self.names[: len(self.names) - self.included]


class Table(NamedTuple):
    """A table, as far as it is known.

    Attributes:
        complete: whether `columns` holds all of them.
        rows: estimate; None where they were not counted.
        default_partition: of a partitioned table.
        parent: of a partition.
        reads: tables that a view is made of.
        uses: columns that a view is made of, see `view_columns.py`.
        logged: false when it is unlogged, None when that is not known.
        writes: rows written a second; None where they were not counted.
        partition_key: columns it is partitioned by; an expression is an empty name.
        inherits: tables that it says INHERITS of.
        inherited: whether another table inherits from it.
    """

    name: Name
    columns: Mapping[str, Column] = MappingProxyType({})
    constraints: tuple[Constraint, ...] = ()
    indexes: tuple[Index, ...] = ()
    complete: bool = False
    rows: int | None = None
    default_partition: Name | None = None
    parent: Name | None = None
    partitioned: bool = False
    reads: tuple[Name, ...] = ()
    uses: frozenset[tuple[str, str]] = frozenset()
    logged: bool | None = None
    writes: float | None = None
    partition_key: tuple[str, ...] = ()
    inherits: tuple[Name, ...] = ()
    inherited: bool = False


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain: the type it is made of, whether it has constraints, its default."""

    type: Type
    constrained: bool
    default: Any = None


class Knowledge(NamedTuple):
    """A catalog snapshot.

    Attributes:
        tables: by schema and name.
        stable: functions that are known not to be volatile.
        volatile: functions that are known to be.
        whole: whether tables that are not in here do not exist.
        timezone: the TimeZone that migrations run with; empty when unknown.
        schema: where names without a schema go.
        triggers: statements that made them, by table and name.
        answers: what rows say, by `questions.Question`; empty before they were asked.
    """

    tables: Mapping[Key, Table] = MappingProxyType({})
    domains: Mapping[Key, Domain] = MappingProxyType({})
    enums: frozenset[Key] = frozenset()
    stable: frozenset[str] = frozenset()
    volatile: frozenset[str] = frozenset()
    whole: bool = False
    timezone: str = ""
    schema: str = "public"
    triggers: Mapping[tuple[Key, str], Op] = MappingProxyType({})
    answers: Mapping[Any, Any] = MappingProxyType({})


NOTHING = Knowledge()

"""What the journal tells of changes that were made to blue for green's sake. Pure.

Owns reading the results of `ExpandBlue`. Code that compares blue's schema with what it
was, or chooses what travels, asks here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bluegreen.model.body import Body
from bluegreen.model.record import Kind, Record
from bluegreen.postgres.quoting import quote_name
from bluegreen.postgres.schema.expansion import Expansion

EXPAND_BLUE = "/expand_blue"
"""How the id of the action ends."""

APPLY_MIGRATIONS = "/apply_migrations"
"""How the id of the action ends that notes each file of a migration."""

ColumnName = tuple[str, str, str]
TableName = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Expanded(Body):
    """A note: changes that are about to be made to blue."""

    expanded: tuple[Expansion, ...] = ()


def expansions_told(records: Iterable[Record]) -> list[Expansion]:
    """Every change to blue, oldest first."""
    return [
        one
        for record in records
        if record.kind is Kind.NOTE and record.action.endswith(EXPAND_BLUE)
        for one in Expanded.from_body(record.body).expanded
    ]


def kept_back(records: Sequence[Record]) -> frozenset[ColumnName]:
    """Columns that blue got for green's values; blue's own are never sent."""
    return frozenset(
        (s, t, c)
        for one in expansions_told(records)
        if one.kind == "column"
        for s, t, c in [one.parts]
    )


def shells(records: Sequence[Record]) -> frozenset[TableName]:
    """Tables that blue got for green's rows."""
    return frozenset(
        (s, t)
        for one in expansions_told(records)
        if one.kind == "table"
        for s, t in [one.parts]
    )


def given_to_blue_whole(records: Iterable[Record]) -> frozenset[str]:
    """Tables and enums that blue got for green's rows, as messages name them."""
    return frozenset(
        f"{one.kind} {quote_name(*one.parts)}"
        for one in expansions_told(records)
        if one.kind in ("table", "enum")
    )


def was_migrated(records: Iterable[Record]) -> bool:
    """Whether a file of a migration was applied to green."""
    return any(
        record.kind is Kind.NOTE and record.action.endswith(APPLY_MIGRATIONS)
        for record in records
    )


def ended_well(action: str, records: Sequence[Record]) -> bool:
    """Whether an action was never begun, or its last act ended with a result. Pure."""
    kinds = {Kind.INTENT, Kind.RESULT, Kind.FAILED}
    told = [r.kind for r in records if r.action == action and r.kind in kinds]
    return not told or told[-1] is Kind.RESULT


def heads_of(expansion: Expansion) -> tuple[str, ...]:
    """The things of blue's schema that it changes, as fingerprints call them. Pure."""
    schema, name = expansion.parts[:2]
    kind = "enum" if expansion.kind in ("label", "enum") else "table"
    return (f"{kind} {schema}.{name}", f"{kind} {quote_name(schema, name)}")

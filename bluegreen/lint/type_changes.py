"""Whether `ALTER COLUMN … TYPE` rewrites, rescans, or only changes the catalog.

The rules are those of `ATColumnChangeRequiresRewrite` and of the types' support
functions, and were measured form by form on PostgreSQL 13 to 18.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from bluegreen.lint.expressions import columns, strings
from bluegreen.lint.knowledge import Table
from bluegreen.lint.ops import Column, Op, Type
from bluegreen.lint.reading_parts import type_of
from bluegreen.lint.source import Tree

if TYPE_CHECKING:
    from bluegreen.lint.track import State

UTC = frozenset({"utc", "etc/utc", "gmt", "etc/gmt", "uct", "zulu", "universal"})
_STAMPS = frozenset({"timestamp", "timestamptz"})
_TIMES = frozenset({"time", "timetz", "timestamp", "timestamptz", "interval"})
# Fractional digits of a second that every time type holds unless told otherwise.
_FULL_PRECISION = 6
# Types that another type can turn into without a rewrite: with the old type unknown,
# a change to any other type does rewrite.
_SOMETIMES_FREE = frozenset(
    {"text", "varchar", "numeric", "inet", "varbit", "oid"} | _TIMES
)
_PLAIN_TYPES = frozenset(
    {
        *("int2", "int4", "int8", "float4", "float8", "bool", "date", "uuid", "json"),
        *("jsonb", "bytea", "bpchar", "bit", "cidr", "macaddr", "money", "xml"),
        *("tsvector", "tsquery", "point", "int4range", "int8range", "numrange"),
        *("tsrange", "tstzrange", "daterange", "name", "char"),
    }
    | _SOMETIMES_FREE
)
_NONE, _INDEXES, _HEAP = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Change:
    """What a change of type does.

    Attributes:
        rewrite: a number of `effects.Rewrite`.
        scan: whether the table is read besides.
        renames: whether it becomes another type, not the same with another length.
    """

    rewrite: int = _NONE
    scan: bool = False
    sure: bool = True
    why: str = ""
    renames: bool = False


def decide(op: Op, state: State) -> Change:
    """What a change of type does, given what is known of the column."""
    assert op.type is not None
    assert op.table is not None
    known = state.table(op.table)
    column = known.columns.get(op.name) if known else None
    steps = casts(op.expr, op.name)
    if steps is None:
        return Change(_HEAP, True, why="USING computes a new value for each row")
    if column is None or known is None:
        return _unknown_column(op.type, state)
    change = _through([column.type, *steps, op.type], state)
    renames = column.type.name != op.type.name
    if change.rewrite:
        return replace(change, renames=renames)
    return replace(_rebuilds(op, column, known, change), renames=renames)


def _through(types: Sequence[Type], state: State) -> Change:
    """From the first type to the last, cast by cast."""
    whole = Change()
    for old, new in pairwise(types):
        change = _between(old, new, state)
        if change.rewrite:
            return change
        whole = change if change.why else whole
    return whole


def _unknown_column(new: Type, state: State) -> Change:
    domain = state.domain(new)
    if domain and domain.constrained:
        return Change(_HEAP, True, why=f"{new} is a domain with constraints")
    fixed = new.name in _PLAIN_TYPES - _SOMETIMES_FREE and not new.schema
    if fixed and not new.array:
        return Change(_HEAP, True, why=f"no type becomes {new} without a rewrite")
    return Change(_HEAP, True, sure=False, why="the column's present type is not known")


def _rebuilds(op: Op, column: Column, table: Table, change: Change) -> Change:
    """Indexes and checks that are made anew though the rows stay as they are.

    PostgreSQL drops and makes again all that hangs on the column, be the type the same
    or not. A plain index keeps its files where order and operators stay; one with an
    expression or predicate, and a valid CHECK, never do.
    """
    assert op.type is not None
    if _plain_collation(op.value) != _plain_collation(column.collation):
        change = replace(change, why="a collation orders every index on the column")
    elif (column.type.name, op.type.name) in _OTHER_ORDER:
        change = replace(change, why=f"{op.type} is ordered by other operators")
    for index in table.indexes:
        if index.computed and op.name in (index.mentions | set(index.names)):
            why = f"index {index.name} has an expression or predicate"
            return Change(_INDEXES, True, why=why)
        if op.name in index.keys and change.why:
            return Change(_INDEXES, True, why=f"index {index.name} is built anew")
    for constraint in table.constraints:
        mentioned = constraint.kind == "check" and op.name in columns(constraint.expr)
        if mentioned and constraint.valid:
            name = constraint.name or "on the column"
            return Change(_NONE, True, why=f"the CHECK {name} is tested on every row")
    return change


def _plain_collation(name: str) -> str:
    """A collation's name; empty where it is the database's own."""
    plain = name.removeprefix("pg_catalog.")
    return "" if plain == "default" else plain


# No rewrite, but an index on the column has other operators afterwards.
_OTHER_ORDER = frozenset({("int4", "oid"), ("oid", "int4"), ("bit", "varbit")})


def _between(old: Type, new: Type, state: State) -> Change:
    """From one known type to another; `why` of a free change marks a time zone."""
    domain = state.domain(new)
    if domain:
        if domain.constrained:
            return Change(_HEAP, True, why=f"{new} is a domain with constraints")
        return _between(old, domain.type, state)
    if base := state.domain(old):
        return _between(base.type, new, state)
    if old == new:
        return Change()
    if old.array or new.array:
        return _array(old, new)
    if {old.name, new.name} == _STAMPS and old.mods == new.mods:
        return _time_zone(old, new, state)
    if _free(old, new):
        return Change()
    strange = {old.name, new.name} - _PLAIN_TYPES
    sure = not strange or bool(state.enums & {old.key, new.key})
    return Change(_HEAP, True, sure, f"{old} to {new} writes every row anew")


def _array(old: Type, new: Type) -> Change:
    # Elements are cast one by one unless the type is the same and no length is asked
    # for: measured, varchar(10)[] to varchar(20)[] and to text[] rewrite.
    if old.array and new.array and old.name == new.name and not new.mods:
        return Change()
    return Change(_HEAP, True, why=f"{old} to {new} writes every row anew")


def _time_zone(old: Type, new: Type, state: State) -> Change:
    zone = state.setting("timezone") or state.knowledge.timezone
    if zone.lower() in UTC:
        return Change(why="the TimeZone is UTC, so the values stay as they are")
    if zone:
        why = f"{old} to {new} in the TimeZone {zone} writes every row anew"
        return Change(_HEAP, True, why=why)
    why = f"{old} to {new} rewrites unless the session's TimeZone is UTC"
    return Change(_HEAP, True, sure=False, why=why)


def _free(old: Type, new: Type) -> bool:
    """Whether the stored values serve as they are."""
    pair = (old.name, new.name)
    if pair in (("varchar", "varchar"), ("varbit", "varbit")):
        return not new.mods or (bool(old.mods) and new.mods[0] >= old.mods[0])
    if pair in _ALIKE:
        return not new.mods
    if pair == ("numeric", "numeric"):
        return _wider_numeric(old.mods, new.mods)
    if old.name == new.name and old.name in _TIMES:
        return _finer(old.mods, new.mods)
    return False


_ALIKE = frozenset(
    {
        *(("varchar", "text"), ("text", "varchar"), ("cidr", "inet"), ("xml", "text")),
        *(("bit", "varbit"), ("int4", "oid"), ("oid", "int4"), ("text", "text")),
    }
)


def _wider_numeric(old: tuple[int, ...], new: tuple[int, ...]) -> bool:
    if not new:
        return True
    if not old:
        return False
    scale = [mods[1] if len(mods) > 1 else 0 for mods in (old, new)]
    return new[0] >= old[0] and scale[0] == scale[1]


def _finer(old: tuple[int, ...], new: tuple[int, ...]) -> bool:
    """Precision of seconds; an interval carries its fields in front of it."""
    if not new:
        return True
    if len(new) > 1 and len(old) > 1 and new[0] != old[0]:
        return False
    return new[-1] >= (old[-1] if old else _FULL_PRECISION)


def casts(using: Tree | None, name: str) -> list[Type] | None:
    """The types that USING casts the column to in turn; None where it computes."""
    if using is None:
        return []
    if cast := using.get("TypeCast"):
        inner = casts(cast["arg"], name)
        return None if inner is None else [*inner, type_of(cast["typeName"])]
    fields = using.get("ColumnRef", {}).get("fields")
    return [] if strings(fields)[-1:] == (name,) else None

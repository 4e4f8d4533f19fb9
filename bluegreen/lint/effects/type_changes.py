"""Whether `ALTER COLUMN … TYPE` rewrites, rescans, or only changes the catalog.

The rules are those of `ATColumnChangeRequiresRewrite` and of the types' support
functions, and were measured form by form on PostgreSQL 13 to 18.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from bluegreen.lint.tracking.state import State
from bluegreen.model.zones import UTC
from bluegreen.sql.expressions import columns
from bluegreen.sql.knowledge import Table
from bluegreen.sql.ops import Column, Kind, Op, Type
from bluegreen.sql.reading.parts import casts

_STAMPS = frozenset({"timestamp", "timestamptz"})
_TIMES = frozenset({"time", "timetz", "timestamp", "timestamptz", "interval"})
# Fractional digits of a second that every time type holds unless told otherwise.
_FULL_PRECISION = 6
# Bits of an interval's fields, from seconds to years (`INTERVAL_MASK`).
_LEAST_FIELDS = (1 << 12, 1 << 11, 1 << 10, 1 << 3, 1 << 1, 1 << 2)
# Types that another type can turn into without a rewrite: with the old type unknown,
# a change to any other type does rewrite.
_SOMETIMES_FREE = frozenset(
    {"text", "varchar", "bpchar", "numeric", "inet", "varbit", "oid"} | _TIMES
)
# Names of objects, stored as the object's oid.
_REFERENCES = frozenset(
    {"regclass", "regtype", "regproc", "regprocedure", "regoper", "regoperator"}
    | {"regrole", "regnamespace", "regconfig", "regdictionary", "regcollation"}
)
_PLAIN_TYPES = frozenset(
    {
        *("int2", "int4", "int8", "float4", "float8", "bool", "date", "uuid", "json"),
        *("jsonb", "bytea", "bpchar", "bit", "cidr", "macaddr", "money", "xml"),
        *("tsvector", "tsquery", "point", "int4range", "int8range", "numrange"),
        *("tsrange", "tstzrange", "daterange", "name", "char"),
    }
    | _SOMETIMES_FREE
    | _REFERENCES
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
    change = _through([column.type.stored, *steps, op.type], state)
    renames = column.type.stored.name != op.type.name
    if change.rewrite:
        return replace(change, renames=renames)
    dropped = {o.name for o in state.siblings if o.kind is Kind.DROP_CONSTRAINT}
    for table in (known, *state.partitions(op.table)):
        rebuilt = _rebuilds(op, column, table, change, dropped)
        if rebuilt.rewrite or rebuilt.scan:
            return replace(rebuilt, renames=renames)
    return replace(change, renames=renames)


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


def _rebuilds(
    op: Op, column: Column, table: Table, change: Change, dropped: Container[str]
) -> Change:
    """Indexes and checks that are made again though the rows stay as they are.

    PostgreSQL drops and makes again all that hangs on the column, be the type the same
    or not, after what the same ALTER drops. A plain index keeps its files where order
    and operators stay; one with an expression or predicate, one of a partitioned table
    (measured), and a valid CHECK, never do.
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
        if table.partitioned and op.name in index.names:
            why = f"index {index.name} is built again in every partition"
            return Change(_INDEXES, True, why=why)
        if op.name in index.keys and change.why and index.name not in dropped:
            return Change(_INDEXES, True, why=f"index {index.name} is built again")
    for constraint in table.constraints:
        mentioned = constraint.kind == "check" and op.name in columns(constraint.expr)
        tested = constraint.valid and constraint.enforced
        if mentioned and tested and constraint.name not in dropped:
            name = constraint.name or "on the column"
            return Change(_NONE, True, why=f"the CHECK {name} is tested on every row")
    return change


def _plain_collation(name: str) -> str:
    """A collation's name; empty where it is the database's own."""
    plain = name.removeprefix("pg_catalog.")
    return "" if plain == "default" else plain


# No rewrite, but an index on the column has other operators afterwards.
_OTHER_ORDER = frozenset(
    {
        *(("int4", "oid"), ("oid", "int4"), ("bit", "varbit")),
        *(("text", "bpchar"), ("varchar", "bpchar")),
        *(("int4", name) for name in _REFERENCES),
        *((name, "int4") for name in _REFERENCES),
    }
)


def _between(old: Type, new: Type, state: State) -> Change:
    """From one known type to another; `why` of a free change marks a time zone."""
    if old == new:
        return Change()
    domain = state.domain(new)
    if domain:
        if domain.constrained:
            return Change(_HEAP, True, why=f"{new} is a domain with constraints")
        return _between(old, domain.type, state)
    if base := state.domain(old):
        # PostgreSQL does not look for a length behind a domain's name.
        return _between(base.type._replace(mods=()), new, state)
    if old.array or new.array:
        return _array(old, new)
    if {old.name, new.name} == _STAMPS and _finer((), new.mods):
        return _time_zone(old, new, state)
    if _free(old, new):
        return Change()
    strange = {old.name, new.name} - _PLAIN_TYPES
    sure = not strange or bool(state.enums & {old.key, new.key})
    return Change(_HEAP, True, sure, f"{old} to {new} writes every row again")


def _array(old: Type, new: Type) -> Change:
    # Elements are cast one by one unless the type is the same and no length is asked
    # for: measured, varchar(10)[] to varchar(20)[] and to text[] rewrite.
    if old.array and new.array and old.name == new.name and not new.mods:
        return Change()
    return Change(_HEAP, True, why=f"{old} to {new} writes every row again")


def _time_zone(old: Type, new: Type, state: State) -> Change:
    zone = state.setting("timezone") or state.knowledge.timezone
    if zone.lower() in UTC:
        return Change(why="the TimeZone is UTC, so the values stay as they are")
    if zone:
        why = f"{old} to {new} in the TimeZone {zone} writes every row again"
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
    if new.name in _REFERENCES or old.name in _REFERENCES:
        return {old.name, new.name} & {"int4", "oid"} != set()
    if pair == ("numeric", "numeric"):
        return _wider_numeric(old.mods, new.mods)
    if pair == ("interval", "interval"):
        return _finer_interval(old.mods, new.mods)
    if old.name == new.name and old.name in _TIMES:
        return _finer(old.mods, new.mods)
    return False


_ALIKE = frozenset(
    {
        *(("varchar", "text"), ("text", "varchar"), ("cidr", "inet"), ("xml", "text")),
        *(("bit", "varbit"), ("int4", "oid"), ("oid", "int4"), ("text", "text")),
        *(("text", "bpchar"), ("varchar", "bpchar"), ("bpchar", "bpchar")),
        *(("xml", "varchar"), ("xml", "bpchar")),
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
    """Whether the precision of seconds does not shrink."""
    return not new or new[0] >= (old[0] if old else _FULL_PRECISION)


def _finer_interval(old: tuple[int, ...], new: tuple[int, ...]) -> bool:
    """Whether neither fields nor precision shrink, as `interval_support` has it."""
    if not new:
        return True
    least = _least_field(old)
    digits = [mods[1] if len(mods) > 1 else _FULL_PRECISION for mods in (old, new)]
    return _least_field(new) <= least and (least > 0 or digits[1] >= digits[0])


def _least_field(mods: tuple[int, ...]) -> int:
    """0 for seconds and for all fields, up to 5 for years."""
    fields = mods[0] if mods else _LEAST_FIELDS[0]
    return next(i for i, bit in enumerate((*_LEAST_FIELDS, fields)) if fields & bit)

"""Whether CHECKs show that the rows of a table keep to the bounds of a partition.

PostgreSQL spares `ATTACH PARTITION` the scan where its predicate prover finds that they
do (`ConstraintImpliedByRelConstraint`). What is here finds less than the prover, never
more: a bound of one plain column, held against constants.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from bluegreen.sql.expressions import is_null, is_number, literal, strings, uncast
from bluegreen.sql.parsing import Tree

Value = Decimal | str
# Text that sorts as what it stands for: dates, and moments of one zone.
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d)?([+-]\d\d(:\d\d)?)?)?")
_NEGATED = {"<": ">=", ">=": "<", ">": "<=", "<=": ">", "=": "<>", "<>": "="}
_NEGATED |= {"null": "there", "there": "null", "and": "or", "or": "and"}
_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "<>": "<>"}


class Bound(NamedTuple):
    """The rows that a partition may hold: those of a list, or from `low` to `high`.

    Attributes:
        null: whether a list holds NULL.
        low: the first value; None for MINVALUE.
        high: one past the last; None for MAXVALUE.
    """

    values: tuple[Value, ...] = ()
    null: bool = False
    low: Value | None = None
    high: Value | None = None


class _Test(NamedTuple):
    """What an expression says of the column: `op` with a value, or with its parts."""

    op: str
    value: Value | None = None
    parts: tuple[_Test, ...] = ()


_UNKNOWN = _Test("unknown")


def bound_of(tree: Tree | None) -> Bound | None:
    """A bound of constants in one column; None for any other, DEFAULT too."""
    if not tree or tree.get("is_default"):
        return None
    if tree.get("strategy") == "l":
        items = tree.get("listdatums", ())
        values = [_constant(item) for item in items if not is_null(item)]
        if None in values:
            return None
        known = tuple(value for value in values if value is not None)
        return Bound(known, null=len(known) < len(items))
    low, high = tree.get("lowerdatums", ()), tree.get("upperdatums", ())
    if tree.get("strategy") != "r" or len(low) != 1 or len(high) != 1:
        return None
    ends = [_end(low[0], "minvalue"), _end(high[0], "maxvalue")]
    if any(end == "" for end in ends):
        return None
    return Bound(low=ends[0], high=ends[1])


def _end(tree: Tree, open_end: str) -> Value | None:
    """The value of an end, None where it is open, an empty text where not known."""
    if strings(tree.get("ColumnRef", {}).get("fields")) == (open_end,):
        return None
    value = _constant(tree)
    return "" if value is None else value


def kept(bound: Bound, column: str, checks: Iterable[Tree | None], nulls: bool) -> bool:
    """Whether the checks prove that every row lies within the bound.

    Args:
        bound: of the partition.
        column: its key.
        checks: expressions of valid CHECKs.
        nulls: whether the column may hold NULL, for all that the table says of itself.
    """
    said = _Test("and", parts=tuple(_read(tree, column) for tree in checks))
    if nulls and not bound.null and not _shows(said, lambda test: test.op == "there"):
        return False
    if bound.values or bound.null:
        return _shows(said, lambda test: _in_list(test, bound))
    low, high = bound.low, bound.high
    return (low is None or _shows(said, lambda test: _from(test, low))) and (
        high is None or _shows(said, lambda test: _below(test, high))
    )


def missed(bound: Bound, column: str, checks: Iterable[Tree | None]) -> bool:
    """Whether the checks prove that no row lies within the bound."""
    said = _Test("and", parts=tuple(_read(tree, column) for tree in checks))
    if bound.values:
        return not bound.null and all(
            _shows(said, lambda test, value=value: _not_equal(test, value))  # type: ignore[misc]
            for value in bound.values
        )
    low, high = bound.low, bound.high

    def outside(test: _Test) -> bool:
        below = low is not None and _below(test, low)
        above = high is not None and _from(test, high)
        return below or above or test.op == "null"

    return not bound.null and _shows(said, outside)


def _shows(test: _Test, shown: Callable[[_Test], bool]) -> bool:
    if test.op == "and":
        return any(_shows(part, shown) for part in test.parts)
    if test.op == "or":
        return all(_shows(part, shown) for part in test.parts)
    return shown(test)


def _in_list(test: _Test, bound: Bound) -> bool:
    if test.op == "null":
        return bound.null
    return test.op == "=" and any(_same(test.value, value) for value in bound.values)


def _from(test: _Test, low: Value) -> bool:
    """Whether it says `column >= low`."""
    order = _order(test.value, low)
    return test.op in ("=", ">=", ">") and order is not None and order >= 0


def _below(test: _Test, high: Value) -> bool:
    """Whether it says `column < high`."""
    order = _order(test.value, high)
    if order is None:
        return False
    return order <= 0 if test.op == "<" else test.op in ("=", "<=") and order < 0


def _not_equal(test: _Test, value: Value) -> bool:
    """Whether it says that the column is not `value`."""
    if test.op == "null":
        return True
    if test.op == "<>":
        return _same(test.value, value)
    if test.op == "=":
        return not _same(test.value, value)
    order = _order(test.value, value)
    if order is None:
        return False
    return {
        "<": order <= 0,
        "<=": order < 0,
        ">": order >= 0,
        ">=": order > 0,
    }.get(test.op, False)


def _same(one: Value | None, other: Value) -> bool:
    return _order(one, other) == 0


def _order(one: Value | None, other: Value) -> int | None:
    """-1, 0 or 1; None where text does not tell, as with other collations."""
    if one is None:
        return None
    if one == other:
        return 0
    if isinstance(one, Decimal) and isinstance(other, Decimal):
        return -1 if one < other else 1
    if isinstance(one, Decimal) or isinstance(other, Decimal):
        number = _number(other)
        return None if number is None else _order(_number(one), number)
    alike = re.sub(r"\d", "0", one[:19]) + one[19:]
    if _MOMENT.fullmatch(one) and alike == re.sub(r"\d", "0", other[:19]) + other[19:]:
        return -1 if one < other else 1
    return None


def _number(value: Value) -> Decimal | None:
    try:
        return Decimal(value)
    except InvalidOperation:
        return None


def _read(tree: Tree | None, column: str) -> _Test:
    """What a CHECK says of the column; anything else is unknown."""
    if not tree:
        return _UNKNOWN
    if both := tree.get("BoolExpr"):
        parts = tuple(_read(arg, column) for arg in both["args"])
        if both["boolop"] == "NOT_EXPR":
            return _negated(parts[0])
        return _Test("and" if both["boolop"] == "AND_EXPR" else "or", parts=parts)
    if (test := tree.get("NullTest")) and _is(test.get("arg"), column):
        return _Test("null" if test.get("nulltesttype") == "IS_NULL" else "there")
    return _compared(tree.get("A_Expr", {}), column)


def _negated(test: _Test) -> _Test:
    if test.op not in _NEGATED:
        return _UNKNOWN
    parts = tuple(_negated(part) for part in test.parts)
    return _Test(_NEGATED[test.op], test.value, parts)


def _compared(node: Tree, column: str) -> _Test:
    left, right = node.get("lexpr"), node.get("rexpr")
    (op,) = strings(node.get("name")) or ("",)
    match node.get("kind"):
        case "AEXPR_OP" if _is(left, column):
            return _one(op, right)
        case "AEXPR_OP" if _is(right, column):
            return _one(_MIRRORED.get(op, ""), left)
        case _ if not _is(left, column):
            return _UNKNOWN
        case "AEXPR_IN" | "AEXPR_OP_ANY" if op == "=":
            return _Test("or", parts=tuple(_one("=", item) for item in _items(right)))
        case "AEXPR_IN" | "AEXPR_OP_ALL" if op == "<>":
            return _Test("and", parts=tuple(_one("<>", item) for item in _items(right)))
        case "AEXPR_BETWEEN":
            low, high = _items(right)
            return _Test("and", parts=(_one(">=", low), _one("<=", high)))
        case "AEXPR_NOT_BETWEEN":
            low, high = _items(right)
            return _Test("or", parts=(_one("<", low), _one(">", high)))
    return _UNKNOWN


def _one(op: str, tree: Tree | None) -> _Test:
    value = _constant(tree)
    if op not in _MIRRORED or value is None:
        return _UNKNOWN
    return _Test(op, value)


def _items(tree: Tree | None) -> list[Tree | None]:
    """The values of `IN (…)` or `ARRAY[…]`; one unknown for anything else."""
    values = uncast(tree)
    node = values.get("List") or values.get("A_ArrayExpr") or {}
    return node.get("items") or node.get("elements") or [None]


def _is(tree: Tree | None, column: str) -> bool:
    """Whether it is the column, or a varchar as PostgreSQL prints it: `(s)::text`."""
    if cast := (tree or {}).get("TypeCast"):
        as_text = strings(cast["typeName"].get("names"))[-1:] == ("text",)
        return as_text and _is(cast["arg"], column)
    fields = (tree or {}).get("ColumnRef", {}).get("fields")
    return strings(fields)[-1:] == (column,)


def _constant(tree: Tree | None) -> Value | None:
    text = literal(tree)
    return _number(text) if text is not None and is_number(tree) else text

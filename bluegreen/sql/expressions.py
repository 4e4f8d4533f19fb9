"""Questions about an expression's tree: which functions, which columns, how volatile.

Which functions are volatile is in `builtin_functions.py`; what follows for a lock or a
rewrite is for `lint/effects/effect.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Any

from bluegreen.sql.builtin_functions import STABLE, VOLATILE
from bluegreen.sql.parsing import Tree

_EMPTY: Tree = {}
# The fields of constants, and what stands for a field that says its zero.
_LITERALS = (("sval", ""), ("ival", 0), ("fval", ""), ("boolval", False))


def walk(tree: Any) -> Iterator[tuple[str, Tree]]:
    """Every node below, as (name, fields)."""
    stack = [tree]
    while stack:
        here = stack.pop()
        if isinstance(here, list):
            stack.extend(here)
        elif isinstance(here, dict):
            for name, value in here.items():
                if isinstance(value, dict):
                    yield name, value
                    stack.append(value)
                elif isinstance(value, list):
                    stack.append(value)


def strings(items: list[Tree] | None) -> tuple[str, ...]:
    """The texts of a list of `String` nodes; a `*` is an empty text."""
    if not items:
        return ()
    return tuple([item.get("String", _EMPTY).get("sval", "") for item in items])


def functions(tree: Tree | None) -> set[str]:
    """Names of the functions called, without their schemas."""
    return {strings(node.get("funcname"))[-1] for _, node in _calls(tree)}


def _calls(tree: Tree | None) -> Iterator[tuple[str, Tree]]:
    return (found for found in walk(tree) if found[0] == "FuncCall")


def columns(tree: Tree | None) -> frozenset[str]:
    """Names of the columns mentioned."""
    if tree is None:
        return frozenset()
    refs = (node for name, node in walk(tree) if name == "ColumnRef")
    return frozenset(strings(node.get("fields"))[-1] for node in refs)


def volatility(
    tree: Tree | None, stable: Set[str] = frozenset(), volatile: Set[str] = frozenset()
) -> str:
    """`volatile`, `unknown` (a function we cannot know) or `stable`.

    Args:
        tree: the expression.
        stable: functions that are known besides, and are not volatile.
        volatile: functions that are known besides, and are.
    """
    # No default, or a plain constant, is what most columns have.
    if tree is None or "A_Const" in tree:
        return "calm"
    called = functions(tree)
    if called & VOLATILE or called & volatile:
        return "volatile"
    if called - STABLE - stable or _strange(tree) - stable:
        return "unknown"
    return "calm"


def _strange(tree: Tree | None) -> set[str]:
    """Functions of another schema than PostgreSQL's, which may share a name with it."""
    calls = (strings(node.get("funcname")) for _, node in _calls(tree))
    return {name[-1] for name in calls if len(name) > 1 and name[-2] != "pg_catalog"}


def uncast(tree: Tree | None) -> Tree:
    """What stands within casts; an empty tree where there is none."""
    while tree and "TypeCast" in tree:
        tree = tree["TypeCast"]["arg"]
    return tree or _EMPTY


def is_null(tree: Tree | None) -> bool:
    """Whether the expression is the literal NULL, cast or not."""
    return bool(uncast(tree).get("A_Const", _EMPTY).get("isnull"))


def is_number(tree: Tree | None) -> bool:
    """Whether it is a number as it stands, cast or not."""
    return not {"ival", "fval"}.isdisjoint(uncast(tree).get("A_Const", _EMPTY))


def literal(tree: Tree | None) -> str | None:
    """The text of a constant, cast or not; None for NULL and whatever is none."""
    node = uncast(tree).get("A_Const", _EMPTY)
    for key, otherwise in _LITERALS:
        if key in node:
            value = node[key].get(key, otherwise)
            return str(value).lower() if key == "boolval" else str(value)
    return None


def zone_named(tree: Tree | None) -> str:
    """The zone of `… AT TIME ZONE 'UTC'`; empty for another expression.

    It parses as `pg_catalog.timezone('UTC', …)`.
    """
    call = (tree or _EMPTY).get("FuncCall", _EMPTY)
    if strings(call.get("funcname"))[-1:] != ("timezone",) or "args" not in call:
        return ""
    zone = call["args"][0]
    return literal(zone) or "" if "sval" in zone.get("A_Const", _EMPTY) else ""


def proves_not_null(tree: Tree | None) -> frozenset[str]:
    """Columns that a CHECK of this expression shows to hold no NULL.

    PostgreSQL (`ConstraintImpliedByRelConstraint`) proves by predicate logic; this
    takes the forms that people write, alone or within ANDs: `c IS NOT NULL`, also of a
    row, `NOT (c IS NULL)` and `c IS DISTINCT FROM NULL`.
    """
    if not tree:
        return frozenset()
    if test := tree.get("NullTest"):
        there = test.get("nulltesttype") == "IS_NOT_NULL"
        return _tested(test["arg"]) if there else frozenset()
    if both := tree.get("BoolExpr"):
        return _proved_by(both)
    node = tree.get("A_Expr", _EMPTY)
    if node.get("kind") == "AEXPR_DISTINCT" and is_null(node.get("rexpr")):
        return _tested(node["lexpr"])
    return frozenset()


def _proved_by(both: Tree) -> frozenset[str]:
    if both["boolop"] == "AND_EXPR":
        return frozenset().union(*(proves_not_null(arg) for arg in both["args"]))
    test = both["args"][0].get("NullTest", _EMPTY)
    if both["boolop"] == "NOT_EXPR" and test.get("nulltesttype") == "IS_NULL":
        return _tested(test["arg"], rows=False)
    return frozenset()


def _tested(tree: Tree, *, rows: bool = True) -> frozenset[str]:
    """The columns of a test for NULL: one, or those of a row, all of them tested."""
    if "ColumnRef" in tree:
        return columns(tree)
    parts = tree.get("RowExpr", _EMPTY).get("args", ()) if rows else ()
    return frozenset().union(*(_tested(part, rows=False) for part in parts))


def always_true(tree: Tree | None) -> bool:
    """Whether a WHERE keeps every row: absent, `true`, `1 = 1`, `x = x`."""
    if tree is None:
        return True
    if constant := tree.get("A_Const"):
        return bool(constant.get("boolval", {}).get("boolval"))
    if both := tree.get("BoolExpr"):
        if both["boolop"] == "NOT_EXPR":
            return _never(both["args"][0])
        parts = [always_true(arg) for arg in both["args"]]
        if both["boolop"] == "AND_EXPR":
            return all(parts)
        return both["boolop"] == "OR_EXPR" and any(parts)
    equal = tree.get("A_Expr", {})
    if equal.get("kind") == "AEXPR_OP" and strings(equal.get("name")) == ("=",):
        return bool(bare(equal.get("lexpr")) == bare(equal.get("rexpr")))
    return False


def _never(tree: Tree) -> bool:
    constant = tree.get("A_Const", _EMPTY)
    return "boolval" in constant and not constant["boolval"].get("boolval")


def renamed(tree: Any, old: str, new: str) -> Any:
    """The expression as it is once a column has another name."""
    if isinstance(tree, list):
        return [renamed(item, old, new) for item in tree]
    if not isinstance(tree, dict):
        return tree
    if "ColumnRef" in tree and columns(tree) == {old}:
        fields = [*tree["ColumnRef"]["fields"][:-1], {"String": {"sval": new}}]
        return {"ColumnRef": {**tree["ColumnRef"], "fields": fields}}
    return {key: renamed(value, old, new) for key, value in tree.items()}


def bare(tree: Any) -> Any:
    """A tree without its locations, to compare two of them."""
    if isinstance(tree, dict):
        return {key: bare(value) for key, value in tree.items() if key != "location"}
    if isinstance(tree, list):
        return [bare(item) for item in tree]
    return tree

"""Questions about an expression's tree: which functions, which columns, how volatile.

Which functions are volatile is in `builtin_functions.py`; what follows for a lock or a
rewrite is for `effects.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Any

from bluegreen.lint.builtin_functions import CALM, VOLATILE
from bluegreen.lint.source import Tree

_EMPTY: Tree = {}


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
    calls = (node for name, node in walk(tree) if name == "FuncCall")
    return {strings(node.get("funcname"))[-1] for node in calls}


def columns(tree: Tree | None) -> frozenset[str]:
    """Names of the columns mentioned."""
    refs = (node for name, node in walk(tree) if name == "ColumnRef")
    return frozenset(strings(node.get("fields"))[-1] for node in refs)


def volatility(
    tree: Tree | None, calm: Set[str] = frozenset(), wild: Set[str] = frozenset()
) -> str:
    """`volatile`, `unknown` (a function we cannot know) or `calm`.

    Args:
        tree: the expression.
        calm: functions that are known besides, and are not volatile.
        wild: functions that are known besides, and are.
    """
    called = functions(tree)
    if called & VOLATILE or called & wild:
        return "volatile"
    return "unknown" if called - CALM - calm else "calm"


def is_null(tree: Tree | None) -> bool:
    """Whether the expression is the literal NULL, cast or not."""
    while tree and "TypeCast" in tree:
        tree = tree["TypeCast"]["arg"]
    return bool(tree and tree.get("A_Const", {}).get("isnull"))


def proves_not_null(tree: Tree | None) -> frozenset[str]:
    """Columns that a CHECK of this expression shows to hold no NULL.

    PostgreSQL (`ConstraintImpliedByRelConstraint`) proves by predicate logic; this
    takes `c IS NOT NULL` alone or within ANDs, the form that people write.
    """
    if not tree:
        return frozenset()
    if test := tree.get("NullTest"):
        if test.get("nulltesttype") == "IS_NOT_NULL" and "ColumnRef" in test["arg"]:
            return columns(test["arg"])
        return frozenset()
    both = tree.get("BoolExpr")
    if both and both["boolop"] == "AND_EXPR":
        return frozenset().union(*(proves_not_null(arg) for arg in both["args"]))
    return frozenset()


def always_true(tree: Tree | None) -> bool:
    """Whether a WHERE keeps every row: absent, `true`, `1 = 1`, `x = x`."""
    if tree is None:
        return True
    if constant := tree.get("A_Const"):
        return bool(constant.get("boolval", {}).get("boolval"))
    if both := tree.get("BoolExpr"):
        parts = [always_true(arg) for arg in both["args"]]
        if both["boolop"] == "AND_EXPR":
            return all(parts)
        return both["boolop"] == "OR_EXPR" and any(parts)
    equal = tree.get("A_Expr", {})
    if equal.get("kind") == "AEXPR_OP" and strings(equal.get("name")) == ("=",):
        return bool(bare(equal.get("lexpr")) == bare(equal.get("rexpr")))
    return False


def bare(tree: Any) -> Any:
    """A tree without its locations, to compare two of them."""
    if isinstance(tree, dict):
        return {key: bare(value) for key, value in tree.items() if key != "location"}
    if isinstance(tree, list):
        return [bare(item) for item in tree]
    return tree

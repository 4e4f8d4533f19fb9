"""Which columns of which tables a view is made of, as its text tells.

Owns the reading. That a change of such a column is refused is for the rule
`held-by-view`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set

from bluegreen.sql.expressions import strings, walk
from bluegreen.sql.parsing import Tree

_INNER = frozenset({"RangeSubselect", "RangeFunction", "RangeTableFunc"})
# A set operation has none of these, and no column of its own.
_SELECT = frozenset({"targetList", "fromClause", "valuesLists"})


Uses = frozenset[tuple[str, str]]
"""Pairs of table and column. An empty table stands for any that the view reads, an
empty column for all of them."""

Scope = dict[str, frozenset[str]]
"""Tables by the names that a query knows them by."""


def columns_of_view(query: Tree | None) -> Uses:
    """The columns; what comes out of an inner query is told by the columns inside."""
    tree = {"": query or {}}
    made = frozenset(node["ctename"] for _, node in walk(tree) if "ctename" in node)
    return frozenset(_of_select(tree, made, {}))


def holds(uses: Uses, table: str, column: str) -> bool:
    """Whether a view is made of the column, as far as its text tells."""
    return bool(uses & {(table, column), (table, ""), ("", column), ("", "")})


def renamed(uses: Uses, old: str, new: str) -> Uses:
    """The same once a table has another name."""
    return frozenset((new if table == old else table, name) for table, name in uses)


def _of_select(select: Tree, made: Set[str], outer: Scope) -> Iterator[tuple[str, str]]:
    """The columns of one SELECT, whose inner ones see its tables too.

    A name without a table is taken for one of the SELECT it stands in, though it may
    come from around it: few write that, and the columns are not known here.

    Args:
        select: the node.
        made: names that a WITH gives; they are no tables.
        outer: the tables that the SELECTs around it name.
    """
    nodes, inner = _own_nodes(select)
    own = _by_alias(nodes, made)
    tables = frozenset[str]().union(*own.values())
    scope = {**outer, **own}
    for kind, node in nodes:
        if kind == "ColumnRef":
            *before, column = strings(node.get("fields"))
            known = scope.get(before[-1], frozenset({""})) if before else tables
            yield from ((table, column) for table in known)
        elif kind == "JoinExpr":
            names = strings(node.get("usingClause"))
            yield from ((table, name) for table in tables for name in names)
    for below in inner:
        yield from _of_select(below, made, scope)


def _own_nodes(select: Tree) -> tuple[list[tuple[str, Tree]], list[Tree]]:
    """The nodes of a SELECT as (name, fields), and the SELECTs within it."""
    nodes, inner = [], []
    stack: list[object] = [select]
    while stack:
        here = stack.pop()
        if isinstance(here, list):
            stack.extend(here)
        elif isinstance(here, dict):
            for name, value in here.items():
                if isinstance(value, dict) and _SELECT & value.keys():
                    inner.append(value)
                    continue
                if isinstance(value, dict):
                    nodes.append((name, value))
                stack.append(value)
    return nodes, inner


def _by_alias(nodes: Iterable[tuple[str, Tree]], made: Set[str]) -> Scope:
    """Tables by what a SELECT calls them; an inner query is no table."""
    found: Scope = {}
    for kind, node in nodes:
        alias = node.get("alias", {}).get("aliasname", "")
        if kind == "RangeVar":
            name = node["relname"]
            found[alias or name] = frozenset({name}) - made
        elif kind in _INNER and alias:
            found[alias] = frozenset()
    return found

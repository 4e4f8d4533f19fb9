"""The names that a query's columns have, as far as its text tells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bluegreen.sql.expressions import strings
from bluegreen.sql.parsing import Tree


def again(names: Iterable[str]) -> str:
    """The first name that stands there a second time; empty where none does."""
    seen: set[str] = set()
    for name in names:
        if name and name in seen:
            return name
        seen.add(name)
    return ""


def output_names(query: Tree, aliases: Iterable[str] = ()) -> list[str]:
    """Names of a SELECT's columns, empty for one that is not known.

    Args:
        query: a `SelectStmt`.
        aliases: names in brackets behind the view's or table's, which come first.
    """
    while "larg" in query:
        query = query["larg"]
    found = list(_names(query))
    given = list(aliases)
    return [*given, *found[len(given) :]] if "" not in found[: len(given)] else given


def _names(query: Tree) -> Iterator[str]:
    for item in query.get("targetList", ()):
        target = item.get("ResTarget", {})
        yield target.get("name") or _named_by(target.get("val", {}))


def _named_by(value: Tree) -> str:
    """As FigureColname: a column by its last part, a call by its function."""
    if "ColumnRef" in value:
        last = value["ColumnRef"]["fields"][-1]
        return str(last["String"]["sval"]) if "String" in last else ""
    if "FuncCall" in value:
        return strings(value["FuncCall"]["funcname"])[-1]
    return ""

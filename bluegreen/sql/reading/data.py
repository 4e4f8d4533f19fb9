"""Statements that read or change rows or settings, to `Op`s."""

from __future__ import annotations

from collections.abc import Iterator

from bluegreen.sql.expressions import columns, functions, literal, walk
from bluegreen.sql.ops import Kind, Op
from bluegreen.sql.parsing import Tree
from bluegreen.sql.reading.parts import Reader, relation
from bluegreen.sql.reading.targets import again, output_names
from bluegreen.sql.source import Statement


def data(kind: Kind) -> Reader:
    """`INSERT`, `UPDATE`, `DELETE` or `MERGE`, with those in its `WITH`."""

    def reader(statement: Statement, tree: Tree) -> Iterator[Op]:
        yield from _inner_data(statement, tree)
        flags = set()
        rows: Tree = tree.get("selectStmt", {}).get("SelectStmt", {})
        if kind is Kind.INSERT and "valuesLists" in rows:
            flags.add("values")
        if "fromClause" in rows:
            flags.add("from")
        names = tuple(
            item["ResTarget"].get("name", "")
            for item in (tree.get("cols") or tree.get("targetList") or ())
            if "ResTarget" in item
        )
        yield Op(
            kind,
            statement.at,
            table=relation(tree["relation"]),
            expr=tree.get("whereClause"),
            names=names,
            flags=frozenset(flags),
            twice=_set_twice(kind, tree),
        )

    return reader


def _set_twice(kind: Kind, tree: Tree) -> str:
    """A column that one row would be given two values of."""
    parts = [tree] if kind in (Kind.INSERT, Kind.UPDATE) else []
    parts += [one["MergeWhenClause"] for one in tree.get("mergeWhenClauses", ())]
    if "onConflictClause" in tree:
        parts.append(tree["onConflictClause"])
    return next(filter(None, (again(_set_whole(part)) for part in parts)), "")


def _set_whole(tree: Tree) -> Iterator[str]:
    """Columns that are set; parts of one, as `a[1]`, may stand many times."""
    for item in tree.get("cols") or tree.get("targetList") or ():
        target = item.get("ResTarget", {})
        if not target.get("indirection"):
            yield target.get("name", "")


def assignments(statement: Statement) -> Iterator[tuple[str, frozenset[str]]]:
    """Each column that an `UPDATE` sets, and the columns that its value mentions."""
    for item in statement.tree["targetList"]:
        target = item["ResTarget"]
        yield target.get("name", ""), columns(target.get("val"))


_DATA_NODES = {
    "InsertStmt": Kind.INSERT,
    "UpdateStmt": Kind.UPDATE,
    "DeleteStmt": Kind.DELETE,
    "MergeStmt": Kind.MERGE,
}


def _inner_data(statement: Statement, tree: Tree) -> Iterator[Op]:
    """Data changes within a WITH."""
    for name, node in walk(tree.get("withClause", {})):
        if name in _DATA_NODES and "relation" in node:
            table = relation(node["relation"])
            where = node.get("whereClause")
            yield Op(_DATA_NODES[name], statement.at, table, expr=where)


def select(statement: Statement, tree: Tree) -> Iterator[Op]:
    """`SELECT`; one of `set_config` is a `SET`."""
    yield from _inner_data(statement, tree)
    if "intoClause" in tree:
        into = tree["intoClause"]["rel"]
        flags = {"temporary"} if into.get("relpersistence") == "t" else set()
        yield Op(
            Kind.CREATE_TABLE_AS,
            statement.at,
            table=relation(into),
            what="table",
            flags=frozenset(flags),
            twice=again(output_names(tree)),
        )
        return
    called = functions(tree)
    if called == {"set_config"}:
        yield from _set_config(statement, tree)
        return
    yield Op(Kind.SELECT, statement.at, names=tuple(sorted(called)))


def _set_config(statement: Statement, tree: Tree) -> Iterator[Op]:
    for name, node in walk(tree):
        if name == "FuncCall":
            args = [literal(arg) or "" for arg in node.get("args", ())]
            if len(args) == 3:
                flags = frozenset({"local"} if args[2] == "true" else ())
                setting, value = args[0].lower(), args[1]
                yield Op(
                    Kind.SET, statement.at, None, None, setting, value, flags=flags
                )


def set_variable(statement: Statement, tree: Tree) -> Iterator[Op]:
    """`SET` and `RESET`."""
    values = tuple(literal(arg) or "" for arg in tree.get("args", ()))
    flags = {"local"} if tree.get("is_local") else set()
    if tree["kind"] != "VAR_SET_VALUE":
        flags.add("reset")
    name = tree.get("name", "all").lower()
    yield Op(
        Kind.SET,
        statement.at,
        name=name,
        value=",".join(values),
        names=values,
        flags=frozenset(flags),
    )


def copy(statement: Statement, tree: Tree) -> Iterator[Op]:
    """`COPY`; only the way in changes rows."""
    if tree.get("is_from") and "relation" in tree:
        yield Op(Kind.COPY_IN, statement.at, table=relation(tree["relation"]))
    else:
        yield Op(Kind.SELECT, statement.at)

"""Which data a data statement derives from other data.

Owns the promise that each such statement makes, `this column is that expression`, and
the query that counts rows for which it no longer holds. Counting is for probes; what
no text tells, as a loop or dynamic SQL, is seen in rows.

Reads pglast's own trees, which alone can be printed. They are heavy to import.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from pglast import ast
from pglast.enums import AlterTableType, CmdType, MergeMatchKind, ObjectType
from pglast.visitors import Visitor

from bluegreen.sql.ops import Name
from bluegreen.sql.printing import printed, printed_name
from bluegreen.sql.source import Statement


class Promise(NamedTuple):
    """Data that a statement computed from other columns, and what shows it broken.

    Attributes:
        table: as the statement names it.
        columns: those that were filled; empty for rows that a query gave.
        broken: SELECT count(*) of rows for which it does not hold.
    """

    table: Name
    columns: tuple[str, ...]
    broken: str


def promises(statement: Statement) -> Iterator[Promise]:
    """What one statement derives, none for what is no data statement."""
    reader = _READERS.get(statement.kind)
    return reader(statement.node) if reader else iter(())


class _Columns(Visitor):
    """Collects the last part of every column reference."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def visit_ColumnRef(self, _: Any, node: Any) -> None:  # noqa: N802 (pglast's name)
        last = node.fields[-1]
        self.names.add(str(last.sval) if isinstance(last, ast.String) else "*")


def _columns_in(node: Any) -> set[str]:
    if node is None:
        return set()
    found = _Columns()
    found(node)
    return found.names


def _table_of(relation: Any) -> Name:
    return Name(relation.schemaname or "", relation.relname)


def _called(relation: Any) -> str:
    return str(relation.alias.aliasname if relation.alias else relation.relname)


def _with(tree: Any) -> str | None:
    """The WITH in front of a statement, None where one of its parts writes."""
    if tree.withClause is None:
        return ""
    parts = tree.withClause.ctes
    if not all(isinstance(part.ctequery, ast.SelectStmt) for part in parts):
        return None
    word = "WITH RECURSIVE" if tree.withClause.recursive else "WITH"
    return f"{word} {printed(tree.withClause)} "


def _from_update(tree: Any) -> Iterator[Promise]:
    """`SET c = expression over other columns` promises c = expression from then on."""
    first = _with(tree)
    if first is None:
        return
    written = {target.name for target in tree.targetList}
    where_reads = _columns_in(tree.whereClause) - written
    tables = ", ".join(map(printed, [tree.relation, *(tree.fromClause or ())]))
    for names, value in _assigned(tree.targetList):
        reads = _columns_in(value)
        if set(names) & reads or not (reads or where_reads):
            continue
        tests = [_differs(_called(tree.relation), names, value)]
        if tree.whereClause is not None and (tree.fromClause or not reads):
            tests.append(f"({printed(tree.whereClause)})")
        query = f"{first}SELECT count(*) FROM {tables}"  # noqa: S608
        broken = f"{query} WHERE {' AND '.join(tests)}"
        yield Promise(_table_of(tree.relation), names, broken)


def _assigned(targets: Any) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Each column with its value; columns that one subquery fills, together."""
    for place, target in enumerate(targets):
        value: Any = target.val
        if isinstance(value, ast.SetToDefault):
            continue
        if not isinstance(value, ast.MultiAssignRef):
            yield (target.name,), value
            continue
        source: Any = value.source
        column = value.colno or 1
        if isinstance(source, ast.RowExpr):
            fields: Any = source.args
            yield (target.name,), fields[column - 1]
        elif column == 1:
            together = targets[place : place + (value.ncolumns or 1)]
            yield tuple(one.name for one in together), source


def _differs(table: str, names: tuple[str, ...], value: Any) -> str:
    columns = [printed_name(table, name) for name in names]
    if len(names) == 1:
        return f"{columns[0]} IS DISTINCT FROM ({printed(value)})"
    given = [f"c{place}" for place, _ in enumerate(names)]
    pairs = zip(columns, given, strict=True)
    alike = " AND ".join(f"{one} IS NOT DISTINCT FROM bg.{two}" for one, two in pairs)
    query = printed(value.subselect)
    return f"NOT EXISTS (SELECT FROM ({query}) bg ({', '.join(given)}) WHERE {alike})"


def _from_merge(tree: Any) -> Iterator[Promise]:
    """What WHEN MATCHED THEN UPDATE sets from its source, it promises."""
    first = _with(tree)
    for when in tree.mergeWhenClauses if first is not None else ():
        matched = when.matchKind is MergeMatchKind.MERGE_WHEN_MATCHED
        if not matched or when.commandType != CmdType.CMD_UPDATE:
            continue
        tables = f"{printed(tree.relation)}, {printed(tree.sourceRelation)}"
        for names, value in _assigned(when.targetList):
            if _columns_in(value) and not set(names) & _columns_in(value):
                differs = _differs(_called(tree.relation), names, value)
                tests = f"({printed(tree.joinCondition)}) AND {differs}"
                query = f"{first}SELECT count(*) FROM {tables} WHERE {tests}"  # noqa: S608
                yield Promise(_table_of(tree.relation), names, query)


def _from_insert(tree: Any) -> Iterator[Promise]:
    """`INSERT ... SELECT` promises that the rows stay what the SELECT gives."""
    query, first = tree.selectStmt, _with(tree)
    if not isinstance(query, ast.SelectStmt) or not query.fromClause or first is None:
        return
    columns = ", ".join(printed_name(c.name) for c in tree.cols or ())
    yield _rows_of(tree.relation, query, columns or "*", first)


def _from_query(into: Any, query: Any) -> Iterator[Promise]:
    """A table made of a query; one that is another's plain copy is a backup."""
    if not isinstance(query, ast.SelectStmt):
        return
    if into.rel.relpersistence == "t" or into.skipData or not query.fromClause:
        return
    if not _plain_copy(query):
        yield _rows_of(into.rel, _without_into(query), "*", "")


def _plain_copy(query: Any) -> bool:
    tables: Any = query.fromClause or ()
    if query.whereClause or query.groupClause or len(tables) != 1:
        return False
    first: Any = tables[0]
    whole = all(
        isinstance(t.val, ast.ColumnRef) and _columns_in(t.val) == {"*"}
        for t in query.targetList or ()
    )
    return whole and isinstance(first, ast.RangeVar)


def _without_into(query: Any) -> Any:
    into, query.intoClause = query.intoClause, None
    text = printed(query)
    query.intoClause = into
    return text


def _rows_of(relation: Any, query: Any, columns: str, first: str) -> Promise:
    target = ast.RangeVar(
        schemaname=relation.schemaname,
        relname=relation.relname,
        inh=True,
        relpersistence="p",
    )
    text = query if isinstance(query, str) else printed(query)
    there = f"SELECT {columns} FROM {printed(target)}"  # noqa: S608
    lost = f"SELECT count(*) FROM (({text}) EXCEPT ({there})) AS lost"  # noqa: S608
    return Promise(_table_of(relation), (), f"{first}{lost}")


def _from_using(tree: Any) -> Iterator[Promise]:
    """`ALTER ... TYPE ... USING` over other columns fills the column from them."""
    for command in tree.cmds or ():
        if AlterTableType(command.subtype) is not AlterTableType.AT_AlterColumnType:
            continue
        using = command.def_.raw_default
        reads = _columns_in(using)
        if reads and command.name not in reads:
            query = f"SELECT count(*) FROM {printed(tree.relation)}"  # noqa: S608
            column = printed_name(command.name)
            broken = f"{query} WHERE {column} IS DISTINCT FROM ({printed(using)})"
            yield Promise(_table_of(tree.relation), (command.name,), broken)


def _from_create(tree: Any) -> Iterator[Promise]:
    if tree.objtype is ObjectType.OBJECT_TABLE:
        yield from _from_query(tree.into, tree.query)


def _from_select(tree: Any) -> Iterator[Promise]:
    if tree.intoClause is not None:
        yield from _from_query(tree.intoClause, tree)


_READERS = {
    "UpdateStmt": _from_update,
    "MergeStmt": _from_merge,
    "InsertStmt": _from_insert,
    "CreateTableAsStmt": _from_create,
    "SelectStmt": _from_select,
    "AlterTableStmt": _from_using,
}

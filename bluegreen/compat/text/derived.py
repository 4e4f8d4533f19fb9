"""Reads from a migration's data statements which data it derives from other data.

Owns the promise that each such statement makes, `this column is that expression`, and
the query that counts rows for which it no longer holds. Counting is for probes; what
no text tells, as a loop or dynamic SQL, is seen in rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pglast import ast
from pglast.enums import AlterTableType, CmdType, MergeMatchKind, ObjectType
from pglast.stream import RawStream
from pglast.visitors import Visitor


@dataclass(frozen=True, slots=True)
class Derived:
    """Data that a statement computed from other columns, and what shows it broken.

    Attributes:
        statement: index in the migration.
        table: as the statement names it, schema empty when it names none.
        columns: those that were filled; empty for rows that a query gave.
        broken: SELECT count(*) of rows for which it does not hold.
        path: the search_path that the migration had set by then, empty for none.
    """

    statement: int
    table: tuple[str, str]
    columns: tuple[str, ...]
    broken: str
    path: tuple[str, ...] = ()


class _Columns(Visitor):
    """Collects the last part of every column reference."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def visit_ColumnRef(self, _: Any, node: Any) -> None:  # noqa: N802 (pglast's name)
        last = node.fields[-1]
        self.names.add(str(last.sval) if isinstance(last, ast.String) else "*")


def columns_in(node: Any) -> set[str]:
    """The columns that an expression mentions."""
    if node is None:
        return set()
    found = _Columns()
    found(node)
    return found.names


def table_of(relation: Any) -> tuple[str, str]:
    """Schema, empty when none is written, and name of a RangeVar."""
    return relation.schemaname or "", relation.relname


def derived_by(number: int, tree: Any, path: tuple[str, ...] = ()) -> Iterator[Derived]:
    """What one statement derives, none for what is no data statement."""
    for table, columns, broken in _promises(tree):
        yield Derived(number, table, columns, broken, path)


_Promise = tuple[tuple[str, str], tuple[str, ...], str]


def _promises(tree: Any) -> Iterator[_Promise]:
    if isinstance(tree, ast.UpdateStmt):
        yield from _from_update(tree)
    elif isinstance(tree, ast.MergeStmt):
        yield from _from_merge(tree)
    elif isinstance(tree, ast.InsertStmt):
        yield from _from_insert(tree)
    elif isinstance(tree, ast.CreateTableAsStmt):
        if tree.objtype is ObjectType.OBJECT_TABLE:
            yield from _from_query(tree.into, tree.query)
    elif isinstance(tree, ast.SelectStmt) and tree.intoClause is not None:
        yield from _from_query(tree.intoClause, tree)
    elif isinstance(tree, ast.AlterTableStmt):
        yield from _from_using(tree)


def _sql(node: Any) -> str:
    return str(RawStream()(node))


def _name(*parts: str) -> str:
    return _sql(ast.ColumnRef(fields=tuple(map(ast.String, parts))))


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
    return f"{word} {_sql(tree.withClause)} "


def _from_update(tree: Any) -> Iterator[_Promise]:
    """`SET c = expression over other columns` promises c = expression from then on."""
    first = _with(tree)
    if first is None:
        return
    written = {target.name for target in tree.targetList}
    where_reads = columns_in(tree.whereClause) - written
    tables = ", ".join(map(_sql, [tree.relation, *(tree.fromClause or ())]))
    for names, value in _assigned(tree.targetList):
        reads = columns_in(value)
        if set(names) & reads or not (reads or where_reads):
            continue
        tests = [_differs(_called(tree.relation), names, value)]
        if tree.whereClause is not None and (tree.fromClause or not reads):
            tests.append(f"({_sql(tree.whereClause)})")
        query = f"{first}SELECT count(*) FROM {tables}"  # noqa: S608
        yield (
            table_of(tree.relation),
            names,
            f"{query} WHERE {' AND '.join(tests)}",
        )


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
    columns = [_name(table, name) for name in names]
    if len(names) == 1:
        return f"{columns[0]} IS DISTINCT FROM ({_sql(value)})"
    given = [f"c{place}" for place, _ in enumerate(names)]
    pairs = zip(columns, given, strict=True)
    alike = " AND ".join(f"{one} IS NOT DISTINCT FROM bg.{two}" for one, two in pairs)
    query = _sql(value.subselect)
    return f"NOT EXISTS (SELECT FROM ({query}) bg ({', '.join(given)}) WHERE {alike})"


def _from_merge(tree: Any) -> Iterator[_Promise]:
    """What WHEN MATCHED THEN UPDATE sets from its source, it promises."""
    first = _with(tree)
    for when in tree.mergeWhenClauses if first is not None else ():
        matched = when.matchKind is MergeMatchKind.MERGE_WHEN_MATCHED
        if not matched or when.commandType != CmdType.CMD_UPDATE:
            continue
        tables = f"{_sql(tree.relation)}, {_sql(tree.sourceRelation)}"
        for names, value in _assigned(when.targetList):
            if columns_in(value) and not set(names) & columns_in(value):
                differs = _differs(_called(tree.relation), names, value)
                tests = f"({_sql(tree.joinCondition)}) AND {differs}"
                query = f"{first}SELECT count(*) FROM {tables} WHERE {tests}"  # noqa: S608
                yield table_of(tree.relation), names, query


def _from_insert(tree: Any) -> Iterator[_Promise]:
    """`INSERT ... SELECT` promises that the rows stay what the SELECT gives."""
    query, first = tree.selectStmt, _with(tree)
    if not isinstance(query, ast.SelectStmt) or not query.fromClause or first is None:
        return
    columns = ", ".join(_name(c.name) for c in tree.cols or ())
    yield _rows_of(tree.relation, query, columns or "*", first)


def _from_query(into: Any, query: Any) -> Iterator[_Promise]:
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
        isinstance(t.val, ast.ColumnRef) and columns_in(t.val) == {"*"}
        for t in query.targetList or ()
    )
    return whole and isinstance(first, ast.RangeVar)


def _without_into(query: Any) -> Any:
    into, query.intoClause = query.intoClause, None
    text = _sql(query)
    query.intoClause = into
    return text


def _rows_of(relation: Any, query: Any, columns: str, first: str) -> _Promise:
    target = ast.RangeVar(
        schemaname=relation.schemaname,
        relname=relation.relname,
        inh=True,
        relpersistence="p",
    )
    text = query if isinstance(query, str) else _sql(query)
    there = f"SELECT {columns} FROM {_sql(target)}"  # noqa: S608
    lost = f"SELECT count(*) FROM (({text}) EXCEPT ({there})) AS lost"  # noqa: S608
    return table_of(relation), (), f"{first}{lost}"


def _from_using(tree: Any) -> Iterator[_Promise]:
    """`ALTER ... TYPE ... USING` over other columns fills the column from them."""
    for command in tree.cmds or ():
        if AlterTableType(command.subtype) is not AlterTableType.AT_AlterColumnType:
            continue
        using = command.def_.raw_default
        reads = columns_in(using)
        if reads and command.name not in reads:
            table = _sql(tree.relation)
            differs = f"{_name(command.name)} IS DISTINCT FROM ({_sql(using)})"
            yield (
                table_of(tree.relation),
                (command.name,),
                f"SELECT count(*) FROM {table} WHERE {differs}",  # noqa: S608
            )

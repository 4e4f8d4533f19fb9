"""What only the migration's text can tell: data it derives, and zones it assumes.

Owns the reading of data statements and USING clauses from pglast trees. What a
migration leaves in the catalog is read from the catalog instead.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pglast import ast, parse_plpgsql, parse_sql
from pglast.enums import AlterSubscriptionType, TransactionStmtKind
from pglast.parser import ParseError, scan
from pglast.stream import RawStream
from pglast.visitors import Visitor


@dataclass(frozen=True, slots=True)
class Derived:
    """Data that a statement computed from other columns, and what shows it broken.

    Attributes:
        statement: index in the migration.
        table: as the statement names it, schema empty when it names none.
        columns: those that were filled; empty for INSERT ... SELECT.
        broken: SELECT count(*) of rows for which it does not hold.
    """

    statement: int
    table: tuple[str, str]
    columns: tuple[str, ...]
    broken: str


@dataclass(frozen=True, slots=True)
class Told:
    """All that the text told.

    Attributes:
        zones: table, column and the zone of its USING ... AT TIME ZONE.
        refreshed: whether it refreshes a subscription's relation set.
        opaque: indexes of statements whose effect cannot be read.
    """

    derived: tuple[Derived, ...] = ()
    zones: tuple[tuple[tuple[str, str], str, str], ...] = ()
    refreshed: bool = False
    opaque: tuple[int, ...] = ()


def read_statements(texts: Sequence[str]) -> Told:
    """Read a migration. A text that does not parse counts as opaque."""
    derived: list[Derived] = []
    zones: list[tuple[tuple[str, str], str, str]] = []
    opaque: list[int] = []
    refreshed = False
    for number, text in enumerate(texts):
        trees = parsed(text)
        if trees is None:
            opaque.append(number)
            continue
        for tree in flattened(trees):
            if isinstance(tree, ast.UpdateStmt):
                derived += _from_update(number, tree)
            elif isinstance(tree, ast.InsertStmt):
                derived += _from_insert(number, tree)
            elif isinstance(tree, ast.AlterTableStmt):
                zones += _zones(tree)
            elif isinstance(tree, ast.AlterSubscriptionStmt):
                kind = AlterSubscriptionType(tree.kind or 0).name
                refreshed = refreshed or "REFRESH" in kind
            elif isinstance(tree, ast.ExecuteStmt | ast.CallStmt):
                opaque.append(number)
    return Told(tuple(derived), tuple(zones), refreshed, tuple(opaque))


def parsed(text: str) -> list[Any] | None:
    """The statements of a text, None when it does not parse."""
    try:
        return [raw.stmt for raw in parse_sql(text)]
    except ParseError:
        return None


def check_of_column(check: str, column: str) -> str:
    """A domain's `CHECK (...)` with a column in the place of VALUE."""
    name = _sql(ast.ColumnRef(fields=(ast.String(column),)))
    spots = [(t.start, t.end) for t in scan(check) if t.name == "VALUE_P"]
    for start, end in reversed(spots):
        check = f"{check[:start]}{name}{check[end + 1 :]}"
    return check


def one_transaction(text: str) -> str:
    """The same work without BEGIN and COMMIT, empty when it ends in a ROLLBACK.

    For running it inside a transaction of somebody else's. A text that does not parse
    is given back as it is.
    """
    try:
        trees = parse_sql(text)
    except ParseError:
        return text
    marks = [t.stmt for t in trees if isinstance(t.stmt, ast.TransactionStmt)]
    if not marks:
        return text
    if any(TransactionStmtKind(m.kind or 0).name in _UNDOES for m in marks):
        return ""
    parts = [
        _slice(text, t.stmt_location or 0, t.stmt_len or 0)
        for t in trees
        if not isinstance(t.stmt, ast.TransactionStmt)
    ]
    return "; ".join(parts)


def _slice(text: str, start: int, length: int) -> str:
    """A statement's own text; a length of 0 means up to the end."""
    return text[start : start + length] if length else text[start:]


_UNDOES = {"TRANS_STMT_ROLLBACK", "TRANS_STMT_ROLLBACK_TO"}


def flattened(trees: Sequence[Any]) -> Iterator[Any]:
    """The statements, and those written plainly inside DO bodies."""
    for tree in trees:
        if isinstance(tree, ast.DoStmt):
            yield from _inside(tree)
        else:
            yield tree


def _inside(tree: Any) -> Iterator[Any]:
    body = next((a.arg.sval for a in tree.args or () if a.defname == "as"), "")
    text = f"CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $_bg_${body}$_bg_$"
    try:
        found = parse_plpgsql(text)
    except ParseError:
        return
    for query in _queries(found):
        yield from parsed(query) or ()


def _queries(node: Any) -> Iterator[str]:
    """Queries of PLpgSQL_stmt_execsql anywhere in a body; dynamic SQL stays hidden."""
    if isinstance(node, str):
        node = json.loads(node)
    if isinstance(node, list):
        for item in node:
            yield from _queries(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "PLpgSQL_stmt_execsql":
                yield value["sqlstmt"]["PLpgSQL_expr"]["query"]
            elif isinstance(value, list | dict):
                yield from _queries(value)


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


def _sql(node: Any) -> str:
    return str(RawStream()(node))


def table_of(relation: Any) -> tuple[str, str]:
    """Schema, empty when none is written, and name of a RangeVar."""
    return relation.schemaname or "", relation.relname


def _from_update(number: int, tree: Any) -> Iterator[Derived]:
    """`SET c = expression over other columns` promises c = expression from then on."""
    written = {target.name for target in tree.targetList}
    where_reads = columns_in(tree.whereClause) - written
    for target in tree.targetList:
        if isinstance(target.val, ast.MultiAssignRef | ast.SetToDefault):
            continue
        reads = columns_in(target.val)
        if target.name in reads or not (reads or where_reads):
            continue
        tables = [tree.relation, *(tree.fromClause or ())]
        name = (
            tree.relation.alias.aliasname
            if tree.relation.alias
            else tree.relation.relname
        )
        column = _sql(ast.ColumnRef(fields=(ast.String(name), ast.String(target.name))))
        tests = [f"{column} IS DISTINCT FROM ({_sql(target.val)})"]
        if tree.whereClause is not None and (tree.fromClause or not reads):
            tests.append(f"({_sql(tree.whereClause)})")
        query = f"SELECT count(*) FROM {', '.join(map(_sql, tables))}"  # noqa: S608
        yield Derived(
            number,
            table_of(tree.relation),
            (target.name,),
            f"{query} WHERE {' AND '.join(tests)}",
        )


def _from_insert(number: int, tree: Any) -> Iterator[Derived]:
    """`INSERT ... SELECT` promises that the rows stay what the SELECT gives."""
    query = tree.selectStmt
    if not isinstance(query, ast.SelectStmt) or not query.fromClause:
        return
    columns = ", ".join(
        _sql(ast.ColumnRef(fields=(ast.String(c.name),))) for c in tree.cols or ()
    )
    target = _sql(
        ast.RangeVar(
            schemaname=tree.relation.schemaname,
            relname=tree.relation.relname,
            inh=True,
            relpersistence="p",
        )
    )
    yield Derived(
        number,
        table_of(tree.relation),
        (),
        f"SELECT count(*) FROM (({_sql(query)}) EXCEPT "  # noqa: S608
        f"(SELECT {columns or '*'} FROM {target})) AS lost",
    )


def _zones(tree: Any) -> Iterator[tuple[tuple[str, str], str, str]]:
    for command in tree.cmds or ():
        definition = getattr(command, "def_", None)
        using = getattr(definition, "raw_default", None)
        if isinstance(definition, ast.ColumnDef) and isinstance(using, ast.FuncCall):
            zone = _literal_zone(using)
            if zone:
                yield table_of(tree.relation), command.name, zone


def _literal_zone(call: Any) -> str:
    """`x AT TIME ZONE 'UTC'` parses as pg_catalog.timezone('UTC', x)."""
    if call.funcname[-1].sval != "timezone" or not call.args:
        return ""
    first = call.args[0]
    value = getattr(first, "val", None)
    return str(value.sval) if isinstance(value, ast.String) else ""

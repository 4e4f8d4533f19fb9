"""What only the migration's text can tell: data it derives, and zones it assumes.

Owns the walk through texts and DO bodies, zones of USING clauses and what a write does
in its own transaction. Which data are derived is for `derived`; what a migration leaves
in the catalog is read from the catalog instead.
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

from bluegreen.compat.text.derived import Derived, columns_in, derived_by, table_of

__all__ = [
    "Derived",
    "Told",
    "check_of_column",
    "columns_in",
    "flattened",
    "one_transaction",
    "parsed",
    "read_statements",
    "table_of",
]


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
    path: tuple[str, ...] = ()
    for number, text in enumerate(texts):
        trees = parsed(text)
        if trees is None:
            opaque.append(number)
            continue
        for tree in flattened(trees):
            derived += derived_by(number, tree, path)
            path = _path(tree, path)
            if isinstance(tree, ast.AlterTableStmt):
                zones += _zones(tree)
            elif isinstance(tree, ast.AlterSubscriptionStmt):
                kind = AlterSubscriptionType(tree.kind or 0).name
                refreshed = refreshed or "REFRESH" in kind
            elif isinstance(tree, ast.ExecuteStmt | ast.CallStmt):
                opaque.append(number)
    return Told(tuple(derived), tuple(zones), refreshed, tuple(opaque))


def _path(tree: Any, path: tuple[str, ...]) -> tuple[str, ...]:
    """The search_path after a statement."""
    if not isinstance(tree, ast.VariableSetStmt) or tree.name != "search_path":
        return path
    values = [getattr(arg, "val", None) for arg in tree.args or ()]
    return tuple(str(v.sval) for v in values if isinstance(v, ast.String))


def parsed(text: str) -> list[Any] | None:
    """The statements of a text, None when it does not parse."""
    try:
        return [raw.stmt for raw in parse_sql(text)]
    except ParseError:
        return None


def check_of_column(check: str, column: str) -> str:
    """A domain's `CHECK (...)` with a column in the place of VALUE."""
    name = str(RawStream()(ast.ColumnRef(fields=(ast.String(column),))))
    spots = [(t.start, t.end) for t in scan(check) if t.name == "VALUE_P"]
    for start, end in reversed(spots):
        check = f"{check[:start]}{name}{check[end + 1 :]}"
    return check


def one_transaction(text: str) -> str:
    """The same work without BEGIN and COMMIT, empty when it ends in a ROLLBACK.

    Savepoints stay: what is rolled back to one is the text's own affair. For running
    it inside a transaction of somebody else's. A text that does not parse is given back
    as it is.
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
        or TransactionStmtKind(t.stmt.kind or 0).name in _INSIDE
    ]
    return "; ".join(parts)


def _slice(text: str, start: int, length: int) -> str:
    """A statement's own text; a length of 0 means up to the end."""
    return text[start : start + length] if length else text[start:]


_UNDOES = {"TRANS_STMT_ROLLBACK"}
_INSIDE = {
    "TRANS_STMT_SAVEPOINT",
    "TRANS_STMT_RELEASE",
    "TRANS_STMT_ROLLBACK_TO",
}


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

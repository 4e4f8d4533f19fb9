"""One SQL expression, as a person writes it into a playbook.

Owns telling an expression over the columns of one row from everything else. Pure.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from bluegreen.sql.expressions import walk
from bluegreen.sql.parsing import COMMENTS, Tree, parser

_CLAUSES = frozenset(
    {
        "distinctClause",
        "intoClause",
        "fromClause",
        "whereClause",
        "groupClause",
        "havingClause",
        "windowClause",
        "valuesLists",
        "sortClause",
        "limitOffset",
        "limitCount",
        "lockingClause",
        "withClause",
        "larg",
    }
)
_WANTED = "one SQL expression over columns of the same table"
_FUNCTION = "put it into a function and call that by schema and name"


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression that was read.

    Attributes:
        text: as written.
        columns: columns of the row that it mentions.
    """

    text: str
    columns: frozenset[str]


def read_expression(text: str) -> Expression:
    """Read an expression over the columns of one row.

    Raises:
        ValueError: it is something else; the message says what is wanted.
    """
    nodes = list(walk(_only_value(text)))
    for kind, node in nodes:
        _refuse(kind, node)
    columns = (node for kind, node in nodes if kind == "ColumnRef")
    return Expression(text, frozenset(_column(node) for node in columns))


def _only_value(text: str) -> Tree:
    """The tree of the one value that `SELECT text` would give."""
    try:
        if any(token.name in COMMENTS for token in parser.scan(text)):
            raise ValueError(f"{_WANTED}, without a comment")
        parsed = json.loads(parser.parse_sql_json(f"SELECT {text}\n"), strict=False)
    except parser.ParseError as error:
        raise ValueError(f"{_WANTED}: {error.args[0]}") from None
    except RecursionError:
        raise ValueError(f"{_WANTED}, less deeply nested") from None
    statements = [one["stmt"] for one in parsed["stmts"]]
    select = statements[0].get("SelectStmt", {}) if len(statements) == 1 else {}
    values = select.get("targetList", ())
    if len(values) != 1 or _CLAUSES & set(select) or not text.strip():
        raise ValueError(_WANTED)
    value: Tree = values[0]["ResTarget"]
    if "name" in value:
        raise ValueError(f"{_WANTED}, without a name behind it")
    return value["val"]  # type: ignore[no-any-return]


def _refuse(kind: str, node: Tree) -> None:
    if kind in {"SubLink", "SelectStmt"}:
        raise ValueError(f"{_WANTED}, without a subselect: {_FUNCTION}")
    aggregate = {"over", "agg_star", "agg_order", "agg_filter", "agg_distinct"}
    if kind == "GroupingFunc" or (kind == "FuncCall" and aggregate & set(node)):
        raise ValueError(f"{_WANTED}, without aggregates and windows")
    if kind in {"ParamRef", "CurrentOfExpr", "SetToDefault"}:
        raise ValueError(_WANTED)


def _column(node: Tree) -> str:
    fields = node["fields"]
    if len(fields) != 1 or "String" not in fields[0]:
        raise ValueError(f"{_WANTED}, each by its bare name")
    return str(fields[0]["String"]["sval"])

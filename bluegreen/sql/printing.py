"""Parts of statements back to SQL, and names as PostgreSQL would have them quoted.

The printer and the classes of pglast's own trees are loaded when they are first used.
"""

from __future__ import annotations

from typing import Any

from bluegreen.sql.parsing import parser


def printed(node: Any) -> str:
    """A node of pglast's own trees as SQL on one line."""
    from pglast.stream import RawStream

    return str(RawStream()(node))


def printed_name(*parts: str) -> str:
    """A column's name, with the table's or without, quoted where it must be."""
    from pglast import ast

    return printed(ast.ColumnRef(fields=tuple(map(ast.String, parts))))


def check_of_column(check: str, column: str) -> str:
    """A domain's `CHECK (...)` with a column in the place of VALUE."""
    spots = [(t.start, t.end) for t in parser.scan(check) if t.name == "VALUE_P"]
    for start, end in reversed(spots):
        check = f"{check[:start]}{printed_name(column)}{check[end + 1 :]}"
    return check

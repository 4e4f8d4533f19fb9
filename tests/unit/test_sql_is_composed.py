"""SQL is put together by psycopg.sql or takes parameters, never by text of ours."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import bluegreen

ROOT = Path(bluegreen.__file__).parent
FILES = sorted(
    path for path in ROOT.rglob("*.py") if "psycopg" in path.read_text(encoding="utf-8")
)
TAKES_SQL = {"execute", "executemany", "copy", "rows", "value", "run", "SQL", "stream"}


def put_together(tree: ast.AST) -> Iterator[ast.expr]:
    """First arguments of what takes SQL that are made of more than constants."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and _name(node.func) in TAKES_SQL:
            first = node.args[0]
            if _is_made(first):
                yield first


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _is_made(node: ast.expr) -> bool:
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(part, ast.FormattedValue) for part in node.values)
    if isinstance(node, ast.BinOp):
        texts = [
            side
            for side in (node.left, node.right)
            if isinstance(side, ast.JoinedStr)
            or (isinstance(side, ast.Constant) and isinstance(side.value, str))
        ]
        return bool(texts)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        on = node.func.value
        return node.func.attr in {"format", "join"} and isinstance(on, ast.Constant)
    return False


def test_whoever_connects_asks_what_tls_is_due() -> None:
    doors = {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
        for path in FILES
        if "lab" not in path.parts
    }
    connect = {
        name
        for name, text in doors.items()
        if "psycopg.connect(" in text or "connect_start(" in text
    }
    assert len(connect) >= 3
    assert [name for name in sorted(connect) if "pinned(" not in doors[name]] == []


def test_there_is_something_to_look_at() -> None:
    assert len(FILES) > 40


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_statement_is_put_together_by_hand(path: Path) -> None:
    found = put_together(ast.parse(path.read_text(encoding="utf-8")))
    assert [f"line {node.lineno}: {ast.unparse(node)}" for node in found] == []


@pytest.mark.parametrize(
    "line",
    [
        'session.execute(f"DROP TABLE {name}")',
        'session.execute("DROP TABLE %s" % name)',
        'session.execute("DROP TABLE " + name)',
        'session.execute("DROP TABLE {}".format(name))',
        'database.rows(sql.SQL(f"SELECT {name}"))',
        'sql.SQL(", ".join(names))',
    ],
)
def test_a_statement_that_is_put_together_is_seen(line: str) -> None:
    assert len(list(put_together(ast.parse(line)))) == 1

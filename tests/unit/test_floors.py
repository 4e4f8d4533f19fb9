"""The house keeps its floors: a package imports only what lies below it."""

from __future__ import annotations

import ast
import graphlib
import sys
from pathlib import Path

import pytest

import bluegreen

ROOT = Path(bluegreen.__file__).parent
FLOORS = {
    "model": 1,
    "sql": 2,
    "postgres": 3,
    "lint": 4,
    "compat": 4,
    "backups": 4,
    "migrators": 4,
    "pointers": 4,
    "notify": 4,
    "steps": 5,
    "engine": 6,
    "playbook": 6,
    "report": 7,
    "schedule": 7,
    "cli": 8,
}
# Third-party packages, by what is imported, and the rooms that may know them.
OWNERS = {
    "apprise": {"notify"},
    "boto3": {"backups", "pointers"},
    "botocore": {"backups", "pointers"},
    "dns": {"pointers"},
    "mypy_boto3_rds": {"backups"},
    "mypy_boto3_route53": {"pointers"},
    "mypy_boto3_s3": {"backups"},
    "pyrage": {"backups"},
    "s3transfer": {"backups"},
    "pglast": {"sql"},
    "psycopg": {"postgres", "pointers", "lab", "compat", "lint"},
    "pydantic": {"model", "playbook", "steps"},
    "pydantic_core": {"model", "playbook"},
    "rich": {"report"},
    "structlog": {"report"},
    "tenacity": {"backups", "notify", "pointers", "postgres"},
    "typer": {"cli"},
    "yaml": {"playbook"},
}
# The one verb that may open the lab's door.
LAB_DOORS = {"cli/demo.py"}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def words_of_constants(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text()))
    values = (node.value for node in nodes if isinstance(node, ast.Constant))
    return {word for text in values if isinstance(text, str) for word in text.split()}


FILES = sorted(p for p in ROOT.rglob("*.py") if p.parent != ROOT)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_imports_only_what_lies_below(path: Path) -> None:
    here = path.relative_to(ROOT).parts[0]
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "bluegreen" and len(parts) > 1 and parts[1] != here:
            there = parts[1]
            if there == "lab":
                assert str(path.relative_to(ROOT)) in LAB_DOORS, name
            elif here != "lab" and there in FLOORS:
                assert FLOORS[there] < FLOORS[here], f"{path}: {name}"


def test_every_package_is_known_to_its_owners_alone() -> None:
    """Also to each of them: an owner that lets go of a package is taken off."""
    users: dict[str, set[str]] = {}
    for path in ROOT.rglob("*.py"):
        for name in imports(path):
            package = name.partition(".")[0]
            if package not in {*sys.stdlib_module_names, "bluegreen"}:
                users.setdefault(package, set()).add(path.relative_to(ROOT).parts[0])
    assert users == OWNERS


@pytest.mark.parametrize(
    ("word", "owner"),
    [
        ("alembic_version", "model/bookkeeping.py"),
        ("zulu", "model/zones.py"),
        ("CreateTableSpaceStmt", "sql/transactions.py"),
    ],
)
def test_a_list_of_names_stands_once(word: str, owner: str) -> None:
    having = [path for path in FILES if word in words_of_constants(path)]
    assert [str(path.relative_to(ROOT)) for path in having] == [owner]


LONGEST_FILE = 400
LONGEST_FUNCTION = 60


def test_no_file_and_no_function_is_long() -> None:
    long = [p for p in FILES if len(p.read_text().splitlines()) > LONGEST_FILE]
    assert long == []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.end_lineno is not None:
                lines = node.end_lineno - node.lineno + 1
                assert lines <= LONGEST_FUNCTION, f"{path}: {node.name} has {lines}"


def test_every_room_has_a_floor() -> None:
    rooms = {p.name for p in ROOT.iterdir() if p.is_dir() and p.name[0] != "_"}
    assert rooms == {*FLOORS, "lab"}


def test_no_file_imports_one_that_imports_it() -> None:
    names = {".".join(p.relative_to(ROOT.parent).with_suffix("").parts) for p in FILES}
    graph = {
        name: imports(ROOT.parent / f"{name.replace('.', '/')}.py") & names - {name}
        for name in names
    }
    # Raises a CycleError that names the ring, imports for types alone included.
    assert list(graphlib.TopologicalSorter(graph).static_order())

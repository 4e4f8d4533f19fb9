"""docs/failure-modes.md names a proof for every row, and every proof exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bluegreen.model.codes import Code

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "failure-modes.md"
OUTCOMES = {"finding", "gate", "monitor", "order", "limit"}


@dataclass(frozen=True)
class Mode:
    """One row of the page."""

    number: int
    outcome: frozenset[str]
    against: str
    proofs: tuple[str, ...]


def modes(text: str) -> Iterator[Mode]:
    for line in text.splitlines():
        if re.match(r"\| \d+ \|", line):
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            number, _, _, outcome, against = cells[:5]
            proofs = re.findall(r"`([^`]+)`", "".join(cells[5:]))
            yield Mode(
                int(number), frozenset(outcome.split(", ")), against, tuple(proofs)
            )


MODES = list(modes(PAGE.read_text()))


def names_of(tree: ast.Module) -> set[str]:
    """`test_x` and `TestY::test_z` of a file."""
    found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            found |= {
                f"{node.name}::{inner.name}"
                for inner in node.body
                if isinstance(inner, ast.FunctionDef)
            }
    return found


def fault_of(proof: str) -> str:
    """Why there is no such test; empty when there is."""
    found = re.fullmatch(r"([\w/]+\.py)::([\w:]*test_\w+)(?:\[([\w-]+)\])?", proof)
    if not found:
        return "is not path::name"
    path = ROOT / "tests" / found[1]
    if not path.is_file():
        return "is in no file"
    source = path.read_text()
    if found[2] not in names_of(ast.parse(source)):
        return "is not in its file"
    if found[3] and f'"{found[3]}"' not in source:
        return "has no such case"
    return ""


def test_every_mode_is_told_of_in_one_row() -> None:
    numbers = [mode.number for mode in MODES]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: str(mode.number))
def test_a_row_has_an_outcome_and_proofs_that_exist(mode: Mode) -> None:
    assert mode.outcome
    assert mode.outcome <= OUTCOMES
    assert mode.proofs or mode.outcome == {"limit"}
    faults = {proof: fault for proof in mode.proofs if (fault := fault_of(proof))}
    assert faults == {}


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: str(mode.number))
def test_what_stands_against_it_is_named(mode: Mode) -> None:
    codes = {int(code) for code in re.findall(r"BG-(\d+)", mode.against)}
    assert codes <= set(Code)
    if "finding" in mode.outcome:
        assert re.search(r"`[a-z]+(-[a-z]+)*`", mode.against)


@pytest.mark.parametrize(
    ("proof", "fault"),
    [
        ("unit/test_failure_modes.py::test_that_nobody_wrote", "is not in its file"),
        ("unit/test_no_such_file.py::test_x", "is in no file"),
        ("unit/test_failure_modes.py", "is not path::name"),
        (
            "unit/test_failure_modes.py::test_a_proof_that_is_missing_is_seen[no-such]",
            "has no such case",
        ),
        ("unit/test_failure_modes.py::test_a_proof_that_is_missing_is_seen", ""),
    ],
)
def test_a_proof_that_is_missing_is_seen(proof: str, fault: str) -> None:
    if "[" in proof:
        proof = proof.replace("no-such", "-".join(("never", "planted")))
    assert fault_of(proof) == fault

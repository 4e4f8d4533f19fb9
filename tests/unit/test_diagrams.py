"""The diagrams of the docs say what the code does, in its order."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from inspect import getsource
from pathlib import Path
from textwrap import dedent
from types import FunctionType
from typing import Any

import pytest

from bluegreen.model.record import Kind
from bluegreen.steps.switchover.pause import go_through
from bluegreen.steps.switchover.traffic import SwitchTraffic

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def diagrams(text: str) -> list[str]:
    return re.findall(r"(?ms)^```mermaid\n(.*?)^```", text)


def diagram(page: str, kind: str) -> str:
    [found] = [
        one
        for one in diagrams((ROOT / page).read_text())
        if one.startswith(f"{kind}\n")
    ]
    return found


def passed(function: Any) -> Iterator[str]:
    """Parts of the budget and crash points, in the order in which they are passed."""
    tree = ast.parse(dedent(getsource(function)))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda node: (node.lineno, node.col_offset)):
        name = ast.unparse(call.func).split(".")[-1]
        if name in {"mark", "done", "point"} and isinstance(call.args[0], ast.Constant):
            yield str(call.args[0].value)
        elif isinstance(part := function.__globals__.get(name), FunctionType):
            yield from passed(part) if part.__module__ == function.__module__ else ()


def drawn(text: str) -> Iterator[str]:
    """The same of the diagram: what the tool does, and its points."""
    for line in text.splitlines():
        if found := re.match(
            r"\s*(?:T->>[PBN]|Note over T): ([a-z_]+(?:/[a-z_]+)?)\b", line
        ):
            yield found[1]


IN_THE_CODE = [*passed(go_through), *passed(SwitchTraffic._let_clients_in)]


def test_the_pause_is_drawn_in_the_order_of_the_code() -> None:
    assert len(IN_THE_CODE) > 15
    assert list(drawn(diagram("docs/architecture.md", "sequenceDiagram"))) == (
        IN_THE_CODE
    )


@pytest.mark.parametrize(
    ("former", "latter"), [("fence (", "wall ("), ("move/marked", "move/fenced")]
)
def test_a_pause_that_drifts_is_seen(former: str, latter: str) -> None:
    text = diagram("docs/architecture.md", "sequenceDiagram")
    assert former in text
    assert list(drawn(text.replace(former, latter))) != IN_THE_CODE


def test_the_certificate_lists_the_parts_in_the_same_order() -> None:
    text = (ROOT / "docs" / "certificate.md").read_text()
    row = next(line for line in text.splitlines() if "`pause.parts_ms`" in line)
    parts = [one for one in IN_THE_CODE if "/" not in one]
    assert re.findall(r"`([a-z_]+)`", row.split("In order:")[1]) == parts


def test_the_changes_of_a_side_are_records_of_the_journal() -> None:
    text = diagram("docs/concepts.md", "stateDiagram-v2")
    arrows = re.findall(r"^\s*(\S+) --> (\S+?)(?:: (.+))?$", text, re.M)
    kinds = {str(kind) for kind in Kind}
    words = {(a, b): label.partition(" ")[0] for a, b, label in arrows}
    recorded = {pair: word for pair, word in words.items() if word in kinds}
    assert recorded == {
        ("serves", "held"): "pausing",
        ("held", "serves"): "backed_out",
        ("held", "follows"): "committed",
        ("follows", "serves"): "committed",
        ("follows", "lacks"): "abandoned",
        ("follows", "released"): "released",
    }
    to_serves = {a for a, b, _ in arrows if b == "serves"}
    assert to_serves == {"[*]", "held", "follows"}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_diagram_has_what_ends_a_statement_of_mermaid(page: Path) -> None:
    for one in diagrams(page.read_text()):
        assert ";" not in one
        assert "#" not in one

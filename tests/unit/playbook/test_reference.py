"""The committed reference page and schema are those of the models."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from bluegreen.playbook import complaints
from bluegreen.playbook.models import Playbook
from bluegreen.playbook.reference import PAGE, SCHEMA, page, schema
from bluegreen.steps.registry import STEPS

ROOT = Path(__file__).parents[3]
AGAIN = "run `python -m bluegreen.playbook.reference`"


def test_the_page_is_current() -> None:
    assert (ROOT / PAGE).read_text() == page(), AGAIN


def test_the_schema_is_current() -> None:
    assert json.loads((ROOT / SCHEMA).read_text()) == schema(), AGAIN


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    assert '"null"' not in json.dumps(schema())


def test_every_parameter_is_explained() -> None:
    for step in STEPS:
        for name, info in step.model_fields.items():
            assert name == "step" or info.description, f"{step.__name__}.{name}"


def test_reading_a_playbook_reads_no_docstrings() -> None:
    """They cost a tenth of the start of every verb, and only the page shows them."""
    code = (
        "import bluegreen.playbook.load\n"
        "from bluegreen.playbook.models import Playbook, SideConfig\n"
        "from bluegreen.steps.registry import STEPS\n"
        "models = (Playbook, SideConfig, *STEPS)\n"
        "print([m for m in models for i in m.model_fields.values() if i.description])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout == "[]\n"


def test_without_sources_a_refusal_has_no_meanings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none(_: object) -> str:
        raise OSError("source code not available")

    monkeypatch.setattr(complaints.inspect, "getsource", none)
    assert complaints.meanings.__wrapped__(Playbook) == {}


def test_the_module_writes_both_files(tmp_path: Path) -> None:
    (tmp_path / "bluegreen" / "playbook").mkdir(parents=True)
    command = [sys.executable, "-m", "bluegreen.playbook.reference"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert (tmp_path / PAGE).read_text() == page()
    assert json.loads((tmp_path / SCHEMA).read_text()) == schema()

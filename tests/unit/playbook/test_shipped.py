"""The playbooks that are shipped as examples load, and so does what they name."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from bluegreen.playbook.load import load, require_files
from bluegreen.playbook.reference import schema

FOLDER = Path(__file__).parents[3] / "playbooks"
SHIPPED = sorted(FOLDER.glob("*.yml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_a_shipped_playbook_loads(path: Path, tmp_path: Path) -> None:
    home = shutil.copytree(FOLDER, tmp_path / "playbooks")
    text = path.read_text()
    for name in re.findall(r"\$\{file:([^}]+)\}", text):
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_text("tiger\n")
        (home / name).chmod(0o600)
    # Values that differ: ports of one machine must.
    names = re.findall(r"\$\{env:(\w+)\}", text)
    environ = {name: str(number) for number, name in enumerate(names, 1)}
    require_files(load(home / path.name, environ))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_an_editor_finds_nothing_wrong_with_it(path: Path) -> None:
    errors = Draft202012Validator(schema()).iter_errors(
        yaml.safe_load(path.read_text())
    )
    assert [error.message for error in errors] == []


def test_there_are_examples() -> None:
    names = {path.stem for path in SHIPPED}
    wanted = {"same-server-schema-change", "major-upgrade", "approval-and-window"}
    assert wanted <= names

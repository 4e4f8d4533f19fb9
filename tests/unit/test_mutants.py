"""The bugs of `tests.mutants` still fit our code, and each still makes a module."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import bluegreen
from tests.mutants.bug import Bug, Edit
from tests.mutants.bugs import BUGS


def copy_of(files: set[str], folder: Path) -> Path:
    for file in files:
        path = folder / "bluegreen" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(bluegreen.__file__).parent / file, path)
    return folder


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_bug_fits_the_code(bug: Bug, tmp_path: Path) -> None:
    files = {edit.file for edit in bug.edits}
    copy = copy_of(files, tmp_path)
    for edit in bug.edits:
        edit.apply(copy)
    for file in files:
        path = copy / "bluegreen" / file
        compile(path.read_text(), str(path), "exec")


def test_a_text_that_is_not_there_once_is_an_error(tmp_path: Path) -> None:
    copy = copy_of({"model/side.py"}, tmp_path)
    for text in ("nothing of the kind", "self"):
        with pytest.raises(LookupError, match=r"holds this \d times"):
            Edit("model/side.py", text, "").apply(copy)


def test_each_bug_has_a_name_of_its_own_and_tests_that_exist() -> None:
    assert len({bug.name for bug in BUGS}) == len(BUGS)
    root = Path(bluegreen.__file__).parents[1]
    for bug in BUGS:
        assert bug.tests, bug.name
        for test in bug.tests:
            file, _, name = test.partition("::")
            assert f"def {name.partition('[')[0]}(" in (root / file).read_text()

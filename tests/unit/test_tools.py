"""Where PostgreSQL's own programs are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from bluegreen.model.errors import ServerRefused
from bluegreen.postgres import tools
from bluegreen.postgres.tools import find_tool

SAYS = '#!/bin/sh\n: > "$0.ran"\necho "pg_dump (PostgreSQL) {}"\n'


def program(path: Path, version: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SAYS.format(version))
    path.chmod(0o755)
    return path


@pytest.fixture
def debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing but what a test puts there."""
    monkeypatch.delenv("BLUEGREEN_PG_BIN", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(tools, "_DEBIAN", tmp_path / "lib")
    monkeypatch.setattr(tools, "_wheel", list)
    wrapper = program(tmp_path / "share" / "pg_wrapper", "15.1")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pg_dump").symlink_to(wrapper)
    return tmp_path


def test_debians_wrapper_is_passed_over_for_what_it_would_start(debian: Path) -> None:
    there = program(debian / "lib" / "15" / "bin" / "pg_dump", "15.2")
    program(debian / "lib" / "13" / "bin" / "pg_dump", "13.9")
    found = find_tool("pg_dump")
    assert (found.path, found.version) == (there, "15.2")
    assert not (debian / "share" / "pg_wrapper.ran").exists()


def test_a_wrapper_with_nothing_to_start_is_no_program(debian: Path) -> None:
    with pytest.raises(ServerRefused) as caught:
        find_tool("pg_dump")
    assert caught.value.code == 3006


def test_the_newest_of_all_folders_is_taken(debian: Path) -> None:
    program(debian / "lib" / "15" / "bin" / "pg_dump", "15.2")
    (debian / "bin" / "pg_dump").unlink()
    own = program(debian / "bin" / "pg_dump", "17.4")
    assert find_tool("pg_dump").path == own
    with pytest.raises(ServerRefused) as caught:
        find_tool("pg_dump", at_least=18)
    assert caught.value.code == 3005

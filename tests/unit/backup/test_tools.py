"""Finding the newest program among those on the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from bluegreen.model.errors import ServerRefused
from bluegreen.model.secret import Secret
from bluegreen.model.side import Side
from bluegreen.postgres.database import Database
from bluegreen.postgres.tools import (
    Tool,
    environment_for,
    find_tool,
    read_tool,
    run_tool,
)


def fake(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "pg_dump").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "pg_dump").chmod(0o755)
    return folder


def test_the_newest_wins_whatever_the_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = fake(tmp_path / "old", "echo 'pg_dump (PostgreSQL) 9.6.24'")
    new = fake(tmp_path / "new", "echo 'pg_dump (PostgreSQL) 99beta1'")
    odd = fake(tmp_path / "odd", "echo nothing")
    monkeypatch.delenv("BLUEGREEN_PG_BIN", raising=False)
    monkeypatch.setenv("PATH", f"{old}:{new}:{odd}")
    assert find_tool("pg_dump") == Tool(new / "pg_dump", 99, "99")


def test_a_named_folder_is_taken_and_may_be_too_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = fake(tmp_path / "old", "echo 'pg_dump (PostgreSQL) 13.4 (Debian 13.4-1)'")
    monkeypatch.setenv("BLUEGREEN_PG_BIN", str(old))
    assert find_tool("pg_dump", at_least=13).version == "13.4"
    with pytest.raises(ServerRefused) as caught:
        find_tool("pg_dump", at_least=16)
    assert str(caught.value) == (
        "error BG-3005: pg_dump is older than the server\n"
        f"  seen:    {old}/pg_dump is 13.4\n"
        "  wanted:  pg_dump 16 or newer\n"
        "  hint:    install the package postgresql-client-16, or name its folder in"
        " BLUEGREEN_PG_BIN"
    )


def test_none_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLUEGREEN_PG_BIN", str(tmp_path))
    with pytest.raises(ServerRefused) as caught:
        find_tool("pg_dump")
    assert caught.value.code == 3006
    assert str(tmp_path) in caught.value.seen


def test_last_words_and_status_are_kept(tmp_path: Path) -> None:
    folder = fake(tmp_path / "x", "seq 30 >&2; exit 3")
    ended = run_tool(Tool(folder / "pg_dump", 16, "16"), [])
    assert ended.status == 3
    assert ended.said.splitlines() == [str(n) for n in range(19, 31)]


def test_line_ends_inside_what_is_printed_stay_as_they_are(tmp_path: Path) -> None:
    """A function that was written on Windows has carriage returns in its body."""
    folder = fake(tmp_path / "bin", r"printf 'a\r\nb\rc\n'")
    ended, text = read_tool(Tool(folder / "pg_dump", 16, "16.1"), [])
    assert (ended.status, text) == (0, "a\r\nb\rc\n")


def test_the_environment_leads_to_the_database() -> None:
    database = Database(
        Side.GREEN,
        "postgresql://app@10.0.0.6:5433/shop?sslmode=require",
        password=Secret("s3cret"),
    )
    found = environment_for(database)
    wanted = {
        "PGHOST": "10.0.0.6",
        "PGPORT": "5433",
        "PGDATABASE": "shop",
        "PGUSER": "app",
        "PGSSLMODE": "require",
        "PGPASSWORD": "s3cret",
    }
    assert {name: found[name] for name in wanted} == wanted

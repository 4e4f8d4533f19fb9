"""The tool that holds the linter against a server over files sees what differs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.lint_world import main

HISTORY = (
    (
        "CREATE TABLE note (id bigint PRIMARY KEY, body text);\n"
        "CREATE TABLE log (at date) PARTITION BY RANGE (at);\n"
        "CREATE FUNCTION part() RETURNS void LANGUAGE plpgsql AS 'BEGIN"
        " CREATE TABLE log_1 (at date); ALTER TABLE log ATTACH PARTITION log_1 DEFAULT;"
        " END';\n"
        "CREATE FUNCTION widen() RETURNS void LANGUAGE sql AS"
        " 'ALTER TABLE note ALTER id TYPE numeric';\n"
    ),
    "SELECT part();\nALTER TABLE log ADD COLUMN x int;\n",
    (
        "BEGIN;\nALTER TABLE note ALTER COLUMN body TYPE varchar(9);\nCOMMIT;\n"
        "CREATE INDEX CONCURRENTLY i ON note (body);\nDROP TABLE missing;\n"
    ),
)


@pytest.fixture
def history(tmp_path: Path) -> list[str]:
    paths = [tmp_path / f"{number}.sql" for number in range(len(HISTORY))]
    for path, text in zip(paths, HISTORY, strict=True):
        path.write_text(text)
    return list(map(str, paths))


def test_a_partition_that_only_a_function_makes_is_covered_by_its_parent(
    history: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--major", "15", *history]) == 0
    *told, last = capsys.readouterr().out.splitlines()
    assert json.loads(last) == {
        "statements": 7,
        "agree": 7,
        "missed": 0,
        "alarms": 0,
        "failed": 1,
    }
    assert len(told) == 1
    assert "2.sql:5: failed: table" in told[0]


def test_what_the_linter_cannot_know_is_counted_as_missed(
    history: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hidden = tmp_path / "hidden.sql"
    hidden.write_text("SELECT widen();")
    assert main(["--major", "15", *history, str(hidden)]) == 1
    *told, last = capsys.readouterr().out.splitlines()
    assert json.loads(last)["missed"] == 1
    assert "not told: ACCESS EXCLUSIVE on note, table rewrite" in told[-1]

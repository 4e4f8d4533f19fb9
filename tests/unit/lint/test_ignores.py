"""Ignores, in the file and in the configuration, and the configuration itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from bluegreen.lint.config import Config, find, load, parse
from bluegreen.model.errors import PlaybookRefused
from bluegreen.model.finding import Severity
from tests.unit.lint.kit import fired, lint

DROP = "DROP TABLE note;"


@pytest.mark.parametrize(
    "sql",
    [
        f"-- bluegreen: ignore drop-table unused since May\n{DROP}",
        f"/* bluegreen: ignore drop-table unused since May */ {DROP}",
        f"{DROP} -- bluegreen: ignore drop-table unused since May",
        "DROP /* bluegreen: ignore drop-table unused since May */ TABLE note;",
        f"-- bluegreen: ignore-file drop-table unused since May\nSELECT 1;\n{DROP}",
    ],
)
def test_an_ignore_with_a_reason_hides(sql: str) -> None:
    report = lint(sql)
    assert report.findings == ()
    (hidden,) = report.files[0].ignored
    assert (hidden.id, hidden.reason) == ("drop-table", "unused since May")


def test_an_ignore_counts_for_one_statement_only() -> None:
    sql = f"-- bluegreen: ignore drop-table unused\n{DROP}\n{DROP}"
    assert [f.line for f in lint(sql).findings] == [3]


def test_an_ignore_in_a_string_is_none() -> None:
    assert fired(f"SELECT '-- bluegreen: ignore drop-table x';\n{DROP}") == [
        "drop-table"
    ]


def test_faults_of_ignores() -> None:
    assert fired(f"-- bluegreen: ignore drop-tabel it is unused\n{DROP}") == [
        "unknown-ignore",
        "drop-table",
    ]
    assert fired(f"-- bluegreen: ignore drop-table\n{DROP}") == [
        "ignore-without-reason",
        "drop-table",
    ]
    assert fired(f"-- bluegreen: ignore\n{DROP}") == ["unknown-ignore", "drop-table"]
    assert fired("-- bluegreen: ignore drop-table unused\nSELECT 1;") == [
        "unused-ignore"
    ]


def test_a_configured_ignore_counts_under_its_path() -> None:
    item = {"rule": "drop-table", "path": "1*", "reason": "unused"}
    ignore = parse({"ignore": [item]}, Path("x")).ignore
    sql = f"{DROP}\n-- file: 2.sql\n{DROP}"
    report = lint(sql, ignore=ignore)
    assert [f.file for f in report.findings] == ["2.sql"]
    assert report.files[0].ignored[0].reason == "unused"


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        ({"colour": 1}, "colour: there is no such field"),
        ({"enable": ["x"]}, "enable: there is no rule 'x'"),
        ({"target-version": 12}, "target-version: known versions are 13 to 18"),
        ({"transaction": "maybe"}, "transaction: 'maybe' is not file, query or none"),
        ({"fail-level": "bad"}, "fail-level: 'bad' is not info, warning or error"),
        ({"ignore": [{"rule": "x", "reason": "y"}]}, "ignore: there is no rule 'x'"),
        (
            {"ignore": [{"rule": "drop-table"}]},
            "ignore: why may drop-table be ignored? give a reason",
        ),
        (
            {"ignore": [{"rule": "drop-table", "reason": " "}]},
            "ignore: why may drop-table be ignored? give a reason",
        ),
        ({"small-table": "many"}, "small-table: 'many' is not a count"),
    ],
)
def test_a_wrong_configuration_is_refused(
    content: dict[str, object], seen: str
) -> None:
    with pytest.raises(PlaybookRefused) as refusal:
        parse(content, Path("lint.toml"))
    assert str(refusal.value) == (
        "error BG-2003: the lint configuration in lint.toml cannot be used\n"
        f"  seen:    {seen}\n"
        "  wanted:  the fields of docs/lint/configuration.md\n"
        "  hint:    is the rule spelt as in `bluegreen lint --rules`, with a reason?"
    )


def test_the_nearest_configuration_is_found(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    project = tmp_path / "pyproject.toml"
    project.write_text('[tool.bluegreen.lint]\nfail-level = "error"\n')
    assert find(below) == project
    assert load(project).fail_level is Severity.CRITICAL
    own = tmp_path / "a" / ".bluegreen-lint.toml"
    own.write_text("target-version = 16\nsettings = { LOCK_TIMEOUT = '1s' }\n")
    assert find(below) == own
    assert load(own) == Config(target_version=16, settings={"lock_timeout": "1s"})


def test_broken_toml_is_refused(tmp_path: Path) -> None:
    own = tmp_path / ".bluegreen-lint.toml"
    own.write_text("x = ")
    with pytest.raises(PlaybookRefused):
        load(own)

"""Every format of findings, the verb, `--fix`, and the exit status."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import typer
from typer.testing import CliRunner

from bluegreen.cli.lint import lint as verb
from bluegreen.lint.engine import Report
from bluegreen.lint.fix import fixed
from bluegreen.model.errors import PlaybookRefused
from bluegreen.report import lint_github, lint_json, lint_junit, lint_sarif, lint_text
from tests.unit.lint.kit import lint

SQL = (
    "-- é\nCREATE INDEX i ON note (é);\n"
    "-- bluegreen: ignore truncate it is a cache\nTRUNCATE cache;"
)
APP = typer.Typer(add_completion=False)
APP.command()(verb)


def run(*words: str, stdin: str | None = None) -> tuple[int, str]:
    result = CliRunner().invoke(APP, list(words), input=stdin)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


def test_text_shows_the_line_and_a_caret() -> None:
    assert lint_text.render(lint("SELECT 'é'; " + SQL.split("\n")[1])) == (
        "1.sql:1:13: error[index-not-concurrent]: "
        "CREATE INDEX blocks writes to note while it builds\n"
        "    1 | SELECT 'é'; CREATE INDEX i ON note (é);\n"
        "      |             ^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
        "      takes: SHARE on note; scan of note\n"
        "      why:   Every write to the table waits until the index is built.\n"
        "      safe:  CREATE INDEX CONCURRENTLY, alone in a file without a "
        "transaction.\n"
        "      write: CREATE INDEX CONCURRENTLY i ON note (é);\n"
        "\n"
        "1 file: 1 error, 0 warning, 0 info; strategy: additive-only\n"
    )


def shown(sql: str) -> list[str]:
    return lint_text.render(lint(sql)).split("\n")[:3]


def test_the_caret_stands_under_wide_and_combining_characters() -> None:
    _, line, mark = shown("SELECT '日本e\u0301'; DROP TABLE \"語\";")
    assert line == "    1 | SELECT '日本e\u0301'; DROP TABLE \"語\";"
    # Two columns for each of the wide ones, none for the accent.
    assert mark == "      |                 ^^^^^^^^^^^^^^^"


def test_a_terminal_is_given_nothing_that_it_would_obey() -> None:
    text = lint_text.render(lint('DROP TABLE "a\x1b[2J\x07\nb\x9b";'), explain=True)
    assert r"a\x1b[2J\x07\nb\x9b" in text
    assert not set(text) & set("\x1b\x07\x9b")


def test_a_long_line_is_cut_around_the_mark() -> None:
    filler = "SELECT 1; " * 100
    _, line, mark = shown(f"{filler}DROP TABLE note; {filler}")
    at = mark.index("^")
    assert line[at : at + mark.count("^")] == "DROP TABLE note"
    assert (len(line) < 200, line[8], line[-1]) == (True, "…", "…")


def test_sarif_names_the_file_by_a_uri() -> None:
    (file,) = lint("DROP TABLE note;").files
    odd = replace(file.findings[0], file="a b/100%:é.sql")
    report = Report((file._replace(findings=(odd,)),))
    (found,) = json.loads(lint_sarif.render(report))["runs"][0]["results"]
    place = found["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place == {"uri": "a%20b/100%25%3A%C3%A9.sql"}


def test_text_explains_every_statement() -> None:
    report = lint("ALTER TABLE n ADD COLUMN a serial;")
    assert "table rewrite" in lint_text.render(report, explain=True)


def test_json_carries_effects_and_ignores() -> None:
    (file,) = json.loads(lint_json.render(lint(SQL)))["files"]
    (found,) = file["findings"]
    assert (found["rule"], found["line"], found["column"]) == (
        "index-not-concurrent",
        2,
        1,
    )
    assert found["effect"]["locks"] == {"note": "SHARE"}
    assert found["fixable"] is True
    assert [(f["rule"], f["reason"]) for f in file["ignored"]] == [
        ("truncate", "it is a cache")
    ]


def test_sarif_has_what_2_1_0_asks_for() -> None:
    log = json.loads(lint_sarif.render(lint(SQL)))
    assert log["version"] == "2.1.0"
    (run_,) = log["runs"]
    rules = run_["tool"]["driver"]["rules"]
    first, second = run_["results"]
    assert rules[first["ruleIndex"]]["id"] == first["ruleId"] == "index-not-concurrent"
    region = first["locations"][0]["physicalLocation"]["region"]
    assert (region["startLine"], region["startColumn"], region["endColumn"]) == (
        2,
        1,
        27,
    )
    assert second["suppressions"] == [
        {"kind": "inSource", "justification": "it is a cache"}
    ]


def test_github_escapes_what_would_end_the_command() -> None:
    (line,) = lint_github.render(lint(SQL)).splitlines()
    assert line.startswith(
        "::error file=1.sql,line=2,col=1,endColumn=27,title=index-not-concurrent::"
    )
    report = lint('ALTER TABLE "a%\nb" DROP COLUMN c;')
    assert "a%25%0Ab" in lint_github.render(report)


def test_junit_is_xml_with_a_failure_for_each_finding() -> None:
    tree = ET.fromstring(lint_junit.render(lint(SQL + "SELECT '<\x01&';")))
    assert tree.attrib["failures"] == "1"
    assert [case.attrib["name"] for case in tree.iter("testcase")] == [
        "index-not-concurrent 2:1"
    ]
    clean = ET.fromstring(lint_junit.render(lint("SELECT 1;")))
    assert [case.attrib["name"] for case in clean.iter("testcase")] == ["clean"]


def test_fixing_twice_is_fixing_once() -> None:
    sql = (
        "-- é\nCREATE INDEX i ON n (a);\nALTER TABLE n ADD CHECK (é > 0);\n"
        "ALTER TABLE n ALTER a SET NOT NULL"
    )
    new, made = fixed(sql, lint(sql, settings={}).findings)
    assert made == 4
    assert new == (
        "-- é\nSET lock_timeout = '2s';\nCREATE INDEX CONCURRENTLY i ON n (a);\n"
        'ALTER TABLE n ADD CONSTRAINT "n_é_check" CHECK (é > 0) NOT VALID;\n'
        'ALTER TABLE n VALIDATE CONSTRAINT "n_é_check";\n'
        "ALTER TABLE n ADD CONSTRAINT n_a_proof CHECK (a IS NOT NULL) NOT VALID;\n"
        "ALTER TABLE n VALIDATE CONSTRAINT n_a_proof;\n"
        "ALTER TABLE n ALTER a SET NOT NULL;\n"
        "ALTER TABLE n DROP CONSTRAINT n_a_proof"
    )
    again = lint(new, settings={})
    assert fixed(new, again.findings) == (new, 0)
    assert [f.id for f in again.findings] == []


def test_nothing_is_written_behind_a_comment() -> None:
    sql = "ALTER TABLE n ADD CHECK (a > 0) -- more than none\n;"
    assert fixed(sql, lint(sql).findings) == (sql, 0)


def test_what_cannot_share_a_transaction_is_not_written() -> None:
    sql = "BEGIN;\nCREATE INDEX i ON n (a);\nCOMMIT;"
    report = lint(sql)
    (finding,) = report.findings
    assert finding.safe is not None
    assert fixed(sql, report.findings) == (sql, 0)


def test_the_exit_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "10.sql").write_text("SET lock_timeout = '1s';")
    (tmp_path / "2.sql").write_text("SELECT 1;")
    (tmp_path / "3.down.sql").write_text("DROP TABLE n;")
    assert run(".")[0] == 0
    (tmp_path / "11.sql").write_text("ALTER TABLE n ALTER a DROP NOT NULL;")
    assert run(".")[0] == 0
    assert run(".", "--fail-level", "info")[0] == 1
    status, text = run(".", "--format", "json", "--fail-level", "info")
    names = [file["name"] for file in json.loads(text)["files"]]
    assert (status, names) == (1, ["2.sql", "10.sql", "11.sql"])


def test_stdin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    status, text = run("-", stdin="TRUNCATE n;")
    assert status == 1
    assert "<stdin>:1:1: error[truncate]" in text


def test_fix_writes_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "1.sql"
    file.write_bytes(b"\xef\xbb\xbfSET lock_timeout = '1s';\r\nREINDEX TABLE n;\r\n")
    assert run("1.sql", "--fix")[0] == 0
    assert file.read_bytes() == (
        b"\xef\xbb\xbfSET lock_timeout = '1s';\r\nREINDEX TABLE CONCURRENTLY n;\r\n"
    )


def test_a_schema_file_is_known_and_not_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "0.sql").write_text("CREATE TABLE n (a varchar(5)); TRUNCATE n;")
    (tmp_path / "1.sql").write_text(
        "SET lock_timeout = '1s'; ALTER TABLE n ALTER a TYPE varchar(9);"
    )
    assert run("1.sql")[0] == 1
    assert run(".", "--schema", "0.sql") == (
        0,
        "1 file: 0 error, 0 warning, 0 info; strategy: additive-only\n",
    )


def test_a_path_that_is_not_there() -> None:
    with pytest.raises(PlaybookRefused) as refusal:
        run("/nowhere/1.sql")
    assert str(refusal.value) == (
        "error BG-2001: /nowhere/1.sql cannot be read\n"
        "  seen:    No such file or directory\n"
        "  wanted:  SQL files or folders of them\n"
        "  hint:    is the path right, as seen from here?"
    )


def test_a_folder_without_sql_is_no_success(tmp_path: Path) -> None:
    (tmp_path / "1.down.sql").write_text("DROP TABLE n;")
    with pytest.raises(PlaybookRefused) as refusal:
        run(str(tmp_path))
    assert str(refusal.value) == (
        f"error BG-2001: there are no SQL files to judge in {tmp_path}\n"
        "  seen:    1 file of the way down\n"
        "  wanted:  SQL files or folders of them\n"
        "  hint:    is this the folder? Other layouts are read with --migrator"
    )


def test_a_misspelt_rule_is_told_its_name() -> None:
    (finding,) = lint("-- bluegreen: ignore drop-colunm x\nSELECT 1;").findings
    assert finding.seen == "there is no rule 'drop-colunm'; is it drop-column?"


def test_the_list_of_rules() -> None:
    status, text = run("--rules")
    assert status == 0
    assert "index-not-concurrent" in text

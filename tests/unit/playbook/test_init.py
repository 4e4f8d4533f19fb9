"""`bluegreen init`: questions in, a playbook that loads out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from click.testing import Result
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from bluegreen.cli.init import Answers, init, render
from bluegreen.model.errors import PlaybookRefused
from bluegreen.playbook.load import load, parse

APP = typer.Typer()
APP.command()(init)

GIVEN = (
    *("--blue", "host=blue.db dbname=Orders user=bg"),
    *("--green", "host=green.db dbname=Orders user=bg"),
    *("--pgbouncer-config", "/etc/pgb.ini"),
    *("--pgbouncer-console", "host=/run/pgbouncer user=admin"),
    *("--database", "orders_rw"),
    *("--name", "orders"),
)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*words: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(APP, words, input=typed)


def refusal(*words: str, typed: str | None = None) -> str:
    error = run(*words, typed=typed).exception
    assert isinstance(error, PlaybookRefused), error
    return str(error)


def test_defaults_make_a_playbook_that_loads() -> None:
    result = run("--yes")
    assert result.exit_code == 0, result.output
    assert result.stdout == (
        "wrote playbook.yml\n"
        "next: read it through, then `bluegreen plan playbook.yml`\n"
    )
    playbook = load(Path("playbook.yml"), {}).playbook
    assert playbook.name == "shop"
    assert [step.step for step in playbook.steps] == [
        *("check", "backup", "replicate", "validate"),
        *("approve", "cutover", "hold", "decommission"),
    ]


def test_flags_are_taken_without_asking() -> None:
    result = run(*GIVEN, "--output", "orders.yml", "--json")
    assert json.loads(result.stdout) == {"playbook": "orders.yml", "name": "orders"}
    playbook = load(Path("orders.yml"), {}).playbook
    assert playbook.blue.dsn.words["host"] == "blue.db"
    assert playbook.pointers[0].database == "orders_rw"
    assert playbook.pointers[0].config_file == "/etc/pgb.ini"


def test_it_asks_for_what_is_not_given_and_asks_again() -> None:
    typed = "\n".join(
        [
            "host=b password=hunter2",
            "host=b dbname=Big-Shop",
            "host=g dbname=shop",
            *("", "", ""),
            "Not A Name",
            "",
        ]
    )
    result = run(typed=typed + "\n")
    assert result.exit_code == 0, result.output
    assert "a password is written in --blue" in result.stderr
    assert "a small letter" in result.stderr
    assert "DSN of blue" in result.stderr
    assert "DSN of blue" not in result.stdout
    assert "wrote playbook.yml\n" in result.stdout
    playbook = load(Path("playbook.yml"), {}).playbook
    assert playbook.name == "big_shop"
    assert playbook.pointers[0].database == "Big-Shop"


def test_it_replaces_nothing_unasked() -> None:
    Path("playbook.yml").write_text("mine")
    assert refusal("--yes") == (
        "error BG-2008: playbook.yml is there already; nothing was written\n"
        "  hint:    name another file with --output, or replace it with --force"
    )
    assert Path("playbook.yml").read_text() == "mine"
    assert run("--yes", "--force").exit_code == 0
    load(Path("playbook.yml"), {})


def test_a_folder_that_is_not_there_is_said() -> None:
    assert refusal("--yes", "--output", "no/playbook.yml") == (
        "error BG-2008: no/playbook.yml cannot be written: no such file or directory\n"
        "  hint:    name another file with --output"
    )


def test_a_password_is_refused_and_not_written() -> None:
    message = refusal("--yes", "--blue", "host=b password=hunter2")
    assert message.startswith("error BG-2005: a password is written in --blue\n")
    assert "hunter2" not in message
    assert not Path("playbook.yml").exists()


def test_a_name_that_is_none_is_refused() -> None:
    assert refusal("--yes", "--name", "Big Shop") == (
        "error BG-2008: --name is no name for a move\n"
        "  wanted:  a small letter, then up to 39 small letters, digits or _\n"
        "  hint:    --name big_shop would do"
    )


def test_answers_that_do_not_fit_together_are_refused_unwritten() -> None:
    dsn = "host=b dbname=shop"
    message = refusal("--yes", "--blue", dsn, "--green", dsn)
    assert "blue and green are the same database" in message
    assert not Path("playbook.yml").exists()


def test_a_reference_need_not_have_a_value_yet() -> None:
    dsn = "host=b dbname=shop password=${env:NOT_SET_HERE}"
    assert run("--yes", "--blue", dsn).exit_code == 0
    with pytest.raises(PlaybookRefused, match="NOT_SET_HERE is not set"):
        load(Path("playbook.yml"), {})


ANSWER = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=30)


@settings(deadline=None, max_examples=50)
@given(ANSWER.filter(lambda text: "${" not in text))
def test_every_answer_comes_back_as_it_was_given(answer: str) -> None:
    text = render(
        Answers("shop", "dbname=a host=a", "host=b dbname=b", "host=c", answer, answer)
    )
    playbook, _ = parse(text.encode(), Path("playbook.yml"), {})
    assert playbook.pointers[0].database == answer
    assert playbook.pointers[0].config_file == answer


def test_the_verb_imports_lightly() -> None:
    """Start-up counts on a bad night: no pydantic, no psycopg until it is used."""
    code = (
        "import sys, bluegreen.cli.init; "
        "print(sorted({'pydantic', 'psycopg', 'yaml'} & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout == "[]\n"

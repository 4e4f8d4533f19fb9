"""The reference of the commands: in step with the program, its examples run."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from bluegreen.cli.app import VERBS, command_of
from bluegreen.cli.examples import calls, epilog
from bluegreen.cli.reference import FOLDER, pages
from bluegreen.cli.reference_notes import EXIT_STATUSES, STATUSES_OF, VARIABLES_OF

ROOT = Path(__file__).parents[3]
PAGES = pages()
MIGRATION = """\
SET lock_timeout = '2s';
SET statement_timeout = '5s';
ALTER TABLE shop.orders ADD COLUMN note text;
"""
OFFLINE = ("init", "lint", "compat", "explain")
"""Verbs with an example that asks no server; `tests/integration/test_examples.py` runs
the others."""


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_program_says(name: str) -> None:
    page = ROOT / FOLDER / name
    assert page.is_file(), f"{page}: run `python -m bluegreen.cli.reference`"
    told = "out of date: run `python -m bluegreen.cli.reference`"
    assert page.read_text() == PAGES[name], told


def test_there_is_no_page_of_another_verb() -> None:
    assert {page.name for page in (ROOT / FOLDER).iterdir()} == PAGES.keys()


@pytest.mark.parametrize("verb", VERBS)
def test_a_page_has_every_option_with_its_help(verb: str) -> None:
    text = PAGES[f"{verb}.md"]
    for param in command_of(verb).params:
        assert param.help, param.name
        if param.param_type_name == "option":
            assert f"| `{param.opts[0]}`" in text


@pytest.mark.parametrize("verb", VERBS)
def test_the_notes_are_of_a_verb_and_of_statuses_that_there_are(verb: str) -> None:
    assert STATUSES_OF[verb].keys() <= EXIT_STATUSES.keys()


def test_no_note_is_of_a_verb_that_is_no_more() -> None:
    assert {*STATUSES_OF, *VARIABLES_OF} <= VERBS.keys()


def test_calls_are_told_apart() -> None:
    several = "Examples: bluegreen x a; bluegreen x --sql 'a; b'"
    assert calls(several) == ["bluegreen x a", "bluegreen x --sql 'a; b'"]
    assert calls("Example: bluegreen x") == ["bluegreen x"]
    assert epilog("Example: bluegreen x") == "\b\nExample: bluegreen x"


def first_of(verb: str, word: str) -> list[str]:
    """The words of the first example with `word` in it."""
    text = PAGES[f"{verb}.md"].split("## Example")[1].split("```\n")[1]
    return shlex.split(next(line for line in text.splitlines() if word in line))


@pytest.mark.parametrize("verb", OFFLINE)
def test_an_example_without_a_server_runs(verb: str, tmp_path: Path) -> None:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "1.sql").write_text(MIGRATION)
    words = first_of(verb, "migrations" if verb in ("lint", "compat") else verb)
    if verb == "lint":  # As the shell does.
        words = [w.replace("*.sql", "1.sql") for w in words]
    more = ["--yes"] if verb == "init" else []
    done = subprocess.run(
        [sys.executable, "-m", *words, *more],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout

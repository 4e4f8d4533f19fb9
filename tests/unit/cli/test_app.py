"""The command line as a whole: help, verbs, completion, and what they import."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from bluegreen.cli.app import VERBS

HEAVY = ("pydantic", "psycopg", "pglast", "boto3", "rich", "structlog", "yaml")


def call(*args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bluegreen", *args],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "100", **environ},
        timeout=60,
    )


LOOK = """
import contextlib, io, sys
from bluegreen.cli.app import run
with contextlib.redirect_stdout(io.StringIO()):
    for call in {calls!r}:
        assert run(call) == 0, call
print(*(name for name in {heavy!r} if name in sys.modules))
"""


def test_help_imports_nothing_heavy() -> None:
    calls = [["--help"], ["--version"], *([verb, "--help"] for verb in VERBS)]
    code = LOOK.format(calls=calls, heavy=HEAVY)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


def test_help_has_every_verb_and_a_line_on_it() -> None:
    said = " ".join(call("--help").stdout.split())
    for verb, line in VERBS.items():
        assert f" {verb} {line}" in said


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_a_verb(verb: str) -> None:
    done = call(verb, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: bluegreen {verb} ")
    for section in ("Raises:", "Args:", "Returns:"):
        assert section not in done.stdout


@pytest.mark.parametrize(
    "verb", ["run", "plan", "status", "journal", "approve", "check"]
)
def test_the_help_of_a_verb_ends_with_an_example(verb: str) -> None:
    out = call(verb, "--help").stdout
    assert re.search(rf"Examples?:\s+bluegreen {verb} shop.yml", out)
    assert "--json" in out


def test_no_word_at_all_is_help_and_no_success() -> None:
    done = call()
    assert done.returncode == 2
    assert "Usage: bluegreen" in done.stdout + done.stderr


@pytest.mark.parametrize("args", [("statu",), ("status",), ("status", "--nix", "x")])
def test_wrong_words_end_with_2(args: tuple[str, ...]) -> None:
    done = call(*args)
    assert done.returncode == 2
    assert "Usage: bluegreen" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "count", "offered"),
    [("bluegreen st", "1", "status"), ("bluegreen status --w", "2", "--watch")],
)
def test_completion_offers_verbs_and_options(
    words: str, count: str, offered: str
) -> None:
    done = call(_BLUEGREEN_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=count)
    assert done.stdout.split() == [offered]


def test_a_reader_that_leaves_is_no_error() -> None:
    done = subprocess.run(
        f"{sys.executable} -m bluegreen journal --help | head -1; "
        "echo ${PIPESTATUS[0]}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    assert done.stdout.startswith("Usage: bluegreen journal")


def test_a_terminal_without_signs_still_gets_the_text() -> None:
    code = (
        "import sys; from bluegreen.cli.app import run; run(['--version']);"
        "sys.stdout.write('✓ it holds\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert done.stdout.splitlines()[-1] == b"\\u2713 it holds"


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_every_verb_ends_with_an_example(verb: str) -> None:
    said = call(verb, "--help").stdout
    assert "Example" in said
    assert f"bluegreen {verb}" in said.split("Example", 1)[1]

"""The door: every error leaves as text, as JSON, and as an exit status."""

from __future__ import annotations

import json
import re
import stat
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from psycopg import sql
from psycopg.conninfo import make_conninfo

from bluegreen.cli.exit import bug_report, redact, reported
from bluegreen.model.errors import BluegreenError, StepError
from bluegreen.model.secret import Secret

ERROR = StepError(4004, "a migration failed", seen="line 3", hint="fix it")


def status_of(verb, **words: object) -> int:  # type: ignore[no-untyped-def]
    try:
        reported(verb)(**words)
    except typer.Exit as end:
        return end.exit_code
    return 0


def raises(error: BaseException):  # type: ignore[no-untyped-def]
    def verb(json_: bool = False) -> None:
        raise error

    return verb


def test_a_verb_that_ends_well_ends_with_0_or_what_it_says() -> None:
    assert status_of(lambda: None) == 0
    assert status_of(lambda: 0) == 0
    assert status_of(lambda: 7) == 7


def test_an_error_is_text_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(raises(ERROR)) == 4
    out, error = capsys.readouterr()
    assert out == ""
    assert error == f"{ERROR}\n"


def test_an_error_is_json_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(raises(ERROR), json_=True) == 4
    out, error = capsys.readouterr()
    assert error == ""
    assert json.loads(out) == {
        "error": {
            "code": "BG-4004",
            "exit_status": 4,
            "problem": "a migration failed",
            "seen": "line 3",
            "wanted": "",
            "traffic": "",
            "hint": "fix it",
        }
    }


def test_ctrl_c_is_an_error_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(raises(KeyboardInterrupt())) == 4
    assert capsys.readouterr().err == (
        "error BG-4007: interrupted\n"
        "  hint:    nothing of a run was cut short; `bluegreen status` tells what "
        "stands\n"
    )


def test_what_typer_raises_is_typers() -> None:
    assert status_of(raises(typer.Exit(5))) == 5
    with pytest.raises(typer.BadParameter):
        reported(raises(typer.BadParameter("no")))()


def test_a_bug_leaves_a_file_without_secrets(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("BLUE_PASSWORD", "hunter2")
    bug = KeyError("dsn password='other' postgresql://u:third@h/db and hunter2")
    assert status_of(raises(bug)) == 70
    [file] = (tmp_path / "bluegreen").iterdir()
    assert capsys.readouterr().err == (
        "error BG-70001: this is a bug in bluegreen\n"
        f"  seen:    KeyError; the traceback is in {file}\n"
        "  hint:    run `bluegreen status` to see which side serves, and send us "
        "the file\n"
    )
    kept = file.read_text()
    assert "raise error" in kept
    assert "KeyError" in kept
    for secret in ("hunter2", "'other'", "third"):
        assert secret not in kept
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_bug_that_cannot_be_kept_is_said(tmp_path: Path) -> None:
    (tmp_path / "bluegreen").write_text("in the way")
    error = bug_report(ValueError("x"), {"XDG_STATE_HOME": str(tmp_path)})
    assert isinstance(error, BluegreenError)
    assert error.seen == "ValueError; the traceback could not be kept: file exists"


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_a_state_folder_that_others_can_write_in_keeps_nothing(
    tmp_path: Path, mode: int
) -> None:
    folder = tmp_path / "bluegreen"
    folder.mkdir()
    folder.chmod(mode)
    error = bug_report(ValueError("x"), {"XDG_STATE_HOME": str(tmp_path)})
    told = f"the traceback could not be kept: others can write in {folder}"
    assert error.seen == f"ValueError; {told}"
    assert list(folder.iterdir()) == []


def test_a_state_folder_that_is_a_link_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "bluegreen").symlink_to(tmp_path / "elsewhere")
    error = bug_report(ValueError("x"), {"XDG_STATE_HOME": str(tmp_path)})
    assert error.seen.endswith(f"{tmp_path / 'bluegreen'} is no folder of ours")
    assert list((tmp_path / "elsewhere").iterdir()) == []


SECRETS = ["a 'b\\@/:%7B{}é\n\"x", "plain-enough", "ü€\t'\\\\", "\U0001f40d snakes"]
SPELLINGS: list[Callable[[str], str]] = [
    str,
    repr,
    json.dumps,
    lambda secret: make_conninfo("", password=secret, host="h"),
    lambda secret: repr(make_conninfo("", password=secret, host="h")),
    lambda secret: sql.Literal(secret).as_string(None),
    lambda secret: urllib.parse.quote(secret, safe=""),
    lambda secret: repr({"inner": repr(secret)}),
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("spell", SPELLINGS)
def test_a_secret_is_blotted_out_in_every_spelling(
    secret: str, spell: Callable[[str], str]
) -> None:
    clean = redact(f"before {spell(secret)} after", {}, [secret])
    assert "***" in clean
    assert clean.startswith("before ")
    pieces = [piece for piece in re.findall(r"\w{4,}", secret) if piece in clean]
    assert pieces == []


def test_a_bug_report_knows_the_secrets_that_are_held_anywhere(tmp_path: Path) -> None:
    held = {"deep": [Secret("from-a-file-not-the-environment")]}
    bug = ValueError(f"told {held['deep'][0].reveal()!r}")
    bug_report(bug, {"XDG_STATE_HOME": str(tmp_path)})
    [file] = (tmp_path / "bluegreen").iterdir()
    assert "ValueError: told '***'" in file.read_text()


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("password=abc host=h", "password=*** host=h"),
        ("password = 'a b' host=h", "password = *** host=h"),
        ("postgresql://u:pw@h/db", "postgresql://u:***@h/db"),
        ("postgresql://u@h/db", "postgresql://u@h/db"),
        ("sesame opens", "*** opens"),
        ("no is a word", "no is a word"),
    ],
)
def test_what_looks_like_a_secret_is_blotted_out(text: str, clean: str) -> None:
    environ = {"API_TOKEN": "sesame", "KEY": "no", "HOME": "is a word"}
    assert redact(text, environ) == clean

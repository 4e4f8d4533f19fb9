"""The door: every error leaves as text, as JSON, and as an exit status."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
import typer

from bluegreen.cli.door import bug_report, redact, reported
from bluegreen.model.errors import BluegreenError, StepError

ERROR = StepError(4004, "a migration failed", seen="line 3", hint="mend it")


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
            "hint": "mend it",
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

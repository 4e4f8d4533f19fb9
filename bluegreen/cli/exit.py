"""The door that every verb leaves by: errors become text and an exit status here.

Owns that and nothing else does. What an error says is in `model/errors.py`.
"""

from __future__ import annotations

import errno
import functools
import os
import re
import stat
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import typer

from bluegreen.model.codes import Code
from bluegreen.model.errors import BluegreenError, StepError
from bluegreen.model.redact import Blotter, secrets_in_memory

_SECRET_NAME = re.compile("pass|secret|token|key|credential", re.IGNORECASE)
_SECRET_WORD = re.compile(
    r"(password\s*=\s*)('(?:[^'\\]|\\.)*'|\S+)|(//[^:/@\s]+:)[^@\s]+(?=@)"
)


def reported(verb: Callable[..., int | None]) -> Callable[..., None]:
    """Wrap a verb: its errors are shown, and its exit status ends the process."""

    @functools.wraps(verb)
    def exit_with_status(*args: Any, **words: Any) -> None:
        as_json = bool(words.get("json_"))
        try:
            status = verb(*args, **words) or 0
        except BluegreenError as error:
            status = show(error, as_json=as_json)
        except KeyboardInterrupt:
            status = show(_interrupted(), as_json=as_json)
        except BrokenPipeError:
            status = _reader_left()
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except Exception as bug:  # noqa: BLE001 - the one place that may: see the text
            status = show(bug_report(bug, os.environ), as_json=as_json)
        if status:
            raise typer.Exit(status)

    return exit_with_status


def show(error: BluegreenError, *, as_json: bool) -> int:
    """Print the error, to stderr or as JSON to stdout; returns its exit status."""
    if as_json:
        import json

        typer.echo(json.dumps({"error": as_object(error)}, ensure_ascii=False))
    else:
        typer.echo(str(error), err=True)
    return error.exit_status


def as_object(error: BluegreenError) -> dict[str, object]:
    """The error's parts under the names that its text uses."""
    return {
        "code": f"BG-{error.code}",
        "exit_status": error.exit_status,
        "problem": error.problem,
        "seen": error.seen,
        "wanted": error.wanted,
        "traffic": error.traffic,
        "hint": error.hint,
    }


def bug_report(bug: Exception, environ: Mapping[str, str]) -> BluegreenError:
    """The error 70001; the traceback goes to a file of which it tells."""
    import traceback
    from datetime import UTC, datetime

    told = "".join(traceback.format_exception(bug))
    text = redact(told, environ, secrets_in_memory())
    name = f"bug-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.txt"
    try:
        where = f"the traceback is in {_keep(state_folder(environ), name, text)}"
    except OSError as error:
        where = f"the traceback could not be kept: {(error.strerror or '').lower()}"
    return BluegreenError(
        Code.BUG,
        "this is a bug in bluegreen",
        seen=f"{type(bug).__name__}; {where}",
        hint="run `bluegreen status` to see which side serves, and send us the file",
    )


def state_folder(environ: Mapping[str, str]) -> Path:
    """`$XDG_STATE_HOME/bluegreen`, by default `~/.local/state/bluegreen`."""
    home = environ.get("XDG_STATE_HOME") or Path("~/.local/state").expanduser()
    return Path(home) / "bluegreen"


def redact(text: str, environ: Mapping[str, str], known: Iterable[str] = ()) -> str:
    """Blot out secrets: those that are known, and what looks like one.

    A value is found in each spelling that a repr, JSON, SQL, a connection string or a
    URL gives it.
    """
    named = [value for name, value in environ.items() if _SECRET_NAME.search(name)]
    text = Blotter([*known, *named]).text(text)
    return _SECRET_WORD.sub(r"\1\3***", text)


def _keep(folder: Path, name: str, text: str) -> Path:
    _make_private(folder)
    path = folder / name
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(text)
    return path


def _make_private(folder: Path) -> None:
    """Make the folder ours alone.

    Raises:
        PermissionError: others than we can write there, or it is not ours.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    seen = folder.lstat()
    if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, f"{folder} is no folder of ours")
    if seen.st_mode & 0o022:
        raise PermissionError(errno.EPERM, f"others can write in {folder}")


def _interrupted() -> StepError:
    return StepError(
        Code.INTERRUPTED,
        "interrupted",
        hint="nothing of a run was cut short; `bluegreen status` tells what stands",
    )


def _reader_left() -> int:
    """The reader of our output went away, as `head` does; that is no error of ours."""
    # Python flushes stdout once more when it ends, and would complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0

"""SQL that a migration tool prints when it is asked to run nothing.

Owns calling Alembic and Django and taking their output apart. Both load the project's
own code, so they are called in its folder, with the environment as it is. Tools that
keep SQL in files are in `layouts.py`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from bluegreen.model.codes import Code
from bluegreen.model.errors import PlaybookRefused

PRINTERS = ("alembic", "django")
# A project's imports may take their time; nothing waits for a server.
_MOST_S = 120
_RUNNING = re.compile(
    r"^-- Running upgrade (?P<old>\S*) -> (?P<new>[^\s,]+).*$", re.MULTILINE
)
_BEGINS = re.compile(r"^BEGIN;$", re.MULTILINE)
_MIGRATION = re.compile(r"\d{4}_\w+\.py")


def printed(tool: str, folder: Path, wanted: str) -> dict[str, bytes]:
    """SQL by the name of the migration, in order.

    Args:
        tool: one of `PRINTERS`.
        folder: of the project: where alembic.ini or manage.py stands.
        wanted: for Alembic a range such as `ae10:head`, for Django `app` or `app.name`
            parted by commas; empty for everything.

    Raises:
        PlaybookRefused: 2001, the tool is not there, or could not print.
    """
    if tool == "alembic":
        return _alembic(folder, wanted or "head")
    return _django(folder, wanted)


def _alembic(folder: Path, wanted: str) -> dict[str, bytes]:
    text = _output("alembic", [_program("alembic"), "upgrade", wanted, "--sql"], folder)
    return alembic_parts(text)


def alembic_parts(text: str) -> dict[str, bytes]:
    """Take the output of `alembic upgrade --sql` apart.

    A part for each revision where each has a transaction of its own; one part where
    the upgrade is one transaction, whose locks last from revision to revision.
    """
    starts = [match.start() for match in _BEGINS.finditer(text)]
    if len(starts) < 2:
        return {"alembic": text.encode()} if text.strip() else {}
    ends = [*starts[1:], len(text)]
    parts = [text[start:end] for start, end in zip([0, *starts[1:]], ends, strict=True)]
    marks = [_RUNNING.search(part) for part in parts]
    return {
        f"alembic {mark['new'] if mark else number}": part.encode()
        for number, (part, mark) in enumerate(zip(parts, marks, strict=True))
    }


def _django(folder: Path, wanted: str) -> dict[str, bytes]:
    names = _django_names(folder, wanted)
    manage = [_program("python", otherwise=sys.executable), "manage.py"]
    return {
        f"django {app}.{name}": _output(
            "manage.py", [*manage, "sqlmigrate", app, name], folder
        ).encode()
        for app, name in names
    }


def _django_names(folder: Path, wanted: str) -> list[tuple[str, str]]:
    """Migrations of the project's own apps by name, or those that are asked for.

    Numbers give Django's order within an app. It asks its database besides what is
    applied, so that one must be reachable.
    """
    found = [
        (path.parent.parent.name, path.stem)
        for path in sorted(folder.glob("**/migrations/*.py"))
        if _MIGRATION.fullmatch(path.name) and "site-packages" not in path.parts
    ]
    asked = [word.strip() for word in wanted.split(",") if word.strip()]
    if not asked:
        return found
    return [
        (app, name) for app, name in found if app in asked or f"{app}.{name}" in asked
    ]


def _program(name: str, otherwise: str = "") -> str:
    if found := shutil.which(name):
        return found
    if otherwise:
        return otherwise
    raise PlaybookRefused(
        Code.PLAYBOOK_UNREADABLE,
        f"{name} is not on this machine",
        seen="looked along PATH",
        wanted=f"the {name} of the project whose migrations are to be read",
        hint="activate the project's virtual environment, then run this again",
    )


def _output(tool: str, command: list[str], folder: Path) -> str:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_MOST_S
        )
        said, status = done.stderr.strip(), done.returncode
    except subprocess.TimeoutExpired:
        said, status = f"it did not end within {_MOST_S} s", -1
    except OSError as error:
        said, status = str(error.strerror), -1
    if status == 0:
        return done.stdout
    raise PlaybookRefused(
        Code.PLAYBOOK_UNREADABLE,
        f"{tool} could not print its SQL",
        seen="\n".join(said.splitlines()[-5:]) or f"it ended with status {status}",
        wanted=" ".join([tool, *command[1:]]).replace(
            "manage.py manage.py", "manage.py"
        ),
        hint=f"does the same command work by hand in {folder}?",
    )

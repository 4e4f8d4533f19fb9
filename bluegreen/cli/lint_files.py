"""The files that `lint` judges, in the order in which they run.

Owns finding and reading them, by name or as a migration tool lays them out.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from bluegreen.model.codes import Code
from bluegreen.model.counted import counted
from bluegreen.model.errors import PlaybookRefused

STDIN = "-"
_STDIN_NAME = "<stdin>"


class Migrator(StrEnum):
    """Tools whose migrations can be read."""

    ALEMBIC = "alembic"
    ATLAS = "atlas"
    DBMATE = "dbmate"
    DJANGO = "django"
    DRIZZLE = "drizzle"
    FLYWAY = "flyway"
    GOLANG_MIGRATE = "golang-migrate"
    GOOSE = "goose"
    PRISMA = "prisma"
    SQITCH = "sqitch"


def reader_of(
    migrator: Migrator | None, paths: list[str], revisions: str
) -> Callable[[], dict[str, bytes]]:
    """What reads the SQL, by its name and in order."""
    if migrator is None:
        return lambda: texts_of(paths)
    from bluegreen.migrators.printed import PRINTERS

    if migrator in PRINTERS:
        return lambda: _printed(migrator, paths, revisions)
    return lambda: _laid_out(migrator, paths)


def _laid_out(migrator: Migrator, paths: list[str]) -> dict[str, bytes]:
    from bluegreen.migrators.layouts import forward_files

    found = [file for path in paths for file in forward_files(migrator, Path(path))]
    return {str(file): _bytes(file) for file in found}


def _printed(migrator: Migrator, paths: list[str], revisions: str) -> dict[str, bytes]:
    from bluegreen.migrators.printed import printed

    texts: dict[str, bytes] = {}
    for path in paths:
        texts |= printed(migrator, Path(path), revisions)
    return texts


def texts_of(paths: list[str]) -> dict[str, bytes]:
    """Contents by name, in the order in which they run.

    Raises:
        PlaybookRefused: BG-2001, a path that cannot be read.
    """
    texts: dict[str, bytes] = {}
    for path in paths:
        if path == STDIN:
            texts[_STDIN_NAME] = sys.stdin.buffer.read()
            continue
        for file in _files(path):
            texts[file] = _bytes(file)
    return texts


def _files(path: str) -> list[str]:
    """A file as it is; a folder's SQL by name, files of the way down left out.

    Raises:
        PlaybookRefused: BG-2001, the folder has none.
    """
    folder = Path(path)
    if not folder.is_dir():
        return [str(folder)]
    # A `Path` for each file would cost more than to read it.
    walk = ((at, name) for at, _, names in os.walk(folder) for name in names)
    found = [f"{at}/{name}" for at, name in walk if name.endswith(".sql")]
    found = sorted((file.removeprefix("./") for file in found), key=_natural)
    forward = [file for file in found if not file.endswith((".down.sql", ".undo.sql"))]
    if forward:
        return forward
    # Nothing looked at must not look like nothing found.
    raise PlaybookRefused(
        Code.PLAYBOOK_UNREADABLE,
        f"there are no SQL files to judge in {path}",
        seen=counted(len(found), "file") + " of the way down"
        if found
        else "no file *.sql",
        wanted="SQL files or folders of them",
        hint="is this the folder? Other layouts are read with --migrator",
    )


def _natural(text: str) -> list[tuple[int, str]]:
    """Order in which 2 comes before 10, as migration tools run their files."""
    import re

    parts = re.findall(r"\d+|\D+", text)
    return [(int(p), "") if p.isdecimal() else (-1, p) for p in parts]


def _bytes(path: str | Path) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read()
    except OSError as error:
        raise PlaybookRefused(
            Code.PLAYBOOK_UNREADABLE,
            f"{path} cannot be read",
            seen=str(error.strerror),
            wanted="SQL files or folders of them",
            hint="is the path right, as seen from here?",
        ) from error

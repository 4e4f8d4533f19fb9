"""The verb `schedule`: write the files of a scheduler for `decommission --if-due`.

Owns the words of the call, and what the files need to know of the playbook and of this
machine. How they look is for `schedule/`.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bluegreen.cli.options import PlaybookFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from bluegreen.playbook.load import Loaded
    from bluegreen.schedule.job import Files, Job

EXAMPLE = (
    "Examples: bluegreen schedule shop.yml --kind systemd; "
    "bluegreen schedule shop.yml --kind cron --to /tmp/units"
)


IN_A_CONTAINER = Path("/etc/bluegreen/playbook.yml")


class Scheduler(StrEnum):
    """What starts a command by itself."""

    SYSTEMD = "systemd"
    CRON = "cron"
    KUBERNETES = "kubernetes"
    EVENTBRIDGE = "eventbridge"


def schedule(
    playbook: PlaybookFile,
    kind: Annotated[Scheduler, typer.Option(help="Which scheduler.")],
    to: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write the files there; else print them."),
    ] = None,
    user: Annotated[
        str, typer.Option(metavar="NAME", help="The account that runs it.")
    ] = "bluegreen",
) -> None:
    """Write what lets a scheduler take blue down when it is time.

    The files start `decommission --if-due` every quarter of an hour, with the path of
    this program and of the playbook, and in UTC at the end of the window where one is
    open. Before the cutover and in the window it does nothing and exits 0; a start that
    is missed is made up for by the next; of two at once one wins.

    Raises:
        PlaybookRefused: 2001 to 2005; 2008 the playbook has no step decommission, or
            the folder cannot be written.
    """
    import os

    from bluegreen.playbook.load import load

    loaded = load(playbook, os.environ)
    job = _job(loaded, kind, user)
    made = _files_of(kind)(job)
    if to is None:
        _show(made)
    else:
        _write(made, to)
    for line in made.install:
        typer.echo(line, err=True)


def _files_of(kind: Scheduler) -> Callable[[Job], Files]:
    from importlib import import_module

    made: Callable[[Job], Files] = import_module(
        f"bluegreen.schedule.{kind.value}"
    ).files_of
    return made


def _job(loaded: Loaded, kind: Scheduler, user: str) -> Job:
    from bluegreen.playbook.references import environment_names
    from bluegreen.schedule.job import Job

    here = kind is Scheduler.SYSTEMD or kind is Scheduler.CRON
    return Job(
        name=loaded.playbook.name,
        program=_program() if here else "bluegreen",
        playbook=loaded.path.absolute() if here else IN_A_CONTAINER,
        user=user,
        end=_window_end(loaded),
        variables=tuple(environment_names(loaded.text)),
        folders=_folders(loaded),
    )


def _program() -> str:
    """As it was called; a scheduler has another PATH."""
    import shutil

    called = Path(sys.argv[0])
    if called.name == "bluegreen" and called.exists():
        return str(called.absolute())
    return shutil.which("bluegreen") or "/usr/local/bin/bluegreen"


def _folders(loaded: Loaded) -> tuple[Path, ...]:
    """Where the last dump goes, beside the state folder that systemd makes."""
    from bluegreen.cli.decommission import step_of

    place = step_of(loaded).final_backup
    if "://" in place:
        return ()
    folder = loaded.home / place
    state = Path("/var/lib/bluegreen")
    return () if folder == state or state in folder.parents else (folder,)


def _window_end(loaded: Loaded) -> datetime | None:
    """Of the journal, where it can be read and the end lies ahead."""
    from datetime import UTC, datetime

    from bluegreen.model.errors import BluegreenError
    from bluegreen.model.history import fold
    from bluegreen.playbook.resolve import open_databases
    from bluegreen.postgres.journal.own_schema import is_built
    from bluegreen.postgres.journal.table import read_records

    sides = open_databases(loaded, "bluegreen schedule")
    try:
        green = sides[1]
        end = fold(read_records(green)).window_end if is_built(green) else None
    except BluegreenError as error:
        said = f"# when the window ends could not be asked: {error.problem}"
        typer.echo(said, err=True)
        return None
    finally:
        for side in sides:
            side.close()
    return end if end and end > datetime.now(UTC) else None


def _show(made: Files) -> None:
    for name, text in made.texts.items():
        if len(made.texts) > 1:
            typer.echo(f"# file: {name}")
        typer.echo(text)


def _write(made: Files, folder: Path) -> None:
    from bluegreen.model.codes import Code
    from bluegreen.model.errors import PlaybookRefused

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in made.texts.items():
            (folder / name).write_text(text, encoding="utf-8")
            typer.echo(f"written: {folder / name}")
    except OSError as error:
        raise PlaybookRefused(
            Code.CALL_NOT_VALID,
            "the folder of --to cannot be written",
            seen=f"{folder}: {error.strerror}",
            wanted="a folder that this user may write",
        ) from None

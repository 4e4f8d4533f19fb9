"""Moving all entries that stand in one file and one PgBouncer process as one.

Owns one rename and one RELOAD for all of them, the proof that each leads where it
should, and putting back the lines of those that do not. Only own lines are touched.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping

from bluegreen.model.errors import BluegreenError
from bluegreen.pointers.pgbouncer.address import Address
from bluegreen.pointers.pgbouncer.config import ConfiguredFile
from bluegreen.pointers.pgbouncer.console import Console, ConsoleRefusedError

Failed = Callable[[str, str], BluegreenError]
"""The error for an entry and what was seen of it."""


def move_entries(
    file: ConfiguredFile,
    console: Console,
    wanted: Mapping[str, Address],
    failed: Failed,
) -> dict[str, BluegreenError]:
    """Put the file in place, RELOAD, and see where each entry leads.

    The console answers RELOAD after it has read the file, so one look is exact.

    Returns:
        The error of each entry that did not follow; its line is back.

    Raises:
        ServerRefused: 3007 or 3008, the file does not allow it; 3001, the pooler was
            away: the file names what is wanted, so that it will when it starts.
    """
    # Who compares the file with the process meanwhile would see half of it.
    with file.undisturbed():
        return _move(file, console, wanted, failed)


def _move(
    file: ConfiguredFile,
    console: Console,
    wanted: Mapping[str, Address],
    failed: Failed,
) -> dict[str, BluegreenError]:
    former = file.put(wanted)
    if not former and not _astray(running(console), wanted):
        return {}
    said = ""
    try:
        console.reload()
    except ConsoleRefusedError as refusal:
        said = refusal.text
    now = running(console)
    late = list(wanted) if said else _astray(now, wanted)
    if back := {name: former[name] for name in late if name in former}:
        file.put_back(back, wanted)
        # A refusal here means that it has read neither of the two files.
        with contextlib.suppress(ConsoleRefusedError):
            console.reload()
    return {
        name: failed(name, said or str(now.get(name) or "no such entry"))
        for name in late
    }


def running(console: Console) -> dict[str, Address]:
    """Where each entry of the running pooler leads."""
    rows = console.show("DATABASES")
    return {str(row["name"]): Address.of_row(row) for row in rows}


def _astray(now: Mapping[str, Address], wanted: Mapping[str, Address]) -> list[str]:
    return [name for name, address in wanted.items() if now.get(name) != address]

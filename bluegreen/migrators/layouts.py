"""Folders of SQL as the usual migration tools lay them out: which files run, in order.

Owns names and order, the way down left out, and whether the tool opens a transaction.
Nothing is run. Tools that make their SQL in a program are in `printed.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from bluegreen.migrators.order import natural
from bluegreen.model.codes import Code
from bluegreen.model.errors import PlaybookRefused


@dataclass(frozen=True, slots=True)
class Layout:
    """How a tool keeps its migrations.

    Attributes:
        files: the files of a folder that bring a schema forward, in order.
        transaction: `file` when the tool opens one around each file, `query` when it
            sends each file as one query, `none` when it leaves that to the file.
        place: the folder below the project in which the tool keeps them.
    """

    files: Callable[[Path], list[Path]]
    transaction: str
    place: str = "."


def forward_files(tool: str, folder: Path) -> list[Path]:
    """What the tool would run from nothing, in order.

    Raises:
        PlaybookRefused: 2001, there is nothing of that tool's in the folder.
    """
    layout = LAYOUTS[tool]
    inside = folder / layout.place
    found = layout.files(inside if inside.is_dir() else folder)
    if not found:
        raise PlaybookRefused(
            Code.PLAYBOOK_UNREADABLE,
            f"there are no migrations of {tool}",
            seen=f"no file in {folder} has a name that {tool} runs",
            wanted=_WANTED[tool],
            hint="is this the folder, and is it that tool?",
        )
    return found


_ALONE = re.compile(rb"^\s*executeInTransaction\s*=\s*false\s*$", re.I | re.M)


def runs_alone(tool: str, file: Path) -> bool:
    """Whether a file beside it tells the tool to open no transaction around it.

    Flyway reads `V1__a.sql.conf`, of lines such as `executeInTransaction=false`.
    """
    beside = file.with_name(f"{file.name}.conf")
    if tool != "flyway" or not beside.is_file():
        return False
    return _ALONE.search(beside.read_bytes()) is not None


def _by_version(pattern: str) -> Callable[[Path], list[Path]]:
    """Files with a version in their name, as groups of the pattern, by its numbers."""
    finder = re.compile(pattern)

    def files(folder: Path) -> list[Path]:
        matched = [(finder.fullmatch(path.name), path) for path in _sql(folder)]
        versions = [(_version(m["v"]), path) for m, path in matched if m]
        return [path for _, path in sorted(versions)]

    return files


def _version(text: str) -> tuple[int, ...]:
    """`1_2` and `1.2` as numbers, so that 10 comes after 2; 1 and 1.0 are the same."""
    parts = [int(part) for part in re.split(r"[._]", text) if part]
    while parts and not parts[-1]:
        parts.pop()
    return tuple(parts)


def _sql(folder: Path) -> Iterable[Path]:
    return sorted(path for path in folder.rglob("*.sql") if path.is_file())


def _flyway(folder: Path) -> list[Path]:
    """Versioned ones first, then the repeatable ones by their description."""
    repeated = sorted(path for path in _sql(folder) if path.name.startswith("R__"))
    return [*_by_version(r"V(?P<v>\d+(?:[._]\d+)*)__.*\.sql")(folder), *repeated]


def _prisma(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/migration.sql"), key=lambda path: path.parent.name)


def _drizzle(folder: Path) -> list[Path]:
    """The journal has the order, and what it does not name is not run."""
    journal = folder / "meta" / "_journal.json"
    if not journal.is_file():
        return []
    try:
        entries = json.loads(journal.read_text("utf-8"))["entries"]
        tags = [entry["tag"] for entry in sorted(entries, key=lambda e: e["idx"])]
    except (ValueError, KeyError, TypeError) as error:
        raise _unread(journal, f"it is no journal: {error!r}") from error
    return [folder / f"{tag}.sql" for tag in tags]


_CHANGE = re.compile(r"^(?P<name>[^\s%@#\[][^\s@\[]*)(?:@\S+)?\s")


def _sqitch(folder: Path) -> list[Path]:
    """The plan has the order; a change that is reworked runs its newest script last."""
    plan = folder / "sqitch.plan"
    if not plan.is_file():
        return []
    names = [
        m["name"]
        for line in plan.read_text("utf-8").splitlines(keepends=True)
        if (m := _CHANGE.match(line))
    ]
    return [folder / "deploy" / f"{name}.sql" for name in dict.fromkeys(names)]


def _plain(folder: Path) -> list[Path]:
    return sorted(_sql(folder), key=lambda path: natural(path.as_posix()))


def _unread(path: Path, seen: str) -> PlaybookRefused:
    return PlaybookRefused(
        Code.PLAYBOOK_UNREADABLE,
        f"{path} cannot be read",
        seen=seen,
        wanted="a file as the migration tool writes it",
        hint="does the tool itself still read it?",
    )


LAYOUTS = {
    "atlas": Layout(_by_version(r"(?P<v>\d+)(?:_.*)?\.sql"), "file", "migrations"),
    "dbmate": Layout(_by_version(r"(?P<v>\d+)_.*\.sql"), "file", "db/migrations"),
    "drizzle": Layout(_drizzle, "file", "drizzle"),
    "flyway": Layout(_flyway, "file", "sql"),
    "golang-migrate": Layout(
        _by_version(r"(?P<v>\d+)_.*\.up\.sql"), "query", "migrations"
    ),
    "goose": Layout(_by_version(r"(?P<v>\d+)_.*\.sql"), "file", "migrations"),
    "prisma": Layout(_prisma, "query", "prisma/migrations"),
    "sqitch": Layout(_sqitch, "none"),
}
_WANTED = {
    "atlas": "files such as 20240102030405_add_note.sql",
    "dbmate": "files such as 20240102030405_add_note.sql",
    "drizzle": "meta/_journal.json and the files that it names",
    "flyway": "files such as V1_2__add_note.sql or R__views.sql",
    "golang-migrate": "files such as 000001_add_note.up.sql",
    "goose": "files such as 00001_add_note.sql",
    "prisma": "folders with a migration.sql",
    "sqitch": "sqitch.plan and deploy/*.sql",
}

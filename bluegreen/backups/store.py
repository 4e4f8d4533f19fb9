"""The folder where backups stand: names, checksums, half-written ones.

Owns files only. What is written into them is for `pg_dump.py`.

An archive gets its name when it is whole; until then it is `.<playbook>-<side>.part`.
A lock file that pg_dump inherits tells whether one of ours still writes, also when
bluegreen itself was killed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bluegreen.model.codes import Code
from bluegreen.model.duration import format_bytes
from bluegreen.model.errors import StepError

_OURS_ALONE = 0o700


@contextmanager
def open_draft(folder: Path, stem: str) -> Iterator[tuple[Path, int]]:
    """Give the path of a draft and the descriptor that its writer must keep open.

    A draft that is left over from a kill is removed, and so is this one unless it
    was given its name.

    Raises:
        StepError: 4002; the folder cannot be made, or an earlier dump still writes.
    """
    draft = folder / f".{stem}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=_OURS_ALONE)
        lock = os.open(folder / f".{stem}.lock", os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise _no_folder(folder, error) from None
    with os.fdopen(lock):
        _take(lock, draft)
        try:
            remove(draft)
            yield draft, lock
        finally:
            remove(draft)


def give_name(draft: Path, final: Path) -> None:
    """Rename a whole draft and make the name durable."""
    draft.rename(final)
    sync(final.parent)


def for_us_alone(path: str, flags: int) -> int:
    """Open a file as pg_dump's own are, also in a folder that others may read."""
    return os.open(path, flags, 0o600)


def write_durably(path: Path, text: str, *, private: bool = False) -> None:
    """Write a small file that survives a power cut; `private`: for us alone."""
    with open(path, "w", opener=for_us_alone if private else None) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def sync(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file or folder if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files of a folder; 0 where there is none yet."""
    total = 0
    for member in _members(path):
        try:
            total += member.stat().st_size
        except FileNotFoundError:
            continue
    return total


def checksums(path: Path) -> str:
    """`sha256sum`'s lines for an archive: one for a file, one a member for a folder.

    Raises:
        OSError: a file cannot be read.
    """
    names = [path.name] if path.is_file() else [m.name for m in _members(path)]
    here = path.parent if path.is_file() else path
    return "".join(f"{sha256(here / name)}  {name}\n" for name in names)


def digest(path: Path, lines: str) -> str:
    """The one SHA-256 that stands for an archive: the file's, or that of its list."""
    if path.is_dir():
        return hashlib.sha256(lines.encode()).hexdigest()
    return lines.split()[0]


def free_bytes(folder: Path) -> int:
    """Room left where the folder stands."""
    return shutil.disk_usage(folder).free


def _members(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(member for member in path.iterdir() if member.is_file())
    return [path] if path.is_file() else []


def sha256(path: Path) -> str:
    """The SHA-256 of one file.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _take(lock: int, draft: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StepError(
            Code.BACKUP_NOT_PROVED,
            "an earlier pg_dump into this folder is still running",
            seen=f"{draft} has {format_bytes(size_of(draft))} and its lock is held",
            wanted="one backup at a time",
            hint="wait for it, or end it: `ps -C pg_dump` shows it; then run again",
        ) from None


def _no_folder(folder: Path, error: OSError) -> StepError:
    return StepError(
        Code.BACKUP_NOT_PROVED,
        "the folder for backups cannot be used",
        seen=f"{folder}: {error.strerror}",
        wanted="a folder that we may write",
        hint="make it, or name another one in the step's `to`",
    )

"""Replacing a configuration file whole, without anybody noticing the change of hands.

Owns reading it, writing a draft beside it with the same owner and mode, the rename,
and the lock that lets one of ours at a time do that. Never follows a link.
What stands in the file is for `ini.py`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bluegreen.model.codes import Code
from bluegreen.model.errors import ServerRefused

LOCK_S = 1.0
"""A lock held for longer belongs to a process that stands still: clients do not wait
for it. Reading, editing and renaming take milliseconds."""

_LOOK_EVERY_S = 0.002


class ConfigFile:
    """One file of a pooler and the draft that will take its place.

    Args:
        path: an absolute path; neither it nor the draft may be a link.
        owner: whose draft it is; two pointers may share one file.
    """

    def __init__(self, path: Path, owner: str) -> None:
        self.path = path
        self._has_lock = False
        tag = re.sub(r"[^A-Za-z0-9_-]", "_", owner)
        # One name for each pointer: what a killed run leaves is taken away by the next.
        self._draft = path.with_name(f".{path.name}.bluegreen-{tag}")

    def read(self) -> str:
        """The text; bytes that are not UTF-8 survive the way back.

        Raises:
            ServerRefused: 3007, it is missing, a link, or not ours to read.
        """
        self._require_plain()
        return read_text(self.path)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other pointers, threads and processes of ours from editing meanwhile.

        The lock is on the folder: the file itself is another one after each rename.
        It is gone with the process, and left aside after `LOCK_S`. Who has it may ask
        for it again.

        Raises:
            ServerRefused: 3008, the folder cannot be opened.
        """
        if self._has_lock:
            yield
            return
        try:
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise self._refused(error) from None
        try:
            _await_lock(folder)
            self._has_lock = True
            yield
        finally:
            self._has_lock = False
            os.close(folder)

    def write_draft(self, text: str) -> None:
        """Write what `put_draft` will put in place, safe on disk.

        Raises:
            ServerRefused: 3008, the folder or the owner does not let us.
        """
        like = self._require_plain()
        try:
            self.discard_draft()
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            handle = os.open(self._draft, flags, 0o600)
            with os.fdopen(handle, "wb") as draft:
                draft.write(text.encode(errors="surrogateescape"))
                if (like.st_uid, like.st_gid) != _owner(draft.fileno()):
                    os.fchown(draft.fileno(), like.st_uid, like.st_gid)
                os.fchmod(draft.fileno(), stat.S_IMODE(like.st_mode))
                _copy_attributes(self.path, draft.fileno())
                draft.flush()
                os.fsync(draft.fileno())
        except OSError as error:
            self._draft.unlink(missing_ok=True)
            raise self._refused(error) from None

    def draft(self) -> str:
        """The draft's text; empty when there is none."""
        try:
            return self._draft.read_bytes().decode(errors="surrogateescape")
        except FileNotFoundError:
            return ""

    def put_draft(self) -> None:
        """Put the draft in place of the file; after a power cut it is one or the other.

        Raises:
            ServerRefused: 3008.
        """
        self._require_plain()
        try:
            self._draft.replace(self.path)
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise self._refused(error) from None

    def discard_draft(self) -> None:
        """Take the draft away; it may hold passwords. None there is fine."""
        self._draft.unlink(missing_ok=True)

    def obstacles(self) -> list[str]:
        """What would stand in the way of replacing it, in words. Changes nothing.

        Raises:
            ServerRefused: 3007, it is missing or a link.
        """
        seen, us = self._require_plain(), os.geteuid()
        found = []
        if not os.access(self.path.parent, os.W_OK | os.X_OK):
            found.append(f"we may not write in {self.path.parent}")
        keeps_group = seen.st_gid in {os.getegid(), *os.getgroups()}
        if us != 0 and (seen.st_uid != us or not keeps_group):
            found.append(
                f"it belongs to user {seen.st_uid}, group {seen.st_gid}; "
                f"as user {us} we could not keep that"
            )
        if seen.st_nlink > 1:
            found.append("it has hard links, which a rename would part from it")
        if str(self.path) in _mount_points():
            found.append("it is mounted by itself, so that no rename reaches it")
        return found

    def _require_plain(self) -> os.stat_result:
        try:
            seen = self.path.lstat()
        except OSError as error:
            raise self._refused(error, Code.POINTER_ELSEWHERE) from None
        if not stat.S_ISREG(seen.st_mode):
            kind = "a link" if stat.S_ISLNK(seen.st_mode) else "not a plain file"
            raise ServerRefused(
                Code.POINTER_ELSEWHERE,
                f"{self.path} is {kind}",
                wanted="the file itself, since it is replaced by a rename",
                hint="give the path of the real file as `config_file`, and start "
                "PgBouncer with that path",
            )
        return seen

    def _refused(
        self, error: OSError, code: Code = Code.RIGHT_MISSING
    ) -> ServerRefused:
        return ServerRefused(
            code,
            f"{self.path} cannot be replaced",
            seen=f"{error.strerror or error} ({error.filename or self.path})",
            wanted="a file and a folder that we may write, with the owner kept",
            hint="run bluegreen as the owner of PgBouncer's configuration, or as root",
        )


def read_text(path: Path) -> str:
    """A file's text as it stands, line ends included.

    Raises:
        ServerRefused: 3007.
    """
    try:
        return path.read_bytes().decode(errors="surrogateescape")
    except OSError as error:
        raise ServerRefused(
            Code.POINTER_ELSEWHERE,
            f"{path} cannot be read",
            seen=error.strerror or str(error),
            hint="is `config_file` right, and may we read it and what it includes?",
        ) from None


def _await_lock(folder: int) -> None:
    deadline = time.monotonic() + LOCK_S
    while time.monotonic() < deadline:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # held, or a file system without locks
            time.sleep(_LOOK_EVERY_S)
        else:
            return


def _mount_points() -> set[str]:
    """The fifth field of each line is the mount point, see proc(5)."""
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except FileNotFoundError:  # not Linux
        return set()
    return {line.split()[4] for line in lines}


def _owner(handle: int) -> tuple[int, int]:
    seen = os.fstat(handle)
    return seen.st_uid, seen.st_gid


def _copy_attributes(path: Path, handle: int) -> None:
    """Access lists and SELinux labels live in extended attributes."""
    try:
        names = os.listxattr(path)
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        names = []
    for name in names:
        os.setxattr(handle, name, os.getxattr(path, name))

"""Under whose name a server runs, and what that account can reach.

Owns the one fact that shapes the whole room: postgres and PgBouncer both refuse root,
so that as root they run as `nobody`, which enters neither root's home nor most private
folders. Which programs are started is for the other files.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from bluegreen.model.codes import Code
from bluegreen.model.errors import ServerRefused

_STRANGER = "nobody"


class PopenAs(TypedDict, total=False):
    """The keywords of `subprocess.Popen` that change who the child is."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Account:
    """Who a server runs as.

    Attributes:
        uid: the account's number.
        gid: its group.
        other: whether it is another account than the one we run as.
    """

    uid: int
    gid: int
    other: bool

    @classmethod
    def here(cls) -> Account:
        """Choose ourselves, or `nobody` when we are root.

        Raises:
            ServerRefused: 3008, we are root and there is no `nobody`.
        """
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid(), other=False)
        try:
            entry = pwd.getpwnam(_STRANGER)
        except KeyError:
            raise ServerRefused(
                Code.RIGHT_MISSING,
                "postgres refuses to run as root, and there is no other account",
                wanted=f"an account named {_STRANGER!r}",
                hint="run this as an ordinary user",
            ) from None
        return cls(entry.pw_uid, entry.pw_gid, other=True)

    def popen(self) -> PopenAs:
        """Keywords that make a child process run as this account."""
        if not self.other:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> Path:
        """Hand a file or folder to the account."""
        if self.other:
            os.chown(path, self.uid, self.gid)
        return path

    def reaches(self, path: Path) -> bool:
        """Whether every folder on the way to `path` lets the account through."""
        if not self.other:
            return True
        way = path.resolve()
        return all(self._enters(folder) for folder in (way, *way.parents))

    def _enters(self, path: Path) -> bool:
        if not path.exists():
            return True
        seen = path.stat()
        if seen.st_uid == self.uid:
            return bool(seen.st_mode & stat.S_IXUSR)
        return bool(seen.st_mode & stat.S_IXOTH)

    def home_for(self, folder: Path) -> Path:
        """Make `folder`, or a stand-in elsewhere that the account can reach.

        pytest's temporary folders are closed to other accounts and are closed again
        by every session that starts, so opening them would not last.
        """
        if self.reaches(folder):
            folder.mkdir(parents=True, exist_ok=True)
            return folder.resolve()
        made = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=self._shared()))
        made.chmod(0o755)
        return made

    def programs(self, bin_folder: Path) -> Path:
        """`bin_folder`, or a copy of its tree that the account can execute."""
        if self.reaches(bin_folder / "postgres"):
            return bin_folder
        tree = bin_folder.parent
        key = hashlib.sha256(
            f"{tree} {(bin_folder / 'postgres').stat().st_mtime_ns}".encode()
        ).hexdigest()[:12]
        copy = self._shared() / f"programs-{key}"
        if not copy.exists():
            _copy_programs(tree, copy)
        return copy / tree.parent.name / tree.name / bin_folder.name

    def _shared(self) -> Path:
        """A folder of ours that the account may pass through.

        Raises:
            ServerRefused: 3008, the folder of that name belongs to another user.
        """
        shared = Path("/var/tmp") / f"bluegreen-{os.geteuid()}"  # noqa: S108 (owner is looked at)
        shared.mkdir(mode=0o711, exist_ok=True)
        if shared.is_symlink() or shared.stat().st_uid != os.geteuid():
            raise ServerRefused(
                Code.RIGHT_MISSING,
                f"{shared} belongs to another user",
                hint="remove it, or run this as its owner",
            )
        shared.chmod(0o711)
        return shared


def _copy_programs(tree: Path, copy: Path) -> None:
    """Copy whole or not at all: two processes may come here at once.

    A wheel keeps the libraries of `<package>` beside it in `<package>.libs`, and its
    programs find them there by a relative path; so both keep their places.
    """
    draft = Path(tempfile.mkdtemp(prefix=f"{copy.name}-", dir=copy.parent))
    package = tree.parent
    shutil.copytree(tree, draft / package.name / tree.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, draft / libraries.name, symlinks=True)
    for path in (draft, *draft.rglob("*")):
        if not path.is_symlink():
            _open_to_all(path)
    try:
        draft.rename(copy)
    except OSError:  # the other process was first
        shutil.rmtree(draft)


def _open_to_all(path: Path) -> None:
    """Let others read, and execute what the owner executes, whatever the umask was."""
    mode = path.stat().st_mode
    path.chmod(mode | 0o444 | (0o111 if mode & stat.S_IXUSR else 0))

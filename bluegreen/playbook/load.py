"""The door to a playbook: a file in, a typed and checked `Loaded` out.

Owns the order of the checks, filling references, and the digest. Opening what the
playbook names is for `resolve.py`.
"""

from __future__ import annotations

import glob
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bluegreen.model.codes import Code
from bluegreen.model.errors import PlaybookRefused
from bluegreen.playbook.complaints import complaints, loosely_typed
from bluegreen.playbook.models import Playbook
from bluegreen.playbook.references import Resolve, Text, resolver
from bluegreen.playbook.rules import broken_rules
from bluegreen.playbook.source import MAX_BYTES, read_tree
from bluegreen.playbook.tree import Listing, Node, Table, Wrong, refuse
from bluegreen.playbook.tree import Path as Place
from bluegreen.steps.migrate import Migrate

_WRITTEN_OUT = frozenset({"version", "step", "pointer"})
_DSN_KEYS = frozenset({"dsn", "console", "client"})
# A password in a place that is no DSN: a URL with a login, or an assignment.
_LOGIN = re.compile(r"postgres(?:ql)?://[^\s/@:]*:(?!\$\{)[^\s/@]+@", re.IGNORECASE)
_ASSIGNED = re.compile(r"passw(?:or)?d\s*=\s*(?!\$\{)\S", re.IGNORECASE)


@dataclass(frozen=True)
class Loaded:
    """A playbook that may be run.

    Attributes:
        path: the file, as it was named.
        digest: SHA-256 over the file and the migration files it names, in hexadecimal;
            values that come by reference are not in it.
        text: the file itself; it holds no secret, only references.
    """

    playbook: Playbook
    path: Path
    digest: str
    tree: Table = field(repr=False)
    text: str = field(repr=False, default="")

    @property
    def home(self) -> Path:
        """The playbook's folder; relative paths in it start here."""
        return self.path.absolute().parent


def load(path: Path, environ: Mapping[str, str]) -> Loaded:
    """Read, type and check a playbook. Migration files may be missing.

    Args:
        path: the file.
        environ: where `${env:NAME}` looks.

    Raises:
        PlaybookRefused: 2001 to 2005, with file, line and column; all that is wrong is
            told, the first at length.
    """
    return loaded_from(read_bytes(path), path, environ)


def loaded_from(data: bytes, path: Path, environ: Mapping[str, str]) -> Loaded:
    """The same for a playbook's bytes, as the journal keeps them.

    Raises:
        PlaybookRefused: as `load`.
    """
    playbook, tree = parse(data, path, environ)
    digest = _digest(data, playbook, path)
    return Loaded(playbook, path, digest, tree, data.decode())


def parse(
    data: bytes, path: Path, environ: Mapping[str, str]
) -> tuple[Playbook, Table]:
    """Type and check a playbook's bytes; `path` names it and anchors its files.

    Raises:
        PlaybookRefused: as `load`.
    """
    tree = read_tree(data, str(path))
    values, wrongs = _filled(tree, resolver(environ, path.absolute().parent))
    playbook = None
    if not wrongs:
        try:
            playbook = Playbook.model_validate(values)
        except ValidationError as error:
            wrongs = complaints(tree, error)
    if playbook is not None:
        wrongs = list(loosely_typed(tree, playbook)) or [
            wrong.at(tree, place) for place, wrong in broken_rules(playbook)
        ]
    if wrongs or playbook is None:
        raise refuse(str(path), wrongs)
    return playbook, tree


def _filled(tree: Table, resolve: Resolve) -> tuple[Any, list[Wrong]]:
    """Plain values of a tree's words, and the places that cannot be filled."""
    wrongs: list[Wrong] = []

    def fill(node: Node, place: Place) -> Any:
        if isinstance(node, Table):
            return {k: fill(v, (*place, k)) for k, v in node.entries.items()}
        if isinstance(node, Listing):
            return [fill(v, (*place, i)) for i, v in enumerate(node.items)]
        try:
            return _text(node.text, place, resolve)
        except Wrong as wrong:
            wrongs.append(wrong.at(tree, place))
            return node.text

    return fill(tree, ()), wrongs


def _text(text: str, place: Place, resolve: Resolve) -> str:
    if _holds_password(text, place):
        raise Wrong(
            "a password is written in {subject}",
            code=Code.PASSWORD_IN_PLAYBOOK,
            hint="take it out; give the side's `password` by reference, or use\n"
            "~/.pgpass or a libpq service file",
        )
    if "${" not in text:
        return text
    if place[-1] in _WRITTEN_OUT:
        raise Wrong("{subject} must be written out, not given by reference")
    return Text.fill(text, resolve)


def _holds_password(text: str, place: Place) -> bool:
    """Look outside DSNs; SQL may well compare a column `password` with something."""
    if place[-1] in _DSN_KEYS:
        return False
    return bool(_LOGIN.search(text) or ("command" in place and _ASSIGNED.search(text)))


def require_files(loaded: Loaded) -> None:
    """See that every entry of a step's `files` names a file that is there.

    Apart from `load`, so that a lost migration does not stand in a rollback's way.

    Raises:
        PlaybookRefused: 2009, an entry names no file.
    """
    wrongs = []
    for index, step in enumerate(loaded.playbook.steps):
        if not isinstance(step, Migrate):
            continue
        for entry, pattern in enumerate(step.files):
            if not _matches(pattern, loaded.home):
                wrong = Wrong(
                    "{subject} names no file",
                    code=Code.STEP_DOES_NOT_FIT,
                    seen=f"nothing fits it in {loaded.home}",
                    wanted="a file or a pattern, relative to the playbook",
                )
                place: Place = ("steps", index, "files", entry)
                wrongs.append(wrong.at(loaded.tree, place))
    if wrongs:
        raise refuse(str(loaded.path), wrongs)


def read_bytes(path: Path) -> bytes:
    """Read at most one byte more than a playbook may have.

    Raises:
        PlaybookRefused: 2001, the file cannot be read.
    """
    try:
        if not path.is_file():
            found = "not a file" if path.exists() else "no such file"
            raise _unreadable(path, found)
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "the name is not a path"
        raise _unreadable(path, reason.lower()) from None


def _unreadable(path: Path, reason: str) -> PlaybookRefused:
    return PlaybookRefused(
        Code.PLAYBOOK_UNREADABLE,
        f"{path}: the playbook cannot be read: {reason}",
        hint="is the path right? `bluegreen init` writes a playbook to start from",
    )


def _matches(pattern: str, home: Path) -> list[str]:
    # Path.glob takes no absolute pattern.
    names = glob.glob(pattern, root_dir=home)  # noqa: PTH207
    return sorted(name for name in names if (home / name).is_file())


def _migrations(playbook: Playbook, home: Path) -> Iterator[tuple[str, Path]]:
    for step in playbook.steps:
        if isinstance(step, Migrate):
            for pattern in (*step.files, *step.contract):
                for name in _matches(pattern, home):
                    yield name, home / name


def _digest(data: bytes, playbook: Playbook, path: Path) -> str:
    """Hash the playbook and, name by name, what is in its migrations."""
    whole = hashlib.sha256(hashlib.sha256(data).digest())
    for name, file in _migrations(playbook, path.absolute().parent):
        try:
            content = file.read_bytes()
        except OSError as error:
            raise PlaybookRefused(
                Code.PLAYBOOK_UNREADABLE,
                f"{path}: the migration {name} cannot be read",
                seen=(error.strerror or "").lower(),
            ) from None
        whole.update(hashlib.sha256(name.encode()).digest())
        whole.update(hashlib.sha256(content).digest())
    return whole.hexdigest()

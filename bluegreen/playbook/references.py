"""References to values outside the playbook: `${env:NAME}` and `${file:path}`.

Owns their form, where a value comes from, and who may be able to read a secret's file.
Which fields hold secrets is for `models.py`.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from bluegreen.model.codes import Code
from bluegreen.playbook.tree import Wrong, did_you_mean, quoted

MAX_SECRET_BYTES = 64 * 1024
"""No password or DSN is longer; a log file named by mistake is."""

# `$${` stands for a `${` that is meant as written.
_REFERENCE = re.compile(r"\$(\$\{)|\$\{([^}]*)(\}?)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NO_VALUE = Code.REFERENCE_WITHOUT_VALUE
_HOW = "write ${env:NAME} or ${file:path}; a ${ that is meant as written is $${"

Resolve = Callable[[str, str], str]
"""From a kind and a name to the value; raises Wrong where there is none."""


class Text(str):
    """A text whose references are filled in, and what it was made from.

    Attributes:
        raw: as the playbook has it; the only form that a message may show.
        resolve: fills one reference, for a DSN that is taken apart first.
    """

    __slots__ = ("raw", "resolve")

    raw: str
    resolve: Resolve

    @classmethod
    def fill(cls, raw: str, resolve: Resolve) -> Text:
        """Fill every reference in `raw`.

        Raises:
            Wrong: 2004, a reference has no value.
        """
        text = cls(fill(raw, resolve))
        text.raw, text.resolve = raw, resolve
        return text


def is_reference(raw: str) -> bool:
    """Whether `raw` is one reference and nothing else."""
    found = _REFERENCE.fullmatch(raw)
    return found is not None and found.group(1) is None


def fill(raw: str, resolve: Resolve) -> str:
    """Replace every reference in `raw` by its value.

    Raises:
        Wrong: 2004, a reference is malformed or has no value.
    """

    def value(found: re.Match[str]) -> str:
        if found.group(1):
            return "${"
        if not found.group(3):
            raise Wrong(
                "a reference has no closing brace",
                code=_NO_VALUE,
                hint=_HOW,
            )
        kind, colon, name = found.group(2).partition(":")
        if not colon:
            raise Wrong(
                f"{quoted(found.group())} does not say where its value is",
                code=_NO_VALUE,
                hint=_HOW,
            )
        return resolve(kind.strip(), name.strip())

    return _REFERENCE.sub(value, raw)


def environment_names(text: str) -> list[str]:
    """The names of the environment that a playbook's text refers to, in its order."""
    named = (found.group(2) or "" for found in _REFERENCE.finditer(text))
    kinds = (one.partition(":") for one in named)
    return list(dict.fromkeys(n.strip() for k, _, n in kinds if k.strip() == "env"))


def resolver(environ: Mapping[str, str], folder: Path) -> Resolve:
    """Fill references from an environment and from files beside the playbook."""

    def resolve(kind: str, name: str) -> str:
        if kind == "env":
            return _from_environment(name, environ)
        if kind == "file":
            return _from_file(name, folder)
        raise Wrong(
            f"a reference of the kind {quoted(kind)} is not known",
            code=_NO_VALUE,
            wanted="one of: env, file",
            hint=did_you_mean(kind, ("env", "file"))
            or "put the value into the environment or a file that only you can read",
        )

    return resolve


def _from_environment(name: str, environ: Mapping[str, str]) -> str:
    if not _NAME.fullmatch(name):
        raise Wrong(
            f"{quoted(name)} is not a name for an environment variable",
            code=_NO_VALUE,
            hint=_HOW,
        )
    value = environ.get(name)
    if not value:
        state = "not set" if value is None else "empty"
        near = did_you_mean(name, environ, 0.8) if value is None else ""
        raise Wrong(
            f"the environment variable {name} is {state}",
            code=_NO_VALUE,
            hint=near or f"export {name}, then run again",
        )
    if "\0" in value:
        raise Wrong(
            f"the environment variable {name} holds a NUL",
            code=_NO_VALUE,
        )
    return value


def _from_file(name: str, folder: Path) -> str:
    path = folder / name
    try:
        data = _read_private(path, name)
        value = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Wrong(f"the file {name} is not UTF-8 text", code=_NO_VALUE) from None
    except (OSError, ValueError) as error:
        if isinstance(error, Wrong):
            raise
        reason = getattr(error, "strerror", None) or "the name is not a path"
        raise Wrong(
            f"the file {quoted(name)} cannot be read: {reason.lower()}",
            code=_NO_VALUE,
            hint="a path is relative to the playbook",
        ) from None
    value = value.removesuffix("\n").removesuffix("\r")
    if not value or "\0" in value:
        state = "is empty" if not value else "holds a NUL"
        raise Wrong(f"the file {name} {state}", code=_NO_VALUE)
    return value


def _read_private(path: Path, name: str) -> bytes:
    # O_NONBLOCK: a pipe by this name must not hold us up; it is refused below.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise Wrong(f"{name} is not a file", code=_NO_VALUE)
        # libpq's rule for key files: no one but the owner; root's may have a group.
        barred = 0o077 if found.st_uid else 0o037
        if found.st_mode & barred:
            raise Wrong(
                f"others than its owner can read the file {name}",
                code=_NO_VALUE,
                seen=f"mode {stat.S_IMODE(found.st_mode):04o}",
                wanted="mode 0600",
                hint=f"chmod 600 {name}",
            )
        data = file.read(MAX_SECRET_BYTES + 1)
    if len(data) > MAX_SECRET_BYTES:
        raise Wrong(
            f"the file {name} is too large for a secret",
            code=_NO_VALUE,
        )
    return data

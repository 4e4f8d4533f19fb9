"""A PgBouncer pointer as plain values, for another process of ours to open it too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bluegreen.model.secret import Secret
from bluegreen.model.side import Side
from bluegreen.pointers.pgbouncer.pointer import PgBouncer

_SECRETS = ("console_password", "client_password")


def spec_of(pointer: PgBouncer) -> dict[str, Any]:
    """All that `of_spec` needs, passwords in clear.

    For a pipe to a process of our own; never for a file, an argument or a log.
    """
    return {name: _plain(value) for name, value in pointer.given.items()}


def of_spec(spec: Mapping[str, Any]) -> PgBouncer:
    """The same pointer for another process."""
    opened = dict(spec)
    for name in _SECRETS:
        opened[name] = Secret(spec[name]) if spec[name] is not None else None
    opened["addresses"] = {Side(s): given for s, given in spec["addresses"].items()}
    opened["config_file"] = Path(spec["config_file"])
    return PgBouncer(**opened)


def _plain(value: object) -> object:
    """A constructor's argument as JSON holds it."""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(side): dict(given) for side, given in value.items()}
    return value

"""Handing a pointer to another process of ours: the guard.

Owns naming the class and finding it again, so that the guard holds every kind of
pointer that the tool holds. What a pointer needs to be opened again is its own business
(`Pointer.spec`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from bluegreen.model.codes import Code
from bluegreen.model.errors import PlaybookRefused
from bluegreen.pointers.pointer import Pointer


def spec_of(pointer: Pointer) -> dict[str, Any]:
    """All that `of_spec` needs, passwords in clear.

    For a pipe to a process of our own; never for a file, an argument or a log.
    """
    kind = type(pointer)
    return {"kind": [kind.__module__, kind.__qualname__], "given": pointer.spec()}


def of_spec(spec: Mapping[str, Any]) -> Pointer:
    """The same pointer for another process."""
    module, name = spec["kind"]
    opened: Pointer = getattr(import_module(module), name).from_spec(spec["given"])
    return opened


def require_guardable(pointer: Pointer) -> Pointer:
    """Give it back, once it was seen that a guard can open it.

    Raises:
        PlaybookRefused: 2003; the clients of such a pointer would wait for ever if the
            tool died in the pause.
    """
    try:
        again = of_spec(json.loads(json.dumps(spec_of(pointer))))
    except (AttributeError, ImportError, LookupError, TypeError, ValueError) as error:
        raise _unguarded(pointer, f"{type(error).__name__}: {error}") from None
    if type(again) is not type(pointer) or again.id != pointer.id:
        raise _unguarded(pointer, f"it becomes {again.id}, {type(again).__qualname__}")
    return pointer


def _unguarded(pointer: Pointer, seen: str) -> PlaybookRefused:
    return PlaybookRefused(
        Code.PLAYBOOK_NOT_VALID,
        f"pointer {pointer.id}: no guard process can take over this kind of pointer",
        seen=seen,
        wanted="a kind that can be opened from its `spec()` in another process",
        hint="without a guard its clients would wait for ever if bluegreen were "
        "killed in the pause. Use a built-in kind of pointer, or correct the class",
    )

"""A fingerprint of a database's schema that also tells what was changed.

Owns making it small enough to be remembered. What belongs to a schema is for
`items.py`: our own schema and fence triggers do not.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping

from bluegreen.postgres.database import Database
from bluegreen.postgres.schema.items import Item, read_items

_UNLOGGED = "u:"
"""Before the print of an unlogged thing."""

_LETTERS = 12
"""Of SHA-256, for each thing: 48 bits tell two definitions of one thing apart."""


def read_prints(database: Database) -> dict[str, str]:
    """A short hash for each table, view, function and so on, by its key."""
    return prints_of(read_items(database))


def prints_of(items: Mapping[str, Item]) -> dict[str, str]:
    """A table's columns, keys, triggers and grants count as the table's. Pure."""
    parts: dict[str, list[str]] = defaultdict(list)
    for key, item in items.items():
        parts[_head(key, items)].append(f"{key}\0{item.definition}\0")
    return {
        head: _mark(items[head])
        + hashlib.sha256("".join(lines).encode()).hexdigest()[:_LETTERS]
        for head, lines in sorted(parts.items())
    }


def changes(then: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """`table public.x is new`, `… is gone`, `… was changed`. Pure.

    An unlogged table that comes or goes is no change: no stream ever carries it, and
    an application may make such tables all day.
    """
    return tuple(
        f"{key} {_what(then.get(key), now.get(key))}"
        for key in sorted({*then, *now})
        if not _alike(then.get(key), now.get(key))
    )


def _mark(item: Item) -> str:
    return _UNLOGGED if "UNLOGGED" in item.definition.split("; ") else ""


def _alike(then: str | None, now: str | None) -> bool:
    if then is None or now is None:
        return (then or now or "").startswith(_UNLOGGED)
    return then.removeprefix(_UNLOGGED) == now.removeprefix(_UNLOGGED)


def _what(then: str | None, now: str | None) -> str:
    if then is None:
        return "is new"
    return "is gone" if now is None else "was changed"


def _head(key: str, items: Mapping[str, Item]) -> str:
    while (parent := items[key].parent) and parent in items:
        key = parent
    return key

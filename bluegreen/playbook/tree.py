"""The playbook's text as a tree of places and words.

Owns what a node is and where it stands in the file. Reading the text is for
`strict.py`; what a word means is for `models.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

Path = tuple[str | int, ...]
"""The way from the top of the playbook to a node, e.g. `("steps", 3, "window")`."""


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in the file, counted from 1 as editors do; columns in characters."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Scalar:
    """One word or text, exactly as written; `plain` where it stands without quotes."""

    mark: Mark
    text: str
    plain: bool


@dataclass(slots=True)
class Listing:
    """Entries in order."""

    mark: Mark
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Table:
    """Keys with values, and where each key stands."""

    mark: Mark
    entries: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, Mark] = field(default_factory=dict)


Node = Scalar | Listing | Table


def child(node: Node | None, key: str | int) -> Node | None:
    """The node under `key`, None where there is none."""
    if isinstance(node, Table) and isinstance(key, str):
        return node.entries.get(key)
    if isinstance(node, Listing) and isinstance(key, int) and key < len(node.items):
        return node.items[key]
    return None


def find(node: Node, path: Sequence[str | int]) -> Node | None:
    """The node at the end of `path`, None where the path leads nowhere."""
    found: Node | None = node
    for key in path:
        found = child(found, key)
    return found


def mark_of(node: Node, path: Sequence[str | int], *, at_key: bool) -> Mark:
    """Where to point for `path`: its key or value, else the nearest that exists."""
    nearest = node.mark
    for depth, key in enumerate(path):
        step = child(node, key)
        if step is None:
            break
        last = depth == len(path) - 1
        if last and at_key and isinstance(node, Table) and isinstance(key, str):
            return node.keys[key]
        node, nearest = step, step.mark
    return nearest


def word(node: Node | None, key: str) -> str:
    """The text under `key`, empty where there is none."""
    found = child(node, key)
    return found.text if isinstance(found, Scalar) else ""

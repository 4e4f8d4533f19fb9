"""A playbook as a tree of words and places, and what can be wrong at a place.

Owns what a node is, its name in messages, the form of a complaint and the nearest
right word. Reading the text is for `source.py`; what counts as wrong is for the files
that complain.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from bluegreen.model.codes import Code
from bluegreen.model.errors import PlaybookRefused

SHOWN = 4
"""Further complaints that one error lists; the rest comes with the next try."""

Path = tuple[str | int, ...]
"""The way from the top of the playbook to a node, e.g. `("steps", 3, "window")`."""


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in the file, counted from 1 as editors do; columns in characters."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.line}:{self.column}"


TOP = Mark(1, 1)


@dataclass(frozen=True, slots=True)
class Scalar:
    """One word or text, exactly as written; `plain` where it stands without quotes."""

    mark: Mark
    text: str
    plain: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """Entries in order."""

    mark: Mark
    items: list[Node]


@dataclass(frozen=True, slots=True)
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


def find(node: Node, path: Path) -> Node | None:
    """The node at the end of `path`, None where the path leads nowhere."""
    found: Node | None = node
    for key in path:
        found = child(found, key)
    return found


def mark_of(node: Node, path: Path) -> Mark:
    """Where the value of `path` stands, else the nearest that exists."""
    for key in path:
        step = child(node, key)
        if step is None:
            break
        node = step
    return node.mark


def mark_of_key(node: Node, path: Path) -> Mark:
    """Where the key of `path` stands, else its value."""
    table = find(node, path[:-1]) if path else None
    key = table.keys.get(str(path[-1])) if isinstance(table, Table) else None
    return key or mark_of(node, path)


def word(node: Node | None, key: str) -> str:
    """The text under `key`, empty where there is none."""
    found = child(node, key)
    return found.text if isinstance(found, Scalar) else ""


def subject(tree: Node, path: Path) -> str:
    """The name of a place in words: `"window" of step "hold"`."""
    match path:
        case ():
            return "the playbook"
        case ("steps" | "pointers", int(index)):
            kind = "step" if path[0] == "steps" else "pointer"
            entry = find(tree, path)
            name = word(entry, "id") or word(entry, kind)
            if name and "${" not in name:
                return f"{kind} {quoted(name)}"
            return f'entry {index + 1} of "{path[0]}"'
        case (*parent, int(index)):
            return f"entry {index + 1} of {subject(tree, tuple(parent))}"
        case (str(key),):
            return quoted(key)
    return f"{quoted(str(path[-1]))} of {subject(tree, path[:-1])}"


@dataclass(eq=False)
class Wrong(ValueError):
    """One thing that is wrong.

    Attributes:
        problem: one sentence, lower case, no full stop, never a secret; `{subject}` in
            it becomes the place's name in words.
        mark: where in the file; a model's own check does not know it.
    """

    problem: str
    code: Code = Code.PLAYBOOK_NOT_VALID
    seen: str = ""
    wanted: str = ""
    hint: str = ""
    mark: Mark = TOP

    def at(self, tree: Node, path: Path) -> Wrong:
        """The same once the place is known."""
        problem = self.problem.replace("{subject}", subject(tree, path))
        return replace(self, problem=problem, mark=mark_of(tree, path))


def refuse(file: str, complaints: Sequence[Wrong]) -> PlaybookRefused:
    """The error for the first complaint in the file; it lists the next ones."""
    first, *others = sorted(complaints, key=lambda found: found.mark)
    seen = [first.seen] if first.seen else []
    if others:
        seen.append(f"{len(others)} more to fix:")
        seen += [f"{file}:{o.mark}: {o.problem}" for o in others[:SHOWN]]
    return PlaybookRefused(
        first.code,
        f"{file}:{first.mark}: {first.problem}",
        seen="\n".join(seen),
        wanted=first.wanted,
        hint=first.hint,
    )


def nearest(wrong: str, right: Iterable[str], likeness: float = 0.6) -> str:
    """The right word that resembles `wrong` most; empty where none does."""
    by_shape = {_shape(name): name for name in right}
    # difflib is slow on long texts, and no right word is long.
    near = difflib.get_close_matches(_shape(wrong[:80]), by_shape, n=1, cutoff=likeness)
    return by_shape[near[0]] if near else ""


def did_you_mean(wrong: str, right: Iterable[str], likeness: float = 0.6) -> str:
    """A hint with the nearest right word; empty where none is near."""
    near = nearest(wrong, right, likeness)
    return f'did you mean "{near}"?' if near else ""


def _shape(name: str) -> str:
    return name.lower().replace("-", "_").replace(" ", "_")


def one_of(names: Iterable[str]) -> str:
    """`one of: a, b, c`, in order of the alphabet."""
    return "one of: " + ", ".join(sorted(names))


def quoted(text: str, limit: int = 60) -> str:
    """Text from the file for a message: in quotes, on one line, cut when long."""
    line = " ".join(text.split())
    return f'"{line}"' if len(line) <= limit else f'"{line[:limit]}…"'

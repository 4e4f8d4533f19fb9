"""Strict YAML: bytes in, a tree of words out, or a refusal that points at the place.

Owns the YAML that is accepted: one document of tables, lists and texts. Anchors, tags,
merge keys, directives and every guess at a type (`no`, `1e3`, `~`) stay outside, and
size and depth are bounded before anything is built. Types are for `models.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeVar

import yaml

from bluegreen.model.codes import Code
from bluegreen.playbook.refusal import Complaint, quoted, refuse
from bluegreen.playbook.text import Stop, decode, mark_after, refuse_control
from bluegreen.playbook.tree import Listing, Mark, Node, Scalar, Table

MAX_DEPTH = 20
"""The schema is 5 deep; YAML's own reader would recurse without end."""

MAX_NODES = 10_000
"""PyYAML reads about 40,000 nodes a second; this keeps a refusal under a second."""

_NULLS = frozenset({"~", "null", "Null", "NULL"})
_NO_CHARACTER = re.compile(r"\\U(?!000|0010)")
_Opened = TypeVar("_Opened", Listing, Table)


def read_tree(data: bytes, file: str) -> Table:
    """Read a playbook's bytes.

    Raises:
        PlaybookRefused: 2001 for what is no text of a sane size, 2002 for what is
            not the YAML that is accepted.
    """
    try:
        return _Builder(decode(data)).build()
    except Stop as stop:
        raise refuse(file, [stop.complaint]) from None


class _Builder:
    """Turns PyYAML's events into nodes, without recursion."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = text.split("\n")
        self._open: list[Listing | Table] = []
        self._pending: list[tuple[str, Mark] | None] = []
        self._root: Node | None = None
        self._documents = 0
        self._nodes = 0

    def build(self) -> Table:
        for event in self._events():
            self._take(event)
        if self._root is None or _is_empty(self._root):
            raise Stop(
                Complaint(
                    Mark(1, 1),
                    Code.PLAYBOOK_NOT_YAML,
                    "the playbook is empty",
                    wanted="version, name, blue, green and steps",
                    hint="`bluegreen init` writes one to start from",
                )
            )
        if not isinstance(self._root, Table):
            raise _stop(
                self._root.mark,
                "the playbook does not begin with a key",
                wanted="version, name, blue, green and steps, each with a colon",
            )
        return self._root

    def _events(self) -> Iterator[yaml.Event]:
        try:
            yield from yaml.parse(self._text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            raise Stop(self._broken(error)) from None
        except (yaml.YAMLError, ValueError, OverflowError):
            # PyYAML lets chr() and int() fail on escapes and directives out of range.
            found = _NO_CHARACTER.search(self._text)
            raise _stop(
                mark_after(self._text[: found.start()]) if found else Mark(1, 1),
                "an escape that stands for no character",
                wanted="\\U00000000 to \\U0010FFFF",
            ) from None

    def _broken(self, error: yaml.MarkedYAMLError) -> Complaint:
        where = error.problem_mark or error.context_mark
        mark = Mark(where.line + 1, where.column + 1) if where else Mark(1, 1)
        begun = error.context_mark
        hint = _hint(self._char_at(mark))
        if begun and begun.line + 1 < mark.line:
            hint += f";\nwhat began in line {begun.line + 1} may not be closed"
        return Complaint(
            mark,
            Code.PLAYBOOK_NOT_YAML,
            "the YAML cannot be read from here on",
            seen=_without_words(error.problem or ""),
            hint=hint,
        )

    def _char_at(self, mark: Mark) -> str:
        line = self._lines[mark.line - 1] if mark.line <= len(self._lines) else ""
        return line[mark.column - 1 : mark.column]

    def _take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.DocumentStartEvent):
            self._start_document(event)
        elif isinstance(event, yaml.AliasEvent):
            raise _stop(
                _mark(event),
                "an alias (*name) is not accepted",
                hint="write the value out; put a text that begins with * in quotes",
            )
        elif isinstance(event, yaml.NodeEvent):
            _refuse_adornment(event)
            self._start_node(event)
        elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
            self._open.pop()
            self._pending.pop()

    def _start_document(self, event: yaml.DocumentStartEvent) -> None:
        self._documents += 1
        if self._documents > 1:
            raise _stop(
                _mark(event),
                "a second document begins here",
                wanted="one playbook in a file",
                hint="take the line --- out, or put what follows into its own file",
            )
        if event.version or event.tags:
            raise _stop(
                _mark(event),
                "a line that begins with % is not accepted",
                hint="take it out",
            )

    def _start_node(self, event: yaml.NodeEvent) -> None:
        mark = _mark(event)
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _stop(
                mark,
                "the playbook has too many entries",
                wanted=f"{MAX_NODES} values or fewer",
            )
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event, mark)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._enter(Listing(mark))
        else:
            self._enter(Table(mark))

    def _scalar(self, event: yaml.ScalarEvent, mark: Mark) -> None:
        refuse_control(event.value, mark)
        node = Scalar(mark, event.value, plain=event.style is None)
        if self._wants_key():
            self._key(node)
        else:
            self._refuse_nothing(node)
            self._attach(node)

    def _wants_key(self) -> bool:
        top = self._open[-1] if self._open else None
        return isinstance(top, Table) and self._pending[-1] is None

    def _key(self, node: Scalar) -> None:
        table = self._open[-1]
        assert isinstance(table, Table)
        if node.plain and node.text == "<<":
            raise _stop(
                node.mark,
                "a merge key (<<) is not accepted",
                hint="write the keys out",
            )
        if node.text in table.keys:
            raise _stop(
                node.mark,
                f"the key {quoted(node.text)} stands here twice",
                seen=f"first in line {table.keys[node.text].line}",
                hint="keep one of the two",
            )
        self._pending[-1] = (node.text, node.mark)

    def _refuse_nothing(self, node: Scalar) -> None:
        if not node.plain or (node.text and node.text not in _NULLS):
            return
        pending = self._pending[-1] if self._pending else None
        if not self._open:
            return
        subject = quoted(pending[0]) if pending else "an entry of a list"
        raise _stop(
            pending[1] if pending else node.mark,
            f"{subject} has no value",
            hint="give it one, or take the line out",
        )

    def _enter(self, node: _Opened) -> None:
        if self._wants_key():
            raise _stop(node.mark, "a key must be a single word")
        if len(self._open) >= MAX_DEPTH:
            raise _stop(
                node.mark,
                "the playbook is nested too deeply",
                wanted=f"{MAX_DEPTH} levels or fewer",
            )
        self._attach(node)
        self._open.append(node)
        self._pending.append(None)

    def _attach(self, node: Node) -> None:
        if not self._open:
            self._root = node
            return
        parent, pending = self._open[-1], self._pending[-1]
        if isinstance(parent, Listing):
            parent.items.append(node)
        elif pending is not None:
            parent.entries[pending[0]], parent.keys[pending[0]] = node, pending[1]
            self._pending[-1] = None


def _is_empty(node: Node) -> bool:
    if isinstance(node, Scalar):
        return node.plain and (not node.text or node.text in _NULLS)
    return isinstance(node, Table) and not node.entries


def _refuse_adornment(event: yaml.NodeEvent) -> None:
    if event.anchor is not None:
        raise _stop(
            _mark(event),
            "an anchor (&name) is not accepted",
            hint="write the value out; put a text that begins with & in quotes",
        )
    if getattr(event, "tag", None) is not None:
        raise _stop(
            _mark(event),
            "a tag (!name) is not accepted",
            hint="take it out; put a text that begins with ! in quotes",
        )


def _mark(event: yaml.Event) -> Mark:
    assert event.start_mark is not None
    return Mark(event.start_mark.line + 1, event.start_mark.column + 1)


def _stop(mark: Mark, problem: str, **lines: str) -> Stop:
    return Stop(Complaint(mark, Code.PLAYBOOK_NOT_YAML, problem, **lines))


def _hint(char: str) -> str:
    if char == "\t":
        return "indent with spaces, not with a tab"
    if char and char in "@`%!&*":
        return f"put a value that begins with {char} in quotes"
    if char == ":":
        return 'put a value that holds ": " in quotes'
    return "look at the indentation, brackets and quotes of this line and above"


def _without_words(problem: str) -> str:
    """PyYAML's own words, less what they quote from the file: it may be a secret."""

    def kept(found: re.Match[str]) -> str:
        inner = found.group(1)
        token = len(inner) <= 1 or inner[0] in "<\\"
        return found.group() if token else "a word"

    return re.sub("'([^']*)'", kept, problem)

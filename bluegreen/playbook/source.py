"""Strict YAML: bytes in, a tree of words with their places out, or a refusal.

Owns the YAML that is accepted: UTF-8 of a bounded size, one document of tables, lists
and texts. Anchors, tags, merge keys, directives and every guess at a type (`no`, `1e3`,
`~`) stay outside. What a word means is for `models.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from bluegreen.model.codes import Code
from bluegreen.playbook.tree import (
    TOP,
    Listing,
    Mark,
    Node,
    Scalar,
    Table,
    Wrong,
    quoted,
    refuse,
)

MAX_BYTES = 256 * 1024
"""A hundred times the longest playbook that a person has reason to write."""

MAX_DEPTH = 20
"""The schema is 5 deep; without a bound the reader below would recurse without end."""

MAX_NODES = 10_000
"""PyYAML reads about 40,000 nodes a second; this keeps a refusal under a second."""

_CONTROL = re.compile(
    "[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd"
    "\U00010000-\U0010ffff]"
)
"""Not printable by YAML's rule, or a line's end to some readers and not to others."""

_NOTHING = frozenset({"", "~", "null", "Null", "NULL"})
_NO_CHARACTER = re.compile(r"\\U(?!000|0010)")


def read_tree(data: bytes, file: str) -> Table:
    """Read a playbook's bytes.

    Raises:
        PlaybookRefused: 2001 for what is no text of a sane size, 2002 for what is
            not the YAML that is accepted.
    """
    try:
        return _Reader(_decode(data)).read()
    except Wrong as wrong:
        raise refuse(file, [wrong]) from None


def _decode(data: bytes) -> str:
    """Read UTF-8, with or without a byte order mark; all line ends become one kind."""
    if len(data) > MAX_BYTES:
        raise Wrong(
            "the file is too large for a playbook",
            Code.PLAYBOOK_UNREADABLE,
            wanted=f"{MAX_BYTES} bytes or fewer",
            hint="is it the right file?",
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # Where a byte order mark was taken off, the error counts from behind it.
        before = error.object[: error.start].decode("utf-8", "replace")
        raise Wrong(
            "the file is not UTF-8 text",
            Code.PLAYBOOK_UNREADABLE,
            mark=_mark_after(before),
            seen=f"byte 0x{error.object[error.start]:02x}",
            hint="save it as UTF-8",
        ) from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    _refuse_control(text, None)
    return text


def _mark_after(before: str) -> Mark:
    return Mark(before.count("\n") + 1, len(before) - before.rfind("\n"))


def _refuse_control(text: str, mark: Mark | None) -> None:
    """Look for characters that do not belong, at `mark` or wherever they stand."""
    found = _CONTROL.search(text)
    if found:
        raise Wrong(
            "a character that does not belong into text",
            Code.PLAYBOOK_UNREADABLE,
            mark=mark or _mark_after(text[: found.start()]),
            seen=f"U+{ord(found.group()):04X}",
            hint="take it out; it may not show in your editor",
        )


class _Reader:
    """Turns PyYAML's events into nodes; its own composer knows no bounds."""

    def __init__(self, text: str) -> None:
        self._text, self._nodes = text, 0
        self._events = self._parse()

    def read(self) -> Table:
        """The one document, to the end of the file."""
        root: Node | None = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                _refuse_document(event, first=root is None)
                root = self._node(next(self._events), 0)
        return _not_empty(root)

    def _parse(self) -> Iterator[yaml.Event]:
        try:
            yield from yaml.parse(self._text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            raise self._broken(error) from None
        except (yaml.YAMLError, ValueError, OverflowError):
            # PyYAML lets chr() and int() fail on escapes and directives out of range.
            found = _NO_CHARACTER.search(self._text)
            raise _stop(
                _mark_after(self._text[: found.start()]) if found else TOP,
                "an escape that stands for no character",
                wanted="\\U00000000 to \\U0010FFFF",
            ) from None

    def _broken(self, error: yaml.MarkedYAMLError) -> Wrong:
        begun = error.context_mark
        where = error.problem_mark or begun
        mark = Mark(where.line + 1, where.column + 1) if where else TOP
        line = self._text.split("\n")[mark.line - 1 : mark.line] or [""]
        hint = _hint(line[0][mark.column - 1 : mark.column])
        if begun and begun.line + 1 < mark.line:
            hint += f";\nwhat began in line {begun.line + 1} may not be closed"
        return _stop(
            mark,
            "the YAML cannot be read from here on",
            seen=_without_words(error.problem or ""),
            hint=hint,
        )

    def _node(self, event: yaml.Event, depth: int, key: Scalar | None = None) -> Node:
        """What begins with `event`: `depth` tables and lists are open, `key` waits."""
        mark = self._accept(event)
        if isinstance(event, yaml.ScalarEvent):
            scalar = _scalar(event)
            if depth and _is_nothing(scalar):
                raise _no_value(scalar, key)
            return scalar
        if depth >= MAX_DEPTH:
            raise _stop(
                mark,
                "the playbook is nested too deeply",
                wanted=f"{MAX_DEPTH} levels or fewer",
            )
        if isinstance(event, yaml.MappingStartEvent):
            return self._table(mark, depth + 1)
        return Listing(mark, list(self._items(depth + 1)))

    def _accept(self, event: yaml.Event) -> Mark:
        """Count a node, which must be bare."""
        mark = _mark(event)
        _refuse_adornment(event, mark)
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _stop(
                mark,
                "the playbook has too many entries",
                wanted=f"{MAX_NODES} values or fewer",
            )
        return mark

    def _items(self, depth: int) -> Iterator[Node]:
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            yield self._node(event, depth)

    def _table(self, mark: Mark, depth: int) -> Table:
        table = Table(mark)
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event, table)
            table.keys[key.text] = key.mark
            table.entries[key.text] = self._node(next(self._events), depth, key)
        return table

    def _key(self, event: yaml.Event, table: Table) -> Scalar:
        mark = self._accept(event)
        if not isinstance(event, yaml.ScalarEvent):
            raise _stop(mark, "a key must be a single word")
        key = _scalar(event)
        if key.plain and key.text == "<<":
            problem = "a merge key (<<) is not accepted"
            raise _stop(mark, problem, hint="write the keys out")
        if key.text in table.keys:
            raise _stop(
                mark,
                f"the key {quoted(key.text)} stands here twice",
                seen=f"first in line {table.keys[key.text].line}",
                hint="keep one of the two",
            )
        return key


def _scalar(event: yaml.ScalarEvent) -> Scalar:
    mark = _mark(event)
    _refuse_control(event.value, mark)
    return Scalar(mark, event.value, plain=event.style is None)


def _is_nothing(node: Node) -> bool:
    return isinstance(node, Scalar) and node.plain and node.text in _NOTHING


def _no_value(value: Scalar, key: Scalar | None) -> Wrong:
    subject = quoted(key.text) if key else "an entry of a list"
    return _stop(
        (key or value).mark,
        f"{subject} has no value",
        hint="give it one, or take the line out",
    )


def _not_empty(root: Node | None) -> Table:
    wanted = "version, name, blue, green and steps"
    if isinstance(root, Table) and root.entries:
        return root
    if root is None or isinstance(root, Table) or _is_nothing(root):
        raise _stop(
            TOP,
            "the playbook is empty",
            wanted=wanted,
            hint="`bluegreen init` writes one to start from",
        )
    raise _stop(
        root.mark,
        "the playbook does not begin with a key",
        wanted=f"{wanted}, each with a colon",
    )


def _refuse_document(event: yaml.DocumentStartEvent, *, first: bool) -> None:
    if not first:
        raise _stop(
            _mark(event),
            "a second document begins here",
            wanted="one playbook in a file",
            hint="take the line --- out, or put what follows into its own file",
        )
    if event.version or event.tags:
        problem = "a line that begins with % is not accepted"
        raise _stop(_mark(event), problem, hint="take it out")


def _refuse_adornment(event: yaml.Event, mark: Mark) -> None:
    name, sign, hint = "", "", "write the value out"
    if isinstance(event, yaml.AliasEvent):
        name, sign = "an alias", "*"
    elif getattr(event, "anchor", None) is not None:
        name, sign = "an anchor", "&"
    elif getattr(event, "tag", None) is not None:
        name, sign, hint = "a tag", "!", "take it out"
    if name:
        raise _stop(
            mark,
            f"{name} ({sign}name) is not accepted",
            hint=f"{hint}; put a text that begins with {sign} in quotes",
        )


def _mark(event: yaml.Event) -> Mark:
    assert event.start_mark is not None
    return Mark(event.start_mark.line + 1, event.start_mark.column + 1)


def _stop(mark: Mark, problem: str, **lines: str) -> Wrong:
    return Wrong(problem, Code.PLAYBOOK_NOT_YAML, mark=mark, **lines)


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
    return re.sub(
        "'([^']*)'",
        lambda m: m[0] if len(m[1]) <= 1 or m[1][0] in "<\\" else "a word",
        problem,
    )

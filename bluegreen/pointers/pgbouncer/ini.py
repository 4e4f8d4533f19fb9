"""PgBouncer's ini, read and edited as text. Pure.

Owns the grammar: sections, settings, `%include`, and the connection strings of
`[databases]`. It follows PgBouncer's own readers (`cfparser.c` of its library and
`loader.c`; 1.18 and later), down to what they count as space. Files are handed in and
handed back; reading and replacing them is for `pgbouncer_file.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

SPACE = " \t\n\v\f\r"
"""What C's isspace() takes for space in the C locale."""

DEEPEST_INCLUDE = 10
"""PgBouncer's own limit."""

_SPACES = re.compile(f"[{SPACE}]*")
_COMMENT = re.compile(r"[#;][^\n]*")
_TOKEN = re.compile(
    r"%include[ \t]+(?P<include>[^\n]*)"
    r"|\[(?P<section>[^\]\n]*)\]"
    r"|(?:'(?P<quoted>[^']+)'|(?P<bare>[A-Za-z0-9_.*-]*))[ \t]*=[ \t]*(?P<value>[^\n]*)"
)
_PAIR = re.compile(r"([^ =]+) *= *('(?:[^']|'')*'|[^' ][^ ]*)(?: +|$)")
_BARE = re.compile(r"[A-Za-z0-9_./:@,-]+")


class IniError(ValueError):
    """The text is not an ini that PgBouncer would take; says where."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One `key = value`.

    Attributes:
        section: the section it stands in, e.g. `databases`.
        key: without quotes.
        value: the rest of the line, trimmed.
        start: where in the text the value starts.
        file: the file it stands in.
    """

    section: str
    key: str
    value: str
    start: int
    file: Path


@dataclass(frozen=True, slots=True)
class Pair:
    """One `key=value` of a connection string, with the places of both in it."""

    key: str
    value: str
    start: int
    value_start: int
    value_end: int
    end: int


def read_settings(file: Path, read: Callable[[Path], str]) -> list[Setting]:
    """All settings of a file and of what it includes, in PgBouncer's order.

    Raises:
        IniError: PgBouncer would stop reading here.
    """
    found: list[Setting] = []
    _walk(file, read, "", 0, found)
    return found


def find_entries(settings: list[Setting], database: str) -> list[Setting]:
    """The entries of a database in `[databases]`; where there are two the last wins."""
    return [s for s in settings if (s.section, s.key) == ("databases", database)]


def read_pairs(value: str) -> list[Pair]:
    """Take a connection string apart; the last of two equal keys wins.

    Raises:
        IniError: PgBouncer would refuse it, or read it in a surprising way.
    """
    pairs: list[Pair] = []
    at = len(value) - len(value.lstrip(" "))
    while at < len(value):
        match = _PAIR.match(value, at)
        if not match or match.group(2) == "''":
            # Not the text itself: it may be a password.
            behind = f", behind {pairs[-1].key}=" if pairs else ""
            raise IniError(
                f"not a connection string from character {at + 1} on{behind}"
            )
        pairs.append(
            Pair(
                match.group(1),
                _unquote(match.group(2)),
                match.start(),
                match.start(2),
                match.end(2),
                match.end(),
            )
        )
        at = match.end()
    return pairs


def change_pairs(value: str, wanted: Mapping[str, str | None]) -> str:
    """Give keys new values, or take them out with None; all else stays as it is.

    Raises:
        IniError: the value cannot be taken apart, or a new one cannot be written.
    """
    pieces, at = [], 0
    pairs = read_pairs(value)
    for pair in pairs:
        if pair.key in wanted:
            new = wanted[pair.key]
            keep = pair.start if new is None else pair.value_start
            pieces += [value[at:keep], "" if new is None else quote(new)]
            at = pair.end if new is None else pair.value_end
    pieces.append(value[at:])
    present = {pair.key for pair in pairs}
    added = [
        f"{key}={quote(new)}"
        for key, new in wanted.items()
        if new is not None and key not in present
    ]
    return " ".join([*filter(None, ["".join(pieces).rstrip(" ")]), *added])


def change_entry(text: str, entry: Setting, wanted: Mapping[str, str | None]) -> str:
    """The text with one entry's pairs changed and every other character kept.

    Raises:
        IniError: the entry or a new value cannot be written.
    """
    end = entry.start + len(entry.value)
    return text[: entry.start] + change_pairs(entry.value, wanted) + text[end:]


def quote(value: str) -> str:
    """Write a value of a connection string, in quotes where it needs them.

    Raises:
        IniError: no line of an ini can hold it.
    """
    if not value or any(c in value for c in "\0\n\r"):
        raise IniError(f"the value {value!r} cannot be written on a line of an ini")
    if _BARE.fullmatch(value):
        return value
    return "'" + value.replace("'", "''") + "'"


def _walk(
    file: Path,
    read: Callable[[Path], str],
    section: str,
    depth: int,
    found: list[Setting],
) -> str:
    """Collect a file's settings; an included file carries its section on to us."""
    if depth > DEEPEST_INCLUDE:
        raise IniError(f"{file}: %include goes deeper than {DEEPEST_INCLUDE}")
    for token in _tokens(file, read(file)):
        if token.lastgroup == "include":
            path = file.parent / token["include"].rstrip(SPACE)
            section = _walk(path, read, section, depth + 1, found)
        elif token.lastgroup == "section":
            section = token["section"]
        else:
            value = token["value"].rstrip(SPACE)
            key = token["quoted"] or token["bare"]
            found.append(Setting(section, key, value, token.start("value"), file))
    return section


def _tokens(file: Path, text: str) -> Iterator[re.Match[str]]:
    at = 0
    while (at := _skip(text, at)) < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            line = text.count("\n", 0, at) + 1
            raise IniError(f"{file}, line {line}: PgBouncer would stop reading here")
        yield token
        at = token.end()


def _skip(text: str, at: int) -> int:
    """Go past space and comments."""
    while True:
        at = _SPACES.match(text, at).end()  # type: ignore[union-attr]
        comment = _COMMENT.match(text, at)
        if comment is None:
            return at
        at = comment.end()


def _unquote(raw: str) -> str:
    return raw[1:-1].replace("''", "'") if raw.startswith("'") else raw

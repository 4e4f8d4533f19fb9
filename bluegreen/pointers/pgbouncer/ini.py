"""PgBouncer's ini, read and edited as text. Pure.

Owns the grammar: sections, settings, `%include`, and the connection strings of
`[databases]`. It follows PgBouncer's own readers (`cfparser.c` of its library and
`loader.c`; 1.18 and later), down to what they count as space. Files are handed in and
handed back; reading and replacing them is for `file.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
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
        key_start: where in the text the key starts, its quote included.
        start: where in the text the value starts.
        file: the file it stands in.
        line: the line of that file.
        part: the number of its heading in `Ini.headings`; -1 without one.
    """

    section: str
    key: str
    value: str
    key_start: int
    start: int
    file: Path
    line: int
    part: int

    @property
    def place(self) -> str:
        """File and line, as editors take them."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Heading:
    """One `[section]`, and where it stands."""

    section: str
    file: Path
    line: int

    @property
    def place(self) -> str:
        """File and line, as editors take them."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Ini:
    """A file and what it includes, in PgBouncer's order."""

    settings: list[Setting] = field(default_factory=list)
    headings: list[Heading] = field(default_factory=list)

    def last_part(self, section: str) -> int:
        """Number of the last heading of that name; -1 without one."""
        named = [n for n, one in enumerate(self.headings) if one.section == section]
        return named[-1] if named else -1


@dataclass(frozen=True, slots=True)
class Pair:
    """One `key=value` of a connection string, with the places of both in it."""

    key: str
    value: str
    start: int
    value_start: int
    value_end: int
    end: int


def read_ini(file: Path, read: Callable[[Path], str]) -> Ini:
    """All settings of a file and of what it includes.

    Raises:
        IniError: PgBouncer would stop reading here.
    """
    found = Ini()
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


def edit_values(text: str, edits: Iterable[tuple[Setting, str]]) -> str:
    """The text with settings of it given new values; every other character is kept."""
    # From the end on, so that the places of those before stay right.
    for one, value in sorted(edits, key=lambda edit: -edit[0].start):
        text = text[: one.start] + value + text[one.start + len(one.value) :]
    return text


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
    file: Path, read: Callable[[Path], str], section: str, depth: int, found: Ini
) -> str:
    """Collect a file's settings; an included file carries its section on to us."""
    if depth > DEEPEST_INCLUDE:
        raise IniError(f"{file}: %include goes deeper than {DEEPEST_INCLUDE}")
    for line, token in _tokens(file, read(file)):
        if token.lastgroup == "include":
            path = file.parent / token["include"].rstrip(SPACE)
            section = _walk(path, read, section, depth + 1, found)
        elif token.lastgroup == "section":
            section = token["section"]
            found.headings.append(Heading(section, file, line))
        else:
            found.settings.append(
                Setting(
                    section,
                    token["quoted"] or token["bare"],
                    token["value"].rstrip(SPACE),
                    token.start(),
                    token.start("value"),
                    file,
                    line,
                    len(found.headings) - 1,
                )
            )
    return section


def _tokens(file: Path, text: str) -> Iterator[tuple[int, re.Match[str]]]:
    """Each token with the number of its line."""
    at, counted, line = 0, 0, 1
    while (at := _skip(text, at)) < len(text):
        line += text.count("\n", counted, at)
        counted = at
        token = _TOKEN.match(text, at)
        if token is None:
            raise IniError(f"{file}:{line}: PgBouncer would stop reading here")
        yield line, token
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

"""A file of SQL as statements: where each begins, what it says, its parse tree.

Owns decoding, splitting, places (line and column) and comments. What a statement does
is for `sql/reading/statements.py`; whether it may is for the rules.

Trees are the parse trees of pglast (the grammar of PostgreSQL 18) as plain
dictionaries, because building pglast's node objects costs twenty times the parse.
`Statement.node` gives the node object where one has to be printed.

pglast counts in bytes inside a tree and in characters inside an error. Every offset
that leaves this module counts characters of `Source.text`.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from bluegreen.sql.parsing import COMMENTS, Tree, parser

if TYPE_CHECKING:
    from bluegreen.sql.ops import Op

Fault = Literal["syntax-error", "psql-meta-command", "not-utf8", "copy-data"]

_BLANKS = re.compile(r"(?:[\s;]+|--[^\n\r]*)+")
# Few files have these, and to compile a pattern takes as long as to read such a file.
_COMMENT_EDGE = r"/\*|\*/"
_LINE_COMMENT = r"--[^\n\r]*"
_COPY_DATA = r"(?is)\bfrom\s+stdin\b[^;]*;[^\n]*\n(.*?\n)\\\.[^\n]*"
# goose and sql-migrate end a statement so, with or without a semicolon before it.
_STATEMENT_END = r"(?m)^-- (?=\+(?:goose|migrate) StatementEnd\b)"
# Where goose, dbmate and sql-migrate part the way up from the way down.
_DOWN = r"(?im)^--\s*(\+goose down|migrate:down|\+migrate down)\b"
# pg_dump writes the pair since 17.6, so that psql obeys nothing that stands in between.
_DUMP_MARKS = frozenset({"\\restrict", "\\unrestrict"})

# A file with more meta-commands than this is a psql script, and saying so once more
# helps no one; each costs a parse.
_MOST_META_COMMANDS = 100
_JSON = json.JSONDecoder(strict=False)


class Problem(NamedTuple):
    """Something that keeps a stretch of the file from being read."""

    fault: Fault
    at: int
    message: str


class Comment(NamedTuple):
    """A comment, its marks included. `at` and `end` count characters."""

    at: int
    end: int
    text: str


@dataclass(slots=True, eq=False)
class Statement:
    """One statement.

    Attributes:
        source: the file.
        index: 0, 1, 2 … within the file.
        kind: name of the node, e.g. `AlterTableStmt`.
        tree: the node's fields; locations in it are bytes, see `place`.
        at: first character, comments before it left out.
        end: one past the last character, the semicolon left out.
        ops: what it does, once that was read.
    """

    source: Source
    index: int
    kind: str
    tree: Tree
    at: int
    end: int
    base: int = field(default=0, repr=False)
    ops: list[Op] | None = field(default=None, repr=False)

    @property
    def text(self) -> str:
        """The statement as written, without its semicolon."""
        return self.source.text[self.at : self.end]

    @property
    def line(self) -> int:
        """Line of the first character, from 1."""
        return self.source.place(self.at)[0]

    @property
    def column(self) -> int:
        """Column of the first character in characters, from 1."""
        return self.source.place(self.at)[1]

    @property
    def node(self) -> Any:
        """The same statement as a `pglast.ast` node; costs a second, slower parse."""
        return parser.parse_sql(self.text)[0].stmt

    def offset(self, location: int | None) -> int:
        """Character offset in the file of a byte location in the tree."""
        if location is None:
            return self.at
        return self.source.characters(self.base + location)


class Source:
    """A file that was read. `name` is what findings print.

    Attributes:
        text: the file as decoded; a byte order mark is left out.
        ascii: whether a character is a byte everywhere in it.
        statements: what could be parsed.
        problems: what could not.
        marks: where pg_dump's own marks for psql stand, which say nothing to a server.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.ascii = text.isascii()
        self.statements: list[Statement] = []
        self.problems: list[Problem] = []
        self.marks: list[tuple[int, int]] = []

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(m.end() for m in re.finditer("\n", self.text))]

    @cached_property
    def _byte_starts(self) -> list[int]:
        widths = (len(char.encode()) for char in self.text)
        return list(accumulate(widths, initial=0))

    @cached_property
    def comments(self) -> list[Comment]:
        """Every comment, in order."""
        return list(_comments(self.text))

    @property
    def way_down(self) -> int:
        """Where the statements that take the others back begin; the end without any."""
        # Files without comments are common, and this look at them is by far the faster.
        found = re.search(_DOWN, self.text) if "--" in self.text else None
        return found.start() if found else len(self.text)

    def characters(self, byte: int) -> int:
        """Turn an offset in bytes of the encoded text into one in characters."""
        return byte if self.ascii else bisect_right(self._byte_starts, byte) - 1

    def place(self, at: int) -> tuple[int, int]:
        """Line and column of a character offset, both from 1, in characters."""
        line = bisect_right(self._line_starts, at)
        return line, at - self._line_starts[line - 1] + 1

    def line_text(self, line: int) -> str:
        """A line as written, without its end."""
        starts = self._line_starts
        end = starts[line] if line < len(starts) else len(self.text)
        return self.text[starts[line - 1] : end].rstrip("\r\n")


def read(name: str, content: bytes | str) -> Source:
    """Read a file. Never raises on what is in it: that becomes `Source.problems`."""
    text, problem = _decode(content)
    source = Source(name, text)
    if problem:
        source.problems.append(problem)
    sql = text
    if "\0" in text:
        at = text.index("\0")
        source.problems.append(Problem("syntax-error", at, "a NUL byte ends the SQL"))
        sql = text.replace("\0", " ")
    if "StatementEnd" in sql:
        sql = re.sub(_STATEMENT_END, ";--", sql)
    if "\n\\." in sql:
        sql = _without_copy_data(source, sql)
    _parse(source, sql)
    source.problems.sort(key=lambda problem: problem.at)
    return source


def statements_of(text: str) -> list[Statement] | None:
    """The statements of a text; None where any of it cannot be read."""
    source = read("", text)
    return None if source.problems else source.statements


def _decode(content: bytes | str) -> tuple[str, Problem | None]:
    if isinstance(content, str):
        content = content.encode("utf-8", "surrogatepass")
    try:
        return content.decode("utf-8").removeprefix("\ufeff"), None
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8").removeprefix("\ufeff")
        text = content.decode("utf-8", "replace").removeprefix("\ufeff")
        message = f"byte 0x{content[error.start]:02x} is not UTF-8"
        return text, Problem("not-utf8", len(before), message)


def _without_copy_data(source: Source, sql: str) -> str:
    """Blank the rows after `COPY … FROM stdin`, which only psql can read."""

    def blank(match: re.Match[str]) -> str:
        message = "rows after COPY FROM stdin can be read by psql only"
        source.problems.append(Problem("copy-data", match.start(1), message))
        start = match.start(1) - match.start()
        return match[0][:start] + re.sub(r"[^\n]", " ", match[0][start:])

    return re.sub(_COPY_DATA, blank, sql)


def _parse(source: Source, sql: str) -> None:
    """Fill `statements`; where the whole does not parse, take what does."""
    sql, problem = _attempt(source, sql, 0)
    if problem is None:
        return
    for start, end in _pieces(_tokens(source, sql)):
        _, problem = _attempt(source, sql[start:end], start)
        if problem:
            source.problems.append(problem)


def _tokens(source: Source, sql: str) -> list[Any]:
    """Tokens of the file, or of as many of its statements as can be scanned."""
    end = len(sql)
    fault = ""
    place: int | None = None
    while end:
        try:
            tokens = list(parser.scan(sql[:end]))
        except parser.ParseError as error:
            at = error.args[1] if len(error.args) > 1 else None
            if not fault:
                fault, place = str(error.args[0]), at
            stop = end - 1 if at is None else min(at, end - 1)
            end = sql.rfind(";", 0, stop) + 1
        else:
            break
    else:
        tokens = []
    if fault:
        at = min(_skip(sql, end), len(sql.rstrip())) if place is None else place
        source.problems.append(Problem("syntax-error", at, fault))
    return tokens


def _pieces(tokens: Iterable[Any]) -> Iterator[tuple[int, int]]:
    """Stretches between semicolons; those of `BEGIN ATOMIC … END` do not part.

    pglast's own split by tokens drops statements that hold no key word.
    """
    start = end = depth = 0
    empty, before = True, ""
    for token in tokens:
        if token.name in COMMENTS:
            continue
        if token.name == "ASCII_59" and not depth:
            if not empty:
                yield start, end
            empty = True
            continue
        if empty:
            start, empty, depth = token.start, False, 0
        opens = token.name == "ATOMIC" and before == "BEGIN_P"
        if opens or (depth and token.name == "CASE"):
            depth += 1
        elif depth and token.name == "END_P":
            depth -= 1
        before, end = token.name, token.end + 1
    if not empty:
        yield start, end


def _attempt(source: Source, sql: str, start: int) -> tuple[str, Problem | None]:
    """Parse all or nothing of `sql`, which begins at `start` in the file.

    Returns the text with psql's meta-commands blanked out, and what went wrong.
    """
    for _ in range(_MOST_META_COMMANDS):
        try:
            _take(source, sql, start, parser.parse_sql_json(sql))
        except parser.ParseError as error:
            at = _error_at(error, sql)
            message = str(error.args[0])
            if sql[at : at + 1] != "\\":
                break
            end = sql.find("\n", at)
            end = len(sql) if end < 0 else end
            word = sql[at:end].split()[0]
            if word in _DUMP_MARKS:
                source.marks.append((start + at, start + end))
            else:
                told = f"psql meta-command {word}"
                source.problems.append(Problem("psql-meta-command", start + at, told))
            sql = sql[:at] + " " * (end - at) + sql[end:]
        except RecursionError:
            at, message = 0, "the statement is nested too deeply to be read"
            break
        else:
            return sql, None
    return sql, Problem("syntax-error", start + at, message)


def _error_at(error: parser.ParseError, sql: str) -> int:
    at = error.args[1] if len(error.args) > 1 else None
    return len(sql.rstrip()) if at is None else min(int(at), len(sql))


def _take(source: Source, sql: str, start: int, tree: str) -> None:
    """Add the statements of a parse of `sql`, which begins at `start` in the file."""
    base = start if source.ascii else len(source.text[:start].encode())
    for raw in _JSON.decode(tree)["stmts"]:
        first = base + raw.get("stmt_location", 0)
        length = raw.get("stmt_len", 0)
        at = _skip(source.text, source.characters(first))
        end = source.characters(first + length) if length else start + len(sql)
        ((kind, node),) = raw["stmt"].items()
        end = at + len(source.text[at:end].rstrip())
        index = len(source.statements)
        source.statements.append(Statement(source, index, kind, node, at, end, base))


def _skip(text: str, at: int) -> int:
    """Step over blanks, semicolons and comments."""
    while True:
        if match := _BLANKS.match(text, at):
            at = match.end()
        if not text.startswith("/*", at):
            return at
        at = _comment_end(text, at)


def _comment_end(text: str, at: int) -> int:
    """End of the comment that opens at `at`; comments of PostgreSQL nest."""
    depth = 0
    for edge in re.compile(_COMMENT_EDGE).finditer(text, at):
        depth += 1 if edge[0] == "/*" else -1
        if not depth:
            return edge.end()
    return len(text)


def _comments(text: str) -> Iterator[Comment]:
    if "--" not in text and "/*" not in text:
        return
    try:
        tokens = parser.scan(text.replace("\0", " "))
    except parser.ParseError:
        for match in re.finditer(_LINE_COMMENT, text):
            yield Comment(match.start(), match.end(), match[0])
        return
    for token in tokens:
        if token.name in COMMENTS:
            end = token.end + 1
            yield Comment(token.start, end, text[token.start : end])

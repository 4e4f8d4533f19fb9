"""A migration file as statements, and how they have to be run.

Owns whether its statements run in one transaction. Pure. Splitting is for
`sql/source.py`, what a statement does to a transaction for `sql/transactions.py`,
running for `sql_files.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bluegreen.migrators.placeholders import first_placeholder
from bluegreen.model.codes import Code
from bluegreen.model.errors import PlaybookRefused

if TYPE_CHECKING:
    from bluegreen.sql.source import Source, Statement

NO_TRANSACTION = "-- bluegreen: no-transaction"
"""A comment that asks for statement by statement, e.g. for a CALL that commits."""

CONTRACT = "-- bluegreen: contract"
"""A comment: what stands behind it in the file waits until blue is released."""

Half = Literal["expand", "contract"]
"""What runs before traffic moves, and what runs once blue is no way back any more."""


@dataclass(frozen=True, slots=True)
class ConcurrentIndex:
    """The index that a CREATE INDEX CONCURRENTLY makes.

    What a failed one leaves is invalid and stands in the way of the next.
    """

    name: str
    schema: str
    table: str


@dataclass(frozen=True, slots=True)
class Part:
    """One statement of a file.

    Attributes:
        text: as written.
        line: where it begins, from 1.
        alone: it cannot run inside a transaction.
        transaction: `begin`, `commit`, `rollback` or empty.
        setting: a SET that holds for the rest of the session.
        silent: a BEGIN or SET. It locks nothing, and no query may come between it and
            a SET TRANSACTION behind it.
        index: what it builds concurrently.
    """

    text: str
    line: int
    alone: bool = False
    transaction: str = ""
    setting: bool = False
    silent: bool = False
    index: ConcurrentIndex | None = None

    def line_at(self, offset: int | None) -> int:
        """The line of a character of the statement."""
        return self.line + self.text.count("\n", 0, offset or 0)


@dataclass(frozen=True, slots=True)
class Script:
    """A file to run.

    Attributes:
        name: as messages call it, relative to the playbook.
        digest: SHA-256 of the file's bytes, or of its half's.
        parts: its statements.
        together: all of them in one transaction of ours.
    """

    name: str
    digest: str
    parts: tuple[Part, ...]
    together: bool

    def digest_of_first(self, count: int) -> str:
        """SHA-256 over the texts of the first `count` statements."""
        texts = "\0".join(part.text for part in self.parts[:count])
        return hashlib.sha256(texts.encode()).hexdigest()


def read_script(path: Path, name: str, half: Half | None = "expand") -> Script:
    """Read and split a file, and give what stands before or behind `CONTRACT`.

    A file without that comment is all expand; its contract has no parts. None for the
    half gives all of it.

    Raises:
        PlaybookRefused: 2009; it is not plain SQL, or leaves a transaction open.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _refused(name, 1, error.strerror or "cannot be read") from None
    return _split(name, content, half)


@lru_cache(maxsize=4096)
def _split(name: str, content: bytes, half: Half | None) -> Script:
    """Parse what several actions of one run look at again and again."""
    # The parser is heavy, and a rollback never needs it.
    from bluegreen.sql.source import read
    from bluegreen.sql.transactions import uses_new_label

    source = read(name, content)
    for problem in source.problems:
        raise _refused(name, source.place(problem.at)[0], problem.message)
    unread = first_unread(source.text, _read_spans(source))
    if unread is not None:
        line = source.place(unread)[0]
        raise _refused(name, line, f"syntax error near {source.text[unread:][:20]!r}")
    start, end = _stretch(source, half)
    if (left := first_placeholder(name, source)) and start <= left[0] < end:
        line = source.place(left[0])[0]
        raise _refused(name, line, f"{left[1]} is a placeholder without a value")
    taken = [one for one in source.statements if start <= one.at < end]
    parts = tuple(map(_part, taken))
    _require_closed(name, parts)
    asked = any(c.text.strip() == NO_TRANSACTION for c in source.comments)
    used = uses_new_label(taken)
    apart = asked or used or any(part.alone or part.transaction for part in parts)
    whole = (start, end) == (0, len(source.text))
    told = content if whole else source.text[start:end].encode()
    return Script(name, hashlib.sha256(told).hexdigest(), parts, together=not apart)


def _stretch(source: Source, half: Half | None) -> tuple[int, int]:
    """From where to where; a way down for goose, dbmate or sql-migrate never runs."""
    end = source.way_down
    if half is None:
        return 0, end
    marks = (c.at for c in source.comments if c.text.strip() == CONTRACT)
    mark = min(next(marks, end), end)
    return (0, mark) if half == "expand" else (mark, end)


def _part(statement: Statement) -> Part:
    """Say how one statement has to be run."""
    from bluegreen.sql.transactions import mark_of, runs_alone, sets_session

    mark = mark_of(statement)
    return Part(
        statement.text,
        statement.line,
        alone=runs_alone(statement),
        transaction=mark,
        setting=sets_session(statement),
        silent=mark == "begin" or statement.kind == "VariableSetStmt",
        index=_concurrent_index(statement),
    )


def first_unread(text: str, spans: Iterable[tuple[int, int]]) -> int | None:
    """Where the first character stands that no statement or comment covers.

    The splitter lets go of a piece in which it knows no word, e.g. `SELEC 1;`. A
    statement that is not understood must never be passed over.
    """
    at = 0
    for start, end in [*sorted(spans), (len(text), len(text))]:
        gap = text[at:start]
        if left := gap.strip(" \t\r\n\f\v;"):
            return at + gap.index(left)
        at = max(at, end)
    return None


def _concurrent_index(statement: Statement) -> ConcurrentIndex | None:
    from bluegreen.sql.ops import Kind
    from bluegreen.sql.reading.statements import ops

    for op in ops(statement):
        building = op.kind is Kind.CREATE_INDEX and "concurrently" in op.flags
        if building and op.name and op.table:
            return ConcurrentIndex(op.name, op.table.schema, op.table.name)
    return None


def _read_spans(source: Source) -> list[tuple[int, int]]:
    statements = [(one.at, one.end) for one in source.statements]
    comments = ((one.at, one.end) for one in source.comments)
    return [*statements, *comments, *source.marks]


def _require_closed(name: str, parts: Sequence[Part]) -> None:
    opened: Part | None = None
    for part in parts:
        if part.transaction == "begin":
            opened = part
        elif part.transaction:
            opened = None
    if opened:
        raise _refused(name, opened.line, "this BEGIN has no COMMIT in the file")


def _refused(name: str, line: int, seen: str) -> PlaybookRefused:
    return PlaybookRefused(
        Code.STEP_DOES_NOT_FIT,
        f"a migration file cannot be run: {name}",
        seen=f"{name}:{line}: {seen}",
        wanted="plain SQL in UTF-8, without psql's own commands",
        traffic="nothing has moved",
        hint="fix the file; psql's \\copy and \\i have no meaning outside psql",
    )

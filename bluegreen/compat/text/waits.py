"""Which statements of a migration wait until blue is released, by what `compat` says.

Owns that choice, and what else waits because it builds on such a statement. What a
statement means is for `meaning.py`; running the two halves is for `migrators/`. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from bluegreen.compat.text.meaning import Piece, pieces_of
from bluegreen.compat.text.trees import judge_trees
from bluegreen.compat.text.words import dotted
from bluegreen.compat.verdict import Answer, Direction, Verdict
from bluegreen.sql.expressions import columns
from bluegreen.sql.ops import Kind
from bluegreen.sql.reading.create import columns_of_keys
from bluegreen.sql.reading.parts import subject
from bluegreen.sql.reading.statements import ops
from bluegreen.sql.source import Statement, statements_of

_FORWARD = "CREATE PUBLICATION p FOR ALL TABLES"
_REVERSE = "CREATE PUBLICATION p FOR TABLE t"

_NARROWS = {"constraint", "foreign-key", "no-default"}
"""Green would take fewer rows than blue sends, or keep some that it should not."""

_OF_ROWS = {"constraint", "foreign-key"}

_TAKES = {"column-missing", "column-renamed", "table-missing", "type-may-not-fit"}
"""Green would lose a name that blue sends."""

_KINDS = {
    "AlterDomainStmt",
    "AlterEnumStmt",
    "AlterObjectSchemaStmt",
    "AlterTableStmt",
    "IndexStmt",
    "RenameStmt",
}


@dataclass(frozen=True, slots=True)
class Known:
    """What decides beside the text.

    Attributes:
        unlisted: columns, `schema.table.column`, that blue cannot leave out of what it
            sends: keys, all of a table that is found by whole rows, all before 15, and
            those that a mapping needs.
        carried: columns that a mapping keeps in step, named alike.
        renamed: tables that keep their old name for the stream, `schema.table`.
    """

    unlisted: frozenset[str] = frozenset()
    carried: frozenset[str] = frozenset()
    renamed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Wait:
    """Why a statement waits.

    Attributes:
        why: one sentence.
        mixed: another part of the same statement must not wait.
        behind: index of the statement that it builds on; None where it waits by itself.
    """

    why: str
    mixed: bool = False
    behind: int | None = None


def waits(texts: Sequence[str], known: Known) -> dict[int, Wait]:
    """The statements of a migration that are safe only once blue is released.

    Args:
        texts: one statement each, in order.
        known: what decides beside the text.
    """
    statements = [_only(text) for text in texts]
    recreated = frozenset(name for one in statements for name in _makes(one))
    parts = [part for n, one in enumerate(statements) for part in _parts(n, one)]
    reasons = _reasons(parts, known, recreated)
    found: dict[int, Wait] = {}
    taken: list[tuple[int, frozenset[str], str]] = []
    for number, statement in enumerate(statements):
        why = reasons.get(number, [])
        words = _words(texts[number])
        if any(why):
            mixed = not all(why)
            found[number] = Wait("; ".join(dict.fromkeys(w for w in why if w)), mixed)
        elif behind := next((t for t in taken if _builds_on(words, *t[1:])), None):
            text = "it builds on a statement that waits"
            found[number] = Wait(text, behind=behind[0])
        if number in found and statement and statement.kind in _KINDS:
            taken += [(number, *names) for names in _names(statement)]
    return found


def _only(text: str) -> Statement | None:
    statements = statements_of(text) or []
    return statements[0] if len(statements) == 1 else None


def _parts(number: int, statement: Statement | None) -> list[Piece]:
    """The statement; ALTER TABLE one subcommand at a time."""
    if statement is None:
        return []
    if statement.kind == "AlterTableStmt":
        return [Piece(number, statement, (op,)) for op in ops(statement)]
    return pieces_of(number, statement)


def _reasons(
    parts: Sequence[Piece], known: Known, recreated: frozenset[str]
) -> dict[int, list[str]]:
    """Of each statement with several parts, why each must wait; empty where not."""
    verdicts = judge_trees(
        [part._replace(number=index) for index, part in enumerate(parts)],
        forward=_FORWARD,
        reverse=_REVERSE,
        lists=True,
        carried=known.carried,
    )
    own = frozenset(name for part in parts for name in _adds(part)) - {
        tuple(name.split(".")[-2:]) for name in known.carried
    }
    by_part: dict[int, str] = {}
    for verdict in verdicts:
        index = verdict.statement
        if index is None or verdict.direction is not Direction.FORWARD:
            continue
        part = parts[index]
        if verdict.rule in _OF_ROWS and _is_of(part, own):
            continue
        if _must_wait(verdict, part, known, recreated):
            by_part[index] = verdict.why
    found: dict[int, list[str]] = {}
    for index, part in enumerate(parts):
        found.setdefault(part.number, []).append(by_part.get(index, ""))
    return found


def _must_wait(
    verdict: Verdict, part: Piece, known: Known, recreated: frozenset[str]
) -> bool:
    statement = part.statement
    if statement is None or statement.kind not in _KINDS or any(_adds(part)):
        return False
    if verdict.rule in _NARROWS:
        return verdict.answer in {Answer.OK_IF, Answer.BREAK, Answer.SILENT}
    if verdict.rule not in _TAKES or verdict.answer is not Answer.BREAK:
        return False
    table = subject(statement)
    for op in part.ops:
        if op.kind is Kind.DROP_COLUMN:
            column = f"{dotted(table)}.{op.name}"
            return any(_is(column, name) for name in known.unlisted)
    if verdict.rule == "table-missing":
        kept = any(_is(dotted(table), name) for name in known.renamed)
        return not kept and (table.name if table else "") not in recreated
    return True


def _adds(part: Piece) -> Iterator[tuple[str, ...]]:
    """Table and column of what a statement adds, which no stream fills."""
    for op in part.ops:
        if op.kind is Kind.ADD_COLUMN and op.table and not op.inside:
            yield op.table.name, op.name


def _is_of(part: Piece, own: Collection[tuple[str, ...]]) -> bool:
    """Whether a constraint or an index speaks of such columns alone."""
    names = frozenset[str]()
    if part.statement and part.statement.kind == "IndexStmt":
        names = columns_of_keys(part.statement)
    for op in part.ops:
        if op.kind is Kind.ADD_CONSTRAINT and op.constraint:
            names |= frozenset(op.constraint.columns) or columns(op.constraint.expr)
    table = subject(part.statement) if part.statement else None
    if table is None or not names:
        return False
    return all((table.name, name) in own for name in names)


def _is(name: str, full: str) -> bool:
    """Whether a name as a statement has it, perhaps without schema, means this one."""
    return full == name or full.endswith(f".{name}")


def _makes(statement: Statement | None) -> Iterator[str]:
    """Names of tables that a statement makes."""
    for op in ops(statement) if statement and statement.kind != "DoStmt" else ():
        if op.kind in {Kind.CREATE_TABLE, Kind.CREATE_TABLE_AS} and op.table:
            yield op.table.name
        elif op.kind is Kind.RENAME and op.what == "table":
            yield op.value


def _names(statement: Statement) -> Iterator[tuple[frozenset[str], str]]:
    """What a later statement would mention if it built on this one.

    Yields:
        Names, and the table that must be mentioned beside them; empty for none.
    """
    names: set[str] = set()
    for op in ops(statement):
        table = op.table.name.lower() if op.table else ""
        match op.kind:
            case Kind.CREATE_INDEX | Kind.ADD_CONSTRAINT:
                names |= {op.name}
            case Kind.RENAME if op.what == "table":
                names |= {op.value}
            case Kind.RENAME if op.what == "column":
                yield _lower({op.name, op.value}), table
            case Kind.DROP_COLUMN:
                yield _lower({op.name}), table
    if lower := _lower(names):
        yield lower, ""


def _lower(names: Collection[str]) -> frozenset[str]:
    return frozenset(name.lower() for name in names if name)


def _words(text: str) -> frozenset[str]:
    """Every word, those of bodies and strings too: better one too many waits."""
    return frozenset(re.findall(r"\w+", text.lower()))


def _builds_on(words: frozenset[str], names: frozenset[str], table: str) -> bool:
    return not words.isdisjoint(names) and (not table or table in words)

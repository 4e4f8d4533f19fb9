"""Which statements of a migration wait until blue is released, by the judge's word.

Owns that choice, and what else waits because it builds on such a statement. What a
statement means is for `trees`; running the two halves is for `migrators/`. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pglast import ast
from pglast.enums import AlterTableType as Alter
from pglast.enums import ObjectType
from pglast.stream import RawStream

from bluegreen.compat.text.statements import columns_in, parsed
from bluegreen.compat.text.trees import judge_trees
from bluegreen.compat.verdict import Answer, Direction, Verdict

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
    trees = [_only(text) for text in texts]
    recreated = frozenset(name for tree in trees for name in _makes(tree))
    pieces = [(n, part) for n, tree in enumerate(trees) for part in _parts(tree)]
    reasons = _reasons(pieces, known, recreated)
    found: dict[int, Wait] = {}
    taken: list[tuple[int, frozenset[str], str]] = []
    for number, tree in enumerate(trees):
        why = reasons.get(number, [])
        words = _words(texts[number])
        if any(why):
            mixed = not all(why)
            found[number] = Wait("; ".join(dict.fromkeys(w for w in why if w)), mixed)
        elif behind := next((t for t in taken if _builds_on(words, *t[1:])), None):
            text = "it builds on a statement that waits"
            found[number] = Wait(text, behind=behind[0])
        if number in found:
            taken += [(number, *names) for names in _names(tree)]
    return found


def _only(text: str) -> Any:
    trees = parsed(text) or []
    return trees[0] if len(trees) == 1 else None


def _parts(tree: Any) -> list[str]:
    """The statement; ALTER TABLE one subcommand at a time."""
    if _kind(tree) == "AlterTableStmt" and len(tree.cmds) > 1:
        return [
            _sql(
                ast.AlterTableStmt(
                    relation=tree.relation,
                    cmds=(command,),
                    objtype=tree.objtype,
                    missing_ok=tree.missing_ok,
                )
            )
            for command in tree.cmds
        ]
    return [_sql(tree)] if tree is not None else [""]


def _sql(tree: Any) -> str:
    return str(RawStream()(tree))


def _reasons(
    pieces: Sequence[tuple[int, str]], known: Known, recreated: frozenset[str]
) -> dict[int, list[str]]:
    """Of each statement with several parts, why each must wait; empty where not."""
    texts = [text for _, text in pieces]
    verdicts = judge_trees(
        texts,
        forward=_FORWARD,
        reverse=_REVERSE,
        lists=True,
        carried=known.carried,
    )
    trees = [_only(text) for text in texts]
    own = frozenset(name for tree in trees for name in _adds(tree)) - {
        tuple(name.split(".")[-2:]) for name in known.carried
    }
    by_piece: dict[int, str] = {}
    for verdict in verdicts:
        number = verdict.statement
        if number is None or verdict.direction is not Direction.FORWARD:
            continue
        tree = trees[number]
        if verdict.rule in _OF_ROWS and _is_of(tree, own):
            continue
        if _must_wait(verdict, tree, known, recreated):
            by_piece[number] = verdict.why
    found: dict[int, list[str]] = {}
    for index, (number, _) in enumerate(pieces):
        found.setdefault(number, []).append(by_piece.get(index, ""))
    return found


def _must_wait(
    verdict: Verdict, tree: Any, known: Known, recreated: frozenset[str]
) -> bool:
    if _kind(tree) not in _KINDS or _adds_column(tree):
        return False
    if verdict.rule in _NARROWS:
        return verdict.answer in {Answer.OK_IF, Answer.BREAK, Answer.SILENT}
    if verdict.rule not in _TAKES or verdict.answer is not Answer.BREAK:
        return False
    column = _dropped(tree)
    if column:
        return any(_is(column, name) for name in known.unlisted)
    if verdict.rule == "table-missing":
        table = _table(tree)
        kept = any(_is(table, name) for name in known.renamed)
        return not kept and table.rpartition(".")[2] not in recreated
    return True


def _kind(tree: Any) -> str:
    return type(tree).__name__


def _commands(tree: Any) -> Sequence[Any]:
    return tree.cmds if _kind(tree) == "AlterTableStmt" else ()


def _adds_column(tree: Any) -> bool:
    return any(Alter(c.subtype) is Alter.AT_AddColumn for c in _commands(tree))


def _adds(tree: Any) -> Iterator[tuple[str, ...]]:
    """Table and column of what a statement adds, which no stream fills."""
    for command in _commands(tree):
        if Alter(command.subtype) is Alter.AT_AddColumn:
            yield _table(tree).rpartition(".")[2], str(command.def_.colname)


def _is_of(tree: Any, own: Collection[tuple[str, ...]]) -> bool:
    """Whether a constraint or an index speaks of such columns alone."""
    table, names = _table(tree).rpartition(".")[2], set[str]()
    if _kind(tree) == "IndexStmt":
        for part in tree.indexParams or ():
            names |= {part.name} if part.name else columns_in(part.expr)
    for command in _commands(tree):
        if Alter(command.subtype) is Alter.AT_AddConstraint:
            keys = command.def_.keys or command.def_.fk_attrs or ()
            names |= {key.sval for key in keys} or columns_in(command.def_.raw_expr)
    return bool(names) and all((table, name) in own for name in names)


def _dropped(tree: Any) -> str:
    """`table.column` of a DROP COLUMN, else empty."""
    for command in _commands(tree):
        if Alter(command.subtype) is Alter.AT_DropColumn:
            return f"{_table(tree)}.{command.name}"
    return ""


def _table(tree: Any) -> str:
    relation = getattr(tree, "relation", None)
    if relation is None:
        return ""
    schema = relation.schemaname
    return f"{schema}.{relation.relname}" if schema else str(relation.relname)


def _is(name: str, full: str) -> bool:
    """Whether a name as a statement has it, perhaps without schema, means this one."""
    return full == name or full.endswith(f".{name}")


def _makes(tree: Any) -> Iterator[str]:
    """Names of tables that a statement makes."""
    if _kind(tree) == "CreateStmt":
        yield str(tree.relation.relname)
    elif _kind(tree) == "CreateTableAsStmt":
        yield str(tree.into.rel.relname)
    elif _kind(tree) == "RenameStmt" and _is_table(tree):
        yield str(tree.newname)


def _is_table(tree: Any) -> bool:
    return ObjectType(tree.renameType) is ObjectType.OBJECT_TABLE


def _names(tree: Any) -> Iterator[tuple[frozenset[str], str]]:
    """What a later statement would mention if it built on this one.

    Yields:
        Names, and the table that must be mentioned beside them; empty for none.
    """
    table = _table(tree).rpartition(".")[2].lower()
    names: set[str] = set()
    if _kind(tree) == "IndexStmt":
        names |= {tree.idxname or ""}
    elif _kind(tree) == "RenameStmt":
        if _is_table(tree):
            names |= {tree.newname}
        elif ObjectType(tree.renameType) is ObjectType.OBJECT_COLUMN:
            yield _lower({tree.newname, tree.subname}), table
    elif _kind(tree) == "AlterTableStmt":
        for command in tree.cmds:
            kind = Alter(command.subtype)
            if kind is Alter.AT_AddConstraint:
                names |= {command.def_.conname or ""}
            elif kind is Alter.AT_DropColumn:
                yield _lower({command.name}), table
    if lower := _lower(names):
        yield lower, ""


def _lower(names: Collection[str]) -> frozenset[str]:
    return frozenset(name.lower() for name in names if name)


def _words(text: str) -> frozenset[str]:
    """Every word, those of bodies and strings too: better one too many waits."""
    return frozenset(re.findall(r"\w+", text.lower()))


def _builds_on(words: frozenset[str], names: frozenset[str], table: str) -> bool:
    return not words.isdisjoint(names) and (not table or table in words)

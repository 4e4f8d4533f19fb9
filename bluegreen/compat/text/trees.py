"""The first tier: the migration's text alone, for CI without a database.

Owns the walk over a set of statements, and what a publication says of all of them. What
one statement means is in `meaning.py`. No existing column's type and no data is known
here, so much is OK_IF or UNKNOWN; catalogs and probes overrule it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from bluegreen.compat.rules.rule import RULES
from bluegreen.compat.text.meaning import DATA, Piece, meaning, pieces_of
from bluegreen.compat.text.publication import leaves_behind
from bluegreen.compat.text.rename import (
    follow_column,
    renamed_columns,
    under_last_name,
)
from bluegreen.compat.text.words import Read, dotted
from bluegreen.compat.verdict import Answer, Direction, Verdict
from bluegreen.sql.ops import Kind
from bluegreen.sql.reading.parts import subject
from bluegreen.sql.reading.statements import ops
from bluegreen.sql.source import statements_of


def judge_trees(
    texts: Iterable[str | Piece],
    *,
    forward: str = "",
    reverse: str = "",
    on_blue: Sequence[str] = (),
    lists: bool = False,
    carried: Collection[str] = (),
) -> list[Verdict]:
    """Judge each statement of a migration by its text.

    Args:
        texts: the migration, in order, or statements of it that are read already;
            statements of one text may be many.
        forward: blue's CREATE PUBLICATION, if it is known.
        reverse: green's.
        on_blue: statements that change blue's schema while it streams.
        lists: green's publication leaves out columns that blue lacks.
        carried: columns, `schema.table.column`, that triggers keep in step.
    """
    generated = "publish_generated_columns" in reverse.lower()
    read = Read(_all_tables(forward), _all_tables(reverse), generated, lists)
    parts = [name.split(".") for name in carried]
    read.carried = frozenset((one[-2], one[-1]) for one in parts if len(one) > 1)
    found: list[Verdict] = []
    if any(text.strip() for text in on_blue):
        why = "blue's schema changes while it streams"
        found.append(Verdict(Answer.UNKNOWN, Direction.FORWARD, "cannot-tell", "", why))
    for way in Direction:
        why = leaves_behind(reverse if way is Direction.REVERSE else forward)
        if why:
            found.append(Verdict(Answer.UNKNOWN, way, "not-sent", "", why))
    for piece in _pieces(texts):
        where, number = _subject_of(piece), piece.number
        for ways, answer, rule, why in meaning(piece, read):
            found += [
                Verdict(answer, way, rule, where, why, RULES[rule].fix, number)
                for way in ways
            ]
        for op in piece.ops:
            if op.kind is Kind.RENAME and not op.inside:
                found = under_last_name(found, op, where, read)
                follow_column(op, where, number, read)
    found += renamed_columns(read)
    return sorted(set(found), key=_order)


def _order(one: Verdict) -> tuple[object, ...]:
    """Statement by statement, worst first; the same for every run."""
    number, rank = one.statement or 0, -one.answer.rank
    return (number, rank, one.rule, one.direction, one.why, one.where)


def _pieces(texts: Iterable[str | Piece]) -> Iterator[Piece]:
    for number, text in enumerate(texts):
        if isinstance(text, Piece):
            yield text
            continue
        statements = statements_of(text)
        if statements is None:
            yield Piece(number)
        for statement in statements or ():
            yield from pieces_of(number, statement)


def _subject_of(piece: Piece) -> str:
    """What a statement is about, as it names it; empty where that is nothing."""
    if piece.statement is None:
        return ""
    if piece.statement.kind in {"DropStmt", "AlterEnumStmt", *DATA}:
        return ", ".join(dotted(op.table) for op in piece.ops)
    return dotted(subject(piece.statement))


def _all_tables(text: str) -> bool | None:
    made = (s for s in statements_of(text) or () if s.kind == "CreatePublicationStmt")
    first = next(made, None)
    return None if first is None else "all_tables" in ops(first)[0].flags

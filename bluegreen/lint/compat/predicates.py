"""Questions to the sending side's data that settle an OK_IF, as values.

Owns which question settles which condition. Asking is for
`postgres/compat_predicates.py`; it reads every row of a table once per question.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from bluegreen.lint.compat import apply as laws
from bluegreen.lint.compat.catalog import Column, Name, Relation, shown
from bluegreen.lint.compat.channel import Channel
from bluegreen.lint.compat.types import modifier
from bluegreen.lint.compat.verdict import Answer, Verdict

_RANGES = {
    "smallint": (-(2**15), 2**15 - 1),
    "integer": (-(2**31), 2**31 - 1),
    "bigint": (-(2**63), 2**63 - 1),
}
_TEXTS = {"text", "character varying", "character"}


@dataclass(frozen=True, slots=True)
class Predicate:
    """A question: how many rows of a table break it?

    Attributes:
        kind: `null`, `longer`, `outside`, `label`, `alike` or `check`.
        rule: the rule whose verdict it settles.
        where: where that verdict points.
        low: for `outside`; the least value that fits.
        high: for `outside` the greatest value, for `longer` the length.
        labels: for `label`, those that fit.
        expression: for `check`, as pg_get_constraintdef gives it.
    """

    kind: str
    rule: str
    where: str
    table: Name
    columns: tuple[str, ...] = ()
    low: int = 0
    high: int = 0
    labels: tuple[str, ...] = ()
    expression: str = ""


def predicates(channel: Channel) -> Iterator[Predicate]:
    """Every question that the data of the sending side can answer."""
    if channel.publication is None:
        return
    for sent in channel.publication.relations.values():
        decided = laws.fate(channel, sent)
        source = channel.sender.relations.get(sent.name)
        if isinstance(decided, laws.Writes) and source is not None:
            yield from _of_columns(channel, source, decided)
            yield from _of_constraints(source, decided)
            yield from _of_indexes(source, decided)


def settle(
    verdicts: Iterable[Verdict], broken: Mapping[Predicate, int]
) -> list[Verdict]:
    """Put answers in the place of conditions: none broken is OK, any is a BREAK.

    A condition that nobody asked about stays open. So does uniqueness, whatever the
    rows of now say: an UPDATE of many rows can pass through duplicates (law 4).
    """
    counts: dict[tuple[str, str], int] = {}
    for predicate, count in broken.items():
        if predicate.kind == "alike" and count == 0:
            continue
        key = predicate.rule, predicate.where
        counts[key] = counts.get(key, 0) + count
    return [_settled(v, counts.get((v.rule, v.where))) for v in verdicts]


def _settled(verdict: Verdict, count: int | None) -> Verdict:
    if verdict.answer is not Answer.OK_IF or count is None:
        return verdict
    if count == 0:
        return replace(
            verdict, answer=Answer.OK, why=f"{verdict.why}; no row breaks it"
        )
    return replace(verdict, answer=Answer.BREAK, why=f"{verdict.why}: {count} rows")


def _of_columns(
    channel: Channel, source: Relation, decided: laws.Writes
) -> Iterator[Predicate]:
    for name in decided.columns:
        one, two = source.column(name), decided.target.column(name)
        if one is None or two is None:
            continue
        where = f"{shown(source.name)}.{name}"
        if two.not_null and not one.not_null:
            yield Predicate("null", "constraint", where, source.name, (name,))
        made = _of_type(channel, one, two)
        if made:
            yield replace(made, where=where, table=source.name, columns=(name,))


def _of_type(channel: Channel, one: Column, two: Column) -> Predicate | None:
    left = channel.sender.base_type(one.type)
    right = channel.receiver.base_type(two.type)
    blank = Predicate("", "type-may-not-fit", "", ("", ""))
    known = channel.receiver.types.get(right)
    length = modifier(two.full_type)
    if known and known.kind == "e" and (left in _TEXTS or left == right):
        return replace(blank, kind="label", labels=known.labels)
    if right in _RANGES and left in _RANGES and left != right:
        low, high = _RANGES[right]
        return replace(blank, kind="outside", low=low, high=high)
    if right in _TEXTS and left in _TEXTS and length:
        return replace(blank, kind="longer", high=length[0])
    return None


def _of_constraints(source: Relation, decided: laws.Writes) -> Iterator[Predicate]:
    theirs = {c.definition for c in source.constraints}
    for check in decided.target.constraints:
        where = f"{shown(decided.target.name)}.{check.name}"
        known = _alike_typed(source, decided, check.columns)
        if check.kind == "c" and check.definition not in theirs and known:
            yield Predicate(
                "check",
                "constraint",
                where,
                source.name,
                check.columns,
                expression=check.definition,
            )


def _of_indexes(source: Relation, decided: laws.Writes) -> Iterator[Predicate]:
    for index in decided.target.indexes:
        names = tuple(c for c in index.columns if c)
        plain = len(names) == len(index.columns) and not index.partial
        if index.unique and plain and _alike_typed(source, decided, names):
            where = f"{shown(decided.target.name)}.{index.name}"
            yield Predicate("alike", "constraint", where, source.name, names)


def _alike_typed(
    source: Relation, decided: laws.Writes, names: tuple[str, ...]
) -> bool:
    """Whether both sides compare these columns alike: same type and collation."""
    pairs = [(source.column(name), decided.target.column(name)) for name in names]
    return set(names) <= set(decided.columns) and all(
        one and two and one.full_type == two.full_type for one, two in pairs
    )

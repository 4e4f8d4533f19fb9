"""Questions to the sending side's data that settle an OK_IF, as values.

Owns which question settles which condition. Asking is for
`compat/probe/predicates.py`; it reads every row of a table once per question.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from bluegreen.compat.catalog import shown
from bluegreen.compat.rules import apply as laws
from bluegreen.compat.rules.conversions import cast_example
from bluegreen.compat.rules.types import carry, modifier
from bluegreen.compat.stream import Stream
from bluegreen.compat.verdict import Answer, Direction, Verdict
from bluegreen.model.counted import counted
from bluegreen.model.zones import same_zone
from bluegreen.postgres.catalog.columns import Column
from bluegreen.postgres.catalog.relations import Relation
from bluegreen.postgres.catalog.scope import Name
from bluegreen.sql.printing import check_of_column

_PLAIN = {"smallint", "integer", "bigint", "text", "boolean", "date", "uuid"}
_RANGES = {
    "smallint": (-(2**15), 2**15 - 1),
    "integer": (-(2**31), 2**31 - 1),
    "bigint": (-(2**63), 2**63 - 1),
}
_SILENT = {"foreign-key", "type-changes-value", "whole-row-lost"}
_TEXTS = {"text", "character varying", "character"}
_STAMPS = {"timestamp without time zone", "timestamp with time zone"}


@dataclass(frozen=True, slots=True)
class Predicate:
    """A question: how many rows of a table break it?

    Attributes:
        kind: `null`, `filled`, `longer`, `outside`, `label`, `reads`, `cast`, `alike`,
            `orphan` or `check`.
        rule: the rule whose verdict it settles.
        where: where that verdict points.
        low: for `outside`; the least value that fits.
        high: for `outside` the greatest value, for `longer` the length.
        labels: for `label`, those that fit.
        expression: for `check`, as pg_get_constraintdef gives it; for `reads` and
            `cast`, the type that must read each value.
        key: columns that tell a row from another, for examples.
        of_receiver: the receiving side is asked, for it has what the other lacks.
        other: for `orphan`, the parent.
        other_columns: for `orphan`, the parent's columns.
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
    key: tuple[str, ...] = ()
    of_receiver: bool = False
    other: Name = ("", "")
    other_columns: tuple[str, ...] = ()


def predicates(stream: Stream) -> Iterator[Predicate]:
    """Every question that data can answer, most of them the sending side's."""
    if stream.publication is None:
        return
    for sent in stream.publication.relations.values():
        decided = laws.fate(stream, sent)
        source = stream.sender.relations.get(sent.name)
        if isinstance(decided, laws.Writes) and source is not None:
            asked = (
                *_of_columns(stream, source, decided),
                *_of_constraints(source, decided),
                *_of_indexes(source, decided),
                *_of_keys(stream, source, decided),
                *_of_whole_rows(decided),
            )
            key = tuple(c for c in _key_of(source) if c)
            for one in asked:
                yield replace(one, key=one.key or key)


def settle(
    verdicts: Iterable[Verdict], broken: Mapping[Predicate, int | None]
) -> list[Verdict]:
    """Put answers in the place of conditions: none broken is OK, any is a BREAK.

    None stands for a question that could not be answered. A condition that was
    not asked about, or only in part, stays open. So does uniqueness, whatever the
    rows of now say: an UPDATE of many rows can pass through duplicates (law 4).
    """
    counts: dict[tuple[str, str], int] = {}
    open_: set[tuple[str, str]] = set()
    unknown: set[tuple[str, str]] = set()
    for predicate, count in broken.items():
        key = predicate.rule, predicate.where
        counts[key] = counts.get(key, 0) + (count or 0)
        if predicate.kind == "alike":
            open_.add(key)
        if count is None:
            unknown.add(key)
    return [_settled(v, counts, unknown, open_) for v in verdicts]


def settle_zones(stream: Stream, verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Settle what the sides' TimeZone decides: it is in the catalogs.

    A timestamp is read by the receiver's zone, a timestamptz printed in the sender's.
    """
    return [_zoned(stream, v) if v.rule == "time-zone" else v for v in verdicts]


def _zoned(stream: Stream, verdict: Verdict) -> Verdict:
    place = _column_at(stream, verdict.where)
    if verdict.answer is not Answer.OK_IF or place is None:
        return verdict
    table, name = place
    column = stream.sender.relations[table].column(name)
    zoned = column is not None and "with time zone" in column.plain_type
    used = stream.sender_zone if zoned else stream.receiver_zone
    wanted = stream.zone_of(table, name)
    text = f"the zone is {used}, and the column was read in {wanted}"
    answer = Answer.OK if same_zone(used, wanted) else Answer.SILENT
    return replace(verdict, answer=answer, found=text)


def _column_at(stream: Stream, where: str) -> tuple[Name, str] | None:
    for name, relation in stream.sender.relations.items():
        for column in relation.columns:
            if where == f"{shown(name)}.{column.name}":
                return name, column.name
    return None


def _settled(
    verdict: Verdict,
    counts: Mapping[tuple[str, str], int],
    unknown: Collection[tuple[str, str]],
    stays_open: Collection[tuple[str, str]],
) -> Verdict:
    key = verdict.rule, verdict.where
    count = counts.get(key)
    if verdict.answer is not Answer.OK_IF or count is None:
        return verdict
    if count:
        rows = counted(count, "row breaks it", "rows break it")
        answer = Answer.SILENT if verdict.rule in _SILENT else Answer.BREAK
        return replace(verdict, answer=answer, found=rows)
    if key in unknown:
        return verdict
    if key in stays_open:
        return replace(verdict, found="no row of now breaks it")
    return replace(verdict, answer=Answer.OK, found="no row breaks it")


def _key_of(relation: Relation) -> tuple[str | None, ...]:
    return relation.primary.columns if relation.primary else ()


def _of_columns(
    stream: Stream, source: Relation, decided: laws.Writes
) -> Iterator[Predicate]:
    for name in decided.columns:
        one, two = source.column(name), decided.target.column(name)
        if one is None or two is None:
            continue
        where = f"{source.full_name}.{name}"
        if two.not_null and not one.not_null:
            yield Predicate("null", "constraint", where, source.qualified, (name,))
        made = _of_type(stream, one, two)
        if made:
            yield replace(made, where=where, table=source.qualified, columns=(name,))
        if cast_example(stream, one, two) and _is_builtin(stream, two):
            yield Predicate(
                "cast",
                "type-changes-value",
                where,
                source.qualified,
                (name,),
                expression=two.type,
            )
        theirs = stream.sender.types.get(one.plain_type)
        if stream.receiver.types.get(two.plain_type) != theirs:
            yield from _of_domain(stream, one, two, source.qualified)


def _of_type(stream: Stream, one: Column, two: Column) -> Predicate | None:
    left = stream.sender.base_type(one.plain_type)
    right = stream.receiver.base_type(two.plain_type)
    blank = Predicate("", "type-may-not-fit", "", ("", ""))
    known = stream.receiver.types.get(right)
    length = modifier(two.full_type)
    if known and known.kind == "e" and (left in _TEXTS or left == right):
        return replace(blank, kind="label", labels=known.labels)
    if right in _RANGES and left in _RANGES and left != right:
        low, high = _RANGES[right]
        return replace(blank, kind="outside", low=low, high=high)
    if right in _TEXTS and left in _TEXTS and length:
        return replace(blank, kind="longer", high=length[0])
    if carry(stream.sender, one, stream.receiver, two).answer is not Answer.OK_IF:
        return None
    if right in _STAMPS or (known and known.kind in {"c", "r"}):
        return None
    # A type of the receiver's own may mean something else on the sender, or nothing.
    if two.plain_type in stream.receiver.types or known:
        return None
    plain = two.type
    return replace(blank, kind="reads", expression=plain)


def _is_builtin(stream: Stream, column: Column) -> bool:
    """Whether both servers know the type, and mean the same by it."""
    known = stream.receiver.types
    return column.plain_type.removesuffix("[]") not in known


def _of_domain(
    stream: Stream, one: Column, two: Column, table: Name
) -> Iterator[Predicate]:
    """A domain's checks and NOT NULL, asked of values of its base type.

    Only where the base type has no modifier that might cut or refuse a value.
    """
    base = stream.receiver.base_type(two.plain_type)
    if base not in _PLAIN or stream.sender.base_type(one.plain_type) != base:
        return
    where = f"{shown(table)}.{one.name}"
    name = two.plain_type
    while (domain := stream.receiver.types.get(name)) and domain.kind == "d":
        for text in domain.checks:
            asked = check_of_column(text, one.name)
            yield Predicate(
                "check", "domain", where, table, (one.name,), expression=asked
            )
        if domain.not_null:
            yield Predicate("null", "domain", where, table, (one.name,))
        name = domain.base


def _of_constraints(source: Relation, decided: laws.Writes) -> Iterator[Predicate]:
    theirs = {c.definition for c in source.constraints}
    for check in decided.target.constraints:
        where = f"{decided.target.full_name}.{check.name}"
        known = _alike_typed(source, decided, check.columns)
        if check.kind == "c" and check.definition not in theirs and known:
            yield Predicate(
                "check",
                "constraint",
                where,
                source.qualified,
                check.columns,
                expression=check.definition,
            )


def _of_indexes(source: Relation, decided: laws.Writes) -> Iterator[Predicate]:
    proved = [
        set(i.columns) for i in source.indexes if i.unique and not i.partial and i.valid
    ]
    for index in decided.target.indexes:
        names = tuple(c for c in index.columns if c)
        plain = len(names) == len(index.columns) and not index.partial
        if any(one <= set(names) for one in proved):
            continue
        if index.unique and plain and _alike_typed(source, decided, names):
            where = f"{decided.target.full_name}.{index.name}"
            yield Predicate("alike", "constraint", where, source.qualified, names)


def _of_keys(
    stream: Stream, source: Relation, decided: laws.Writes
) -> Iterator[Predicate]:
    """Foreign keys of the receiver's own; on the way back blue's rows are green's."""
    theirs = {c.definition for c in source.constraints}
    forward = stream.direction is not Direction.REVERSE
    for key in decided.target.constraints:
        if key.kind != "f" or key.definition in theirs or not key.enforced:
            continue
        if key.of_partition:
            continue
        yield Predicate(
            "orphan",
            "foreign-key",
            f"{decided.target.full_name}.{key.name}",
            source.qualified,
            key.columns,
            of_receiver=forward,
            other=key.other or ("", ""),
            other_columns=key.other_columns,
        )


def _of_whole_rows(decided: laws.Writes) -> Iterator[Predicate]:
    """Columns of the receiver's own that must be NULL where rows are found whole."""
    if not isinstance(decided.finding, laws.WholeRow):
        return
    where = decided.target.full_name
    own = [c for c in decided.target.columns if c.name not in decided.columns]
    for column in own:
        if not column.generated and not column.fills_itself:
            yield Predicate(
                "filled",
                "whole-row-lost",
                where,
                decided.target.qualified,
                (column.name,),
                of_receiver=True,
            )


def _alike_typed(
    source: Relation, decided: laws.Writes, names: tuple[str, ...]
) -> bool:
    """Whether both sides compare these columns alike: same type and collation."""
    pairs = [(source.column(name), decided.target.column(name)) for name in names]
    return set(names) <= set(decided.columns) and all(
        one and two and one.full_type == two.full_type for one, two in pairs
    )

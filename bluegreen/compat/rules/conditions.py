"""What data decide, as far as two catalogs show it: the answers before any probe.

Owns types, constraints, triggers and lost defaults of tables that are written. Each
OK_IF carries its predicate in words; `predicates` gives those that are plain SQL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bluegreen.compat.catalog import shown
from bluegreen.compat.rules import apply as laws
from bluegreen.compat.rules.conversions import cast_example
from bluegreen.compat.rules.suspicions import say, suspicions
from bluegreen.compat.rules.types import FITS, carry
from bluegreen.compat.stream import Stream
from bluegreen.compat.verdict import Answer, Verdict
from bluegreen.postgres.catalog.columns import Column
from bluegreen.postgres.catalog.constraints import Constraint
from bluegreen.postgres.catalog.indexes import Index
from bluegreen.postgres.catalog.relations import Relation


def conditions(stream: Stream) -> Iterator[Verdict]:
    """All that a probe would have to look at, and what needs no look to be wrong."""
    if stream.publication is None:
        return
    for sent in stream.publication.relations.values():
        decided = laws.fate(stream, sent)
        source = stream.sender.relations.get(sent.name)
        if isinstance(decided, laws.Writes) and source is not None:
            yield from _columns(stream, source, decided)
            yield from _constraints(stream, source, decided)
            yield from _indexes(stream, source, decided)
            yield from _triggers(stream, source, decided)
            yield from _whole_row(stream, decided)
            yield from suspicions(stream, source, decided)
    yield from _truncates(stream)


def _columns(
    stream: Stream, source: Relation, decided: laws.Writes
) -> Iterator[Verdict]:
    for column in decided.target.columns:
        where = f"{source.full_name}.{column.name}"
        sent = source.column(column.name) if column.name in decided.columns else None
        if sent is None:
            yield from _own_column(stream, column, where)
            continue
        carried = carry(
            stream.sender, sent, stream.receiver, column, binary=stream.binary
        )
        if carried is not FITS:
            yield say(
                stream,
                carried.answer,
                carried.rule,
                where,
                carried.why,
                carried.predicate,
            )
        yield from _cast(stream, sent, column, where)
        if column.not_null and not sent.not_null:
            text = f"{where} is NOT NULL on the receiving side only"
            yield say(
                stream, Answer.OK_IF, "constraint", where, text, "no NULL is sent"
            )


def _cast(
    stream: Stream, sent: Column, column: Column, where: str
) -> Iterator[Verdict]:
    """A type whose text reads as another value than the migration's cast makes."""
    example = cast_example(stream, sent, column)
    if example is not None:
        value, reads, cast = example
        text = (
            f"{sent.full_type} arrives in {column.full_type}: a cast makes {cast!r} "
            f"of {value!r}, and its text reads as {reads!r}"
        )
        needs = "no value is one that a cast makes otherwise than its text reads"
        yield say(stream, Answer.OK_IF, "type-changes-value", where, text, needs)


def _own_column(stream: Stream, column: Column, where: str) -> Iterator[Verdict]:
    if column.not_null and not column.fills_itself:
        text = f"{where} is NOT NULL, is not sent, and has no default"
        yield say(stream, Answer.BREAK, "no-default", where, text)
    if column.generated:
        text = f"{where} is computed from what is sent"
        yield say(
            stream,
            Answer.OK_IF,
            "expression-fails",
            where,
            text,
            "no row makes it fail",
        )


def _constraints(
    stream: Stream, source: Relation, decided: laws.Writes
) -> Iterator[Verdict]:
    theirs = {c.definition for c in source.constraints}
    for constraint in decided.target.constraints:
        if constraint.definition in theirs or not constraint.enforced:
            continue
        where = f"{decided.target.full_name}.{constraint.name}"
        if constraint.kind == "f" and not constraint.of_partition:
            text = f"apply does not look at foreign key {constraint.name}"
            needs = "no row that is sent lacks its parent"
            yield say(stream, Answer.OK_IF, "foreign-key", where, text, needs)
        elif constraint.kind == "c":
            text = f"check {constraint.name} is on the receiving side only"
            needs = f"every row fits {constraint.definition}"
            yield say(stream, Answer.OK_IF, "constraint", where, text, needs)


def _indexes(
    stream: Stream, source: Relation, decided: laws.Writes
) -> Iterator[Verdict]:
    theirs = {_shape(index) for index in source.indexes}
    for index in decided.target.indexes:
        where = f"{decided.target.full_name}.{index.name}"
        own = {c for c in index.columns if c} - set(decided.columns)
        if (
            (index.unique or index.exclusion)
            and _shape(index) not in theirs
            and not own
        ):
            text = f"{index.name} allows no two rows alike, on the receiving side only"
            needs = "no two rows are alike in it, nor in the middle of a statement"
            yield say(stream, Answer.OK_IF, "constraint", where, text, needs)
        elif "" in index.columns and _shape(index) not in theirs:
            text = f"{index.name} computes an expression of each row"
            needs = "no row makes it fail"
            yield say(stream, Answer.OK_IF, "expression-fails", where, text, needs)


_METHOD = re.compile(r" USING .*", re.DOTALL)


def _shape(index: Index) -> tuple[object, ...]:
    """An index without its name: what it holds and how."""
    found = _METHOD.search(index.definition)
    return (index.unique, index.exclusion, index.columns, found[0] if found else "")


def _triggers(
    stream: Stream, source: Relation, decided: laws.Writes
) -> Iterator[Verdict]:
    theirs = {(t.name, t.enabled, t.body) for t in source.triggers}
    own = {c.name for c in decided.target.columns} - set(decided.columns)
    for trigger in decided.target.triggers:
        where = f"{decided.target.full_name}.{trigger.name}"
        if (trigger.name, trigger.enabled, trigger.body) in theirs:
            continue
        if trigger.fires_on_apply and trigger.row:
            text = f"trigger {trigger.name} fires on apply"
            needs = (
                "a probe shows that it neither raises, drops nor changes what is sent"
            )
            yield say(stream, Answer.OK_IF, "trigger", where, text, needs)
        elif trigger.enabled == "O" and _assigns(trigger.body, own):
            text = f"trigger {trigger.name} fills a column and does not fire on apply"
            yield say(stream, Answer.SILENT, "derived-stale", where, text)


def _assigns(body: str, columns: set[str]) -> bool:
    """Whether a plpgsql body assigns one of the columns of NEW."""
    found = re.findall(r"\bnew\s*\.\s*\"?(\w+)\"?\s*:=", body, re.IGNORECASE)
    return bool(columns & {name.lower() for name in found})


def _whole_row(stream: Stream, decided: laws.Writes) -> Iterator[Verdict]:
    if not isinstance(decided.finding, laws.WholeRow):
        return
    where = decided.target.full_name
    for column in decided.target.columns:
        if column.name not in decided.columns and not column.generated:
            answer = Answer.SILENT if column.fills_itself else Answer.OK_IF
            text = f"rows of {where} are found whole, and {column.name} is not sent"
            needs = f"{column.name} is NULL in every row"
            yield say(stream, answer, "whole-row-lost", where, text, needs)
        elif column.plain_type in {"json", "xml", "point"}:
            text = f"{column.name} of {where} cannot be compared"
            yield say(stream, Answer.BREAK, "no-equality", where, text)


def _truncates(stream: Stream) -> Iterator[Verdict]:
    """Law 11: foreign keys of the receiver's own into tables that are sent."""
    assert stream.publication is not None
    listed = stream.publication.relations
    for relation in stream.receiver.relations.values():
        for key in relation.constraints:
            if key.kind != "f" or key.other is None or key.other not in listed:
                continue
            if not _shared(stream, relation, key):
                where = relation.full_name
                text = (
                    f"TRUNCATE of {shown(key.other)} fails while {where} refers to it"
                )
                needs = f"{shown(key.other)} is never truncated"
                yield say(stream, Answer.OK_IF, "truncate", where, text, needs)


def _shared(stream: Stream, relation: Relation, key: Constraint) -> bool:
    twin = stream.sender.relations.get(relation.qualified)
    return twin is not None and any(
        c.definition == key.definition for c in twin.constraints
    )

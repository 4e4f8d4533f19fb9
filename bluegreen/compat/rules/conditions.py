"""What data decide, as far as two catalogs show it: the answers before any probe.

Owns types, constraints, triggers and lost defaults of tables that are written. Each
OK_IF carries its predicate in words; `predicates` gives those that are plain SQL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bluegreen.compat.catalog import Column, Constraint, Index, Relation, shown
from bluegreen.compat.rules import apply as laws
from bluegreen.compat.rules.rule import RULES
from bluegreen.compat.rules.suspicions import suspicions
from bluegreen.compat.rules.types import FITS, carry
from bluegreen.compat.stream import Channel
from bluegreen.compat.verdict import Answer, Verdict


def conditions(channel: Channel) -> Iterator[Verdict]:
    """All that a probe would have to look at, and what needs no look to be wrong."""
    if channel.publication is None:
        return
    for sent in channel.publication.relations.values():
        decided = laws.fate(channel, sent)
        source = channel.sender.relations.get(sent.name)
        if isinstance(decided, laws.Writes) and source is not None:
            yield from _columns(channel, source, decided)
            yield from _constraints(channel, source, decided)
            yield from _indexes(channel, source, decided)
            yield from _triggers(channel, source, decided)
            yield from _whole_row(channel, decided)
            yield from suspicions(channel, source, decided)
    yield from _truncates(channel)


def _say(
    channel: Channel, answer: Answer, rule: str, where: str, why: str, needs: str = ""
) -> Verdict:
    mend = needs or RULES[rule].mend
    return Verdict(answer, channel.direction, rule, where, why, mend)


def _columns(
    channel: Channel, source: Relation, decided: laws.Writes
) -> Iterator[Verdict]:
    for column in decided.target.columns:
        where = f"{shown(source.name)}.{column.name}"
        sent = source.column(column.name) if column.name in decided.columns else None
        if sent is None:
            yield from _own_column(channel, column, where)
            continue
        carried = carry(
            channel.sender, sent, channel.receiver, column, binary=channel.binary
        )
        if carried is not FITS:
            yield _say(
                channel,
                carried.answer,
                carried.rule,
                where,
                carried.why,
                carried.predicate,
            )
        if column.not_null and not sent.not_null:
            text = f"{where} is NOT NULL on the receiving side only"
            yield _say(
                channel, Answer.OK_IF, "constraint", where, text, "no NULL is sent"
            )


def _own_column(channel: Channel, column: Column, where: str) -> Iterator[Verdict]:
    if column.not_null and not column.fills_itself:
        text = f"{where} is NOT NULL, is not sent, and has no default"
        yield _say(channel, Answer.BREAK, "no-default", where, text)
    if column.generated:
        text = f"{where} is computed from what is sent"
        yield _say(
            channel,
            Answer.OK_IF,
            "expression-fails",
            where,
            text,
            "no row makes it fail",
        )


def _constraints(
    channel: Channel, source: Relation, decided: laws.Writes
) -> Iterator[Verdict]:
    theirs = {c.definition for c in source.constraints}
    for constraint in decided.target.constraints:
        if constraint.definition in theirs or not constraint.enforced:
            continue
        where = f"{shown(decided.target.name)}.{constraint.name}"
        if constraint.kind == "f":
            text = f"apply does not look at foreign key {constraint.name}"
            needs = "no row that is sent lacks its parent"
            yield _say(channel, Answer.OK_IF, "foreign-key", where, text, needs)
        elif constraint.kind == "c":
            text = f"check {constraint.name} is on the receiving side only"
            needs = f"every row fits {constraint.definition}"
            yield _say(channel, Answer.OK_IF, "constraint", where, text, needs)


def _indexes(
    channel: Channel, source: Relation, decided: laws.Writes
) -> Iterator[Verdict]:
    theirs = {_shape(index) for index in source.indexes}
    for index in decided.target.indexes:
        where = f"{shown(decided.target.name)}.{index.name}"
        own = {c for c in index.columns if c} - set(decided.columns)
        if (
            (index.unique or index.exclusion)
            and _shape(index) not in theirs
            and not own
        ):
            text = f"{index.name} allows no two rows alike, on the receiving side only"
            needs = "no two rows are alike in it, nor in the middle of a statement"
            yield _say(channel, Answer.OK_IF, "constraint", where, text, needs)
        elif None in index.columns and _shape(index) not in theirs:
            text = f"{index.name} computes an expression of each row"
            needs = "no row makes it fail"
            yield _say(channel, Answer.OK_IF, "expression-fails", where, text, needs)


_METHOD = re.compile(r" USING .*", re.DOTALL)


def _shape(index: Index) -> tuple[object, ...]:
    """An index without its name: what it holds and how."""
    found = _METHOD.search(index.definition)
    return (index.unique, index.exclusion, index.columns, found[0] if found else "")


def _triggers(
    channel: Channel, source: Relation, decided: laws.Writes
) -> Iterator[Verdict]:
    theirs = {(t.name, t.enabled, t.body) for t in source.triggers}
    own = {c.name for c in decided.target.columns} - set(decided.columns)
    for trigger in decided.target.triggers:
        where = f"{shown(decided.target.name)}.{trigger.name}"
        if (trigger.name, trigger.enabled, trigger.body) in theirs:
            continue
        if trigger.fires_on_apply and trigger.row:
            text = f"trigger {trigger.name} fires on apply"
            needs = (
                "a probe shows that it neither raises, drops nor changes what is sent"
            )
            yield _say(channel, Answer.OK_IF, "trigger", where, text, needs)
        elif trigger.enabled == "O" and _assigns(trigger.body, own):
            text = f"trigger {trigger.name} fills a column and does not fire on apply"
            yield _say(channel, Answer.SILENT, "derived-stale", where, text)


def _assigns(body: str, columns: set[str]) -> bool:
    """Whether a plpgsql body assigns one of the columns of NEW."""
    found = re.findall(r"\bnew\s*\.\s*\"?(\w+)\"?\s*:=", body, re.IGNORECASE)
    return bool(columns & {name.lower() for name in found})


def _whole_row(channel: Channel, decided: laws.Writes) -> Iterator[Verdict]:
    if not isinstance(decided.finding, laws.WholeRow):
        return
    where = shown(decided.target.name)
    for column in decided.target.columns:
        if column.name not in decided.columns and not column.generated:
            answer = Answer.SILENT if column.fills_itself else Answer.OK_IF
            text = f"rows of {where} are found whole, and {column.name} is not sent"
            needs = f"{column.name} is NULL in every row"
            yield _say(channel, answer, "whole-row-lost", where, text, needs)
        elif column.type in {"json", "xml", "point"}:
            text = f"{column.name} of {where} cannot be compared"
            yield _say(channel, Answer.BREAK, "no-equality", where, text)


def _truncates(channel: Channel) -> Iterator[Verdict]:
    """Law 11: foreign keys of the receiver's own into tables that are sent."""
    assert channel.publication is not None
    listed = channel.publication.relations
    for relation in channel.receiver.relations.values():
        for key in relation.constraints:
            if key.kind != "f" or key.other is None or key.other not in listed:
                continue
            if not _shared(channel, relation, key):
                where = shown(relation.name)
                text = (
                    f"TRUNCATE of {shown(key.other)} fails while {where} refers to it"
                )
                needs = f"{shown(key.other)} is never truncated"
                yield _say(channel, Answer.OK_IF, "truncate", where, text, needs)


def _shared(channel: Channel, relation: Relation, key: Constraint) -> bool:
    twin = channel.sender.relations.get(relation.name)
    return twin is not None and any(
        c.definition == key.definition for c in twin.constraints
    )

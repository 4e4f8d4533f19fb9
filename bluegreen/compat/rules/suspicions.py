"""What catalogs make likely and only data or a person can settle.

Owns the differences that no law forbids and that have cost data all the same: a name
that now means another column, rows that the migration itself rounded, partitions of
one side only, columns that one side computes and does not send.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bluegreen.compat.catalog import Catalog
from bluegreen.compat.rules import apply as laws
from bluegreen.compat.rules.rule import RULES
from bluegreen.compat.rules.types import carry
from bluegreen.compat.stream import Stream
from bluegreen.compat.verdict import Answer, Direction, Verdict
from bluegreen.postgres.catalog.relations import Relation
from bluegreen.postgres.catalog.scope import Name

_USERS_CALL = re.compile(r"\"?\w+\"?\.\"?\w+\"?\(")


def suspicions(
    stream: Stream, source: Relation, decided: laws.Writes
) -> Iterator[Verdict]:
    """All that is likely to be wrong with one table and that probes would settle."""
    yield from _reused(stream, source, decided)
    yield from _computed(stream, source, decided)
    yield from _partitions(stream, source, decided)
    yield from _calls(stream, decided)
    if stream.direction is Direction.REVERSE:
        yield from _rounded(stream, source, decided)
        yield from _replica_only(stream, source)


def say(
    stream: Stream, answer: Answer, rule: str, where: str, why: str, needs: str = ""
) -> Verdict:
    """A verdict on one direction; what it needs is the rule's own fix if left out."""
    fix = needs or RULES[rule].fix
    return Verdict(answer, stream.direction, rule, where, why, fix)


def _reused(
    stream: Stream, source: Relation, decided: laws.Writes
) -> Iterator[Verdict]:
    """Row 10: a name re-added or swapped shows in the order of the columns."""
    shared = [c.name for c in source.columns if c.name in decided.columns]
    there = [c.name for c in decided.target.columns if c.name in shared]
    if shared != there:
        where = source.full_name
        text = f"the columns of {where} stand in another order on each side"
        needs = "each name means the same column on both sides"
        yield say(stream, Answer.OK_IF, "name-reused", where, text, needs)


def _computed(
    stream: Stream, source: Relation, decided: laws.Writes
) -> Iterator[Verdict]:
    """Row 12: the sender computes and does not send, the receiver only stores."""
    for column in source.columns:
        other = decided.target.column(column.name)
        sent = column.name in decided.columns
        if column.generated and not sent and other and not other.generated:
            where = f"{source.full_name}.{column.name}"
            text = f"{where} is computed by the side that sends, and so never sent"
            yield say(stream, Answer.SILENT, "column-generated", where, text)


def _leaves(catalog: Catalog, root: Name) -> set[Name]:
    return {name for name, r in catalog.relations.items() if root in r.parents}


def _partitions(
    stream: Stream, source: Relation, decided: laws.Writes
) -> Iterator[Verdict]:
    target = decided.target
    if target.kind != "partitioned":
        return
    leaves = _leaves(stream.sender, source.qualified)
    if leaves != _leaves(stream.receiver, target.qualified):
        where = target.full_name
        text = f"{where} has other partitions on each side"
        needs = "every row that is sent has a partition"
        yield say(stream, Answer.OK_IF, "partition-missing", where, text, needs)


def _calls(stream: Stream, decided: laws.Writes) -> Iterator[Verdict]:
    """Law 6: a default of the receiver's own may call a function that finds nothing."""
    for column in decided.target.columns:
        sent = column.name in decided.columns or column.generated
        if not sent and _USERS_CALL.search(column.default):
            where = f"{decided.target.full_name}.{column.name}"
            text = f"the default of {where} calls a function of yours"
            needs = "the function finds all it names on an empty search_path"
            yield say(stream, Answer.OK_IF, "unqualified", where, text, needs)


def _rounded(
    stream: Stream, source: Relation, decided: laws.Writes
) -> Iterator[Verdict]:
    """Row 65: values that the migration changed in place are never sent back."""
    for name in decided.columns:
        now, was = source.column(name), decided.target.column(name)
        if now is None or was is None:
            continue
        back = carry(stream.receiver, was, stream.sender, now)
        if back.answer in {Answer.SILENT, Answer.BREAK}:
            where = f"{source.full_name}.{name}"
            text = f"the migration may have changed values of {where}"
            needs = "the migration changed no value"
            yield say(stream, Answer.OK_IF, "rows-differ", where, text, needs)


def _replica_only(stream: Stream, source: Relation) -> Iterator[Verdict]:
    """Row 9b: ENABLE REPLICA does not fire for the application's own writes."""
    for trigger in source.triggers:
        if trigger.enabled == "R" and trigger.row:
            where = f"{source.full_name}.{trigger.name}"
            text = f"trigger {trigger.name} does not fire for the application"
            needs = "the application writes every column that is sent"
            yield say(stream, Answer.OK_IF, "derived-stale", where, text, needs)

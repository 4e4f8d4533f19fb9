"""The analysis: two catalogs, and what probes saw, to verdicts. Pure.

Owns which verdicts there are and how catalogs and probes weigh against each other: a
catalog decides names, keys, relation sets and rights; where it says that the data
decide, probes do; where nothing was probed, the answer stays OK_IF.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from bluegreen.compat.catalog import Published, shown
from bluegreen.compat.rules import apply as laws
from bluegreen.compat.rules.conditions import conditions
from bluegreen.compat.rules.rule import RULES
from bluegreen.compat.seen import Difference, Seen
from bluegreen.compat.stream import Stream, sent_key
from bluegreen.compat.verdict import Answer, Direction, Verdict
from bluegreen.model.bookkeeping import BOOKKEEPING
from bluegreen.postgres.catalog.relations import Relation
from bluegreen.postgres.catalog.scope import Name


def judge(
    stream: Stream,
    seen: Seen | None = None,
    read: Sequence[Verdict] = (),
    declared: Collection[Name] = (),
    carried: Collection[str] = (),
) -> list[Verdict]:
    """Say what stands against this channel, worst first.

    Args:
        stream: who sends what to whom.
        seen: what a rehearsal on data brought up; None leaves conditions open.
        read: what the migration's text said. Catalogs overrule it, but for data:
            that it changes rows shows in no catalog, only in its text or in rows.
        declared: tables that a person has left out.
        carried: columns, `schema.table.column`, whose data other columns carry, by
            triggers that keep both in step.
    """
    if stream.publication is None:
        text = "the sending server refuses the publication"
        return [_verdict(stream, Answer.BREAK, "publication-refused", "", text)]
    found = [
        *_at_subscribing(stream),
        *_relations(stream, seen, declared, carried),
    ]
    if seen is None:
        found += _refused_writes(stream)
        found += conditions(stream)
        found += (v for v in read if _of_data(stream, v))
    else:
        found += _from_probes(stream, seen)
    kept = {v for v in found if v.rule not in _KEPT or v.where not in carried}
    return sorted(kept, key=lambda v: (-v.answer.rank, v.where, v.rule, v.why))


_GENERATED_IN_KEY = 18
"""From this major REPLICA IDENTITY FULL refuses writes of a table whose generated
columns are not sent (measured: `tn_pk_id_only_ri_full`)."""

_KEPT = {"column-generated", "derived-stale", "no-default"}
"""What a trigger that carries a column sees to."""


_ENDS_ITS_TRANSACTION = "2D000"
"""A procedure that rolls back by itself cannot be rehearsed."""


def _of_data(stream: Stream, verdict: Verdict) -> bool:
    rules = {"rows-differ", "derived-stale", "time-zone", "name-reused"}
    return verdict.direction is stream.direction and verdict.rule in rules


def _verdict(
    stream: Stream,
    answer: Answer,
    rule: str,
    where: str,
    why: str,
    statement: int | None = None,
) -> Verdict:
    fix = RULES[rule].fix
    return Verdict(answer, stream.direction, rule, where, why, fix, statement)


def _published(stream: Stream) -> list[Published]:
    return list(stream.publication.relations.values()) if stream.publication else []


def _at_subscribing(stream: Stream) -> Iterator[Verdict]:
    """Law 2: a subscription made now is refused for a table that is not there."""
    if stream.known is not None:
        return
    for sent in _published(stream):
        decided = laws.fate(stream, sent)
        early = {"table-missing", "table-is-a-view"}
        if isinstance(decided, laws.Stops) and decided.rule in early:
            yield _stop(stream, decided, sent.name)


def _stop(stream: Stream, stop: laws.Stops, name: Name) -> Verdict:
    return _verdict(stream, Answer.BREAK, stop.rule, shown(name), stop.why)


def _relations(
    stream: Stream,
    seen: Seen | None,
    declared: Collection[Name],
    carried: Collection[str],
) -> Iterator[Verdict]:
    for sent in _published(stream):
        if _busy(stream, sent.name, seen):
            yield from _one_published(stream, sent, seen)
            yield from _left_out(stream, sent, carried)
    for relation in stream.sender.relations.values():
        if relation.kind == "table" and stream.published_as(relation) is None:
            yield from _unpublished(stream, relation, seen, declared)


def _refused_writes(stream: Stream) -> Iterator[Verdict]:
    """Law 10: the sender's own UPDATE and DELETE of a table without a usable key."""
    if stream.publication is None:
        return
    if not stream.publication.actions & {"update", "delete"}:
        return
    for relation in stream.sender.relations.values():
        sent = stream.published_as(relation)
        if sent is None or relation.kind != "table":
            continue
        where = relation.full_name
        key = sent_key(relation)
        whole = stream.sender.major >= _GENERATED_IN_KEY
        stored = {c.name for c in relation.columns if whole or not c.generated}
        wanted = stored if key is None else key
        if key is not None and not key:
            text = f"UPDATE and DELETE of {where} fail: it has no replica identity"
            yield _verdict(stream, Answer.APP, "refused-write", where, text)
        elif not wanted <= set(sent.columns) and sent.name == relation.qualified:
            text = f"UPDATE and DELETE of {where} fail: a column of its key is not sent"
            yield _verdict(stream, Answer.APP, "refused-write", where, text)


def _busy(stream: Stream, name: Name, seen: Seen | None) -> bool:
    """Whether rows of a published table move; without probes every table is busy."""
    if seen is None or name in seen.copied or name in seen.touched:
        return True
    tables = stream.sender.relations
    return any(name in tables[t].parents for t in seen.touched if t in tables)


def _one_published(
    stream: Stream, sent: Published, seen: Seen | None
) -> Iterator[Verdict]:
    where = shown(sent.name)
    if sent.row_filter and seen is None:
        text = f"{where} is published with a row filter: rows outside it do not travel"
        yield _verdict(stream, Answer.UNKNOWN, "row-filter", where, text)
    decided = laws.fate(stream, sent)
    if isinstance(decided, laws.Stops):
        yield _stop(stream, decided, sent.name)
    elif isinstance(decided, laws.Skips):
        yield _verdict(stream, Answer.SILENT, decided.rule, where, decided.why)
    else:
        yield from _writes(stream, sent, decided, seen)


def _writes(
    stream: Stream, sent: Published, decided: laws.Writes, seen: Seen | None
) -> Iterator[Verdict]:
    where = shown(sent.name)
    finding = decided.finding
    if seen is None and isinstance(finding, laws.Stops):
        yield _stop(stream, finding, sent.name)
    if seen is None and isinstance(finding, laws.Skips):
        yield _verdict(stream, Answer.SILENT, finding.rule, where, finding.why)
    if stream.direction is Direction.COPY:
        for trigger in decided.target.triggers:
            if trigger.fires_on_apply and not trigger.row and trigger.on_insert:
                text = f"the copy fires statement trigger {trigger.name} of {where}"
                rule = "statement-trigger-on-copy"
                yield _verdict(stream, Answer.SILENT, rule, where, text)


def _left_out(
    stream: Stream, sent: Published, carried: Collection[str]
) -> Iterator[Verdict]:
    source = stream.sender.relations.get(sent.name)
    stored = [c.name for c in source.columns if not c.generated] if source else []
    where = shown(sent.name)
    missing = [
        name
        for name in stored
        if name not in sent.columns and f"{where}.{name}" not in carried
    ]
    if missing:
        text = f"{', '.join(missing)} of {where} is not sent"
        left = _verdict(stream, Answer.LOSSY, "column-left-out", where, text)
        twin = stream.receiver.relations.get(sent.name)
        there = {column.name for column in twin.columns} if twin else set()
        lacking = tuple(f"{where}.{name}" for name in missing if name not in there)
        yield replace(left, lacking=lacking)


def _unpublished(
    stream: Stream,
    relation: Relation,
    seen: Seen | None,
    declared: Collection[Name],
) -> Iterator[Verdict]:
    if relation.name in BOOKKEEPING or relation.qualified in declared:
        return
    where = relation.full_name
    twin = stream.receiver.relations.get(relation.qualified)
    if twin is not None and relation.persistence == twin.persistence == "u":
        text = f"{where} is unlogged on both sides, so its rows stay where they are"
        yield _verdict(stream, Answer.LOSSY, "table-left-out", where, text)
    elif twin is None:
        yield _lacking(stream, relation)
    elif seen is None or relation.qualified in seen.touched:
        text = f"{where} is on both sides but its changes are not published"
        yield _verdict(stream, Answer.SILENT, "table-not-published", where, text)


def _lacking(stream: Stream, relation: Relation) -> Verdict:
    """A table that the receiver does not have at all."""
    where = relation.full_name
    parents = [p for p in relation.parents if p in stream.receiver.relations]
    if parents:
        parent = shown(parents[0])
        text = f"{where} is a partition of {parent} that the other side lacks"
        left = _verdict(stream, Answer.LOSSY, "partition-left-behind", where, text)
    else:
        text = f"{where} is not published, so its rows stay where they are written"
        left = _verdict(stream, Answer.LOSSY, "table-left-out", where, text)
    forward = stream.direction is not Direction.REVERSE
    return (
        left
        if forward and relation.persistence == "u"
        else replace(left, lacking=(where,))
    )


def _from_probes(stream: Stream, seen: Seen) -> Iterator[Verdict]:
    for refused in seen.refused:
        if refused.sqlstate == _ENDS_ITS_TRANSACTION:
            text = f"write {refused.write + 1} ends a transaction by itself"
            yield _verdict(stream, Answer.UNKNOWN, "cannot-tell", "", text)
            continue
        text = f"write {refused.write + 1} fails: {refused.message}"
        yield _verdict(stream, Answer.APP, "refused-write", "", text)
    if seen.stopped:
        stop = seen.stopped
        yield _verdict(stream, Answer.BREAK, stop.rule, shown(stop.table), stop.message)
    apart = {difference.table for difference in seen.differences}
    for change in seen.missed:
        if change.table not in apart:
            continue
        where = shown(change.table)
        text = f"{change.kind} of {where} finds no row on the receiving side"
        yield _verdict(stream, Answer.SILENT, "whole-row-lost", where, text)
    for difference in (*seen.existing, *seen.differences):
        yield _difference(stream, difference)
    for harm in seen.harms:
        where = ".".join(part for part in harm.table if part)
        yield _verdict(
            stream, Answer.SILENT, harm.rule, where, harm.why, harm.statement
        )


def _difference(stream: Stream, found: Difference) -> Verdict:
    where = shown(found.table)
    if found.column:
        where = f"{where}.{found.column}"
        text = (
            f"{where} is {found.sent!r} on one side and {found.stored!r} on the other"
        )
    else:
        side = "receiving" if found.stored is None else "sending"
        text = f"the {side} side of {where} lacks the row with {found.key}"
    return _verdict(stream, Answer.SILENT, "rows-differ", where, text)

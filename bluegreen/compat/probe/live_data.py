"""Looks at live data for `compat`: questions, samples and trial writes.

Owns the order of the looks, their limits, and what each says of a verdict. It changes
nothing; the transaction of a trial write is rolled back. What there is to ask is for
`compat`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import psycopg

from bluegreen.compat.catalog import shown
from bluegreen.compat.probe.filled import left_behind
from bluegreen.compat.probe.limits import Limits
from bluegreen.compat.probe.predicates import Asked, ask
from bluegreen.compat.probe.sample import Sampled, differences, differing, take_sample
from bluegreen.compat.probe.trial_write import Flown, fly
from bluegreen.compat.rules.predicates import (
    Predicate,
    predicates,
    settle,
    settle_zones,
)
from bluegreen.compat.rules.rule import RULES
from bluegreen.compat.seen import Difference, Harm
from bluegreen.compat.stream import Stream as Way
from bluegreen.compat.verdict import Answer, Verdict
from bluegreen.postgres.catalog.scope import Name
from bluegreen.postgres.database import Database

LOCK_TIMEOUT_MS = 500
"""A trial write that waits for a lock is given up rather than hold up apply."""

_OPENED = frozenset(
    {"trigger", "expression-fails", "unqualified", "partition-missing", "domain"}
)
"""Conditions that a row which went in and out says something of."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What data said.

    Attributes:
        asked: each question and its answer.
        compared: how many rows of each table were held against the other side's.
        differing: rows that are not the same on both sides.
        flown: what came of the trial writes.
        left: columns that a migration filled and no stream sends.
    """

    asked: tuple[tuple[Predicate, Asked], ...] = ()
    compared: Mapping[Name, int] = field(default_factory=dict)
    differing: tuple[Difference, ...] = ()
    flown: Flown = field(default_factory=Flown)
    left: tuple[Harm, ...] = ()


def check_data(
    sender: Database,
    receiver: Database,
    way: Way,
    limits: Limits,
    catch_up: Callable[[], object] = lambda: None,
) -> Looked:
    """Ask, compare and try. Changes nothing.

    `catch_up` returns once the receiver has what the sender had committed.

    Raises:
        SqlError: a table could not be read.
        ServerGoneError: a connection broke.
    """
    with ExitStack() as stack:
        one, two = (
            stack.enter_context(_limited(database, limits))
            for database in (sender, receiver)
        )
        for database in (sender, receiver):
            stack.enter_context(database.translated())
        asked = [(p, ask(two if p.of_receiver else one, p)) for p in predicates(way)]
        if not limits.samples:
            return Looked(tuple(asked))
        apart_made = differing(way)
        chosen = _chosen(way, apart_made, limits)
        samples = take_sample(one, way, chosen, limits.spared)
        filled = [s for s in samples if s.rows]
        apart = [d for s in filled for d in differences(one, two, way, s, catch_up)]
        tried = [s for s in samples if s.name in apart_made and s.whole]
        alike = _alike(tried, apart)
        flown = fly(one, two, way, alike) if limits.trial_writes else Flown()
        left = tuple(left_behind(two, way, limits.spared)) if limits.fills else ()
    compared = {s.name: len(s.rows) for s in samples if s.rows}
    return Looked(tuple(asked), compared, tuple(apart), flown, left)


def _limited(database: Database, limits: Limits) -> psycopg.Connection:
    each = str(int(limits.each.total_seconds() * 1000))
    return database.connect(statement_timeout=each, lock_timeout=str(LOCK_TIMEOUT_MS))


def _chosen(way: Way, apart: Sequence[Name], limits: Limits) -> list[Name]:
    """Tables that are made otherwise first; the rest where a migration ran."""
    rest = [n for n in way.sender.relations if n not in set(apart)]
    return [*apart, *rest[: limits.alike]]


def _alike(
    samples: Sequence[Sampled], apart: Sequence[Difference]
) -> dict[Name, Sampled]:
    differing = {difference.table for difference in apart}
    return {s.name: s for s in samples if s.name not in differing}


def weigh(way: Way, verdicts: Iterable[Verdict], looked: Looked) -> list[Verdict]:
    """Put what data said into the verdicts, worst first. Pure."""
    counts = {predicate: asked.count for predicate, asked in looked.asked}
    settled = settle_zones(way, settle(verdicts, counts))
    found = [_opened(v, looked) for v in settled]
    found += _by_rows(way, looked)
    found += _left(way, looked, {v.where for v in found if v.rule == "derived-stale"})
    return sorted(set(found), key=lambda v: (-v.answer.rank, v.where, v.rule, v.why))


def _opened(verdict: Verdict, looked: Looked) -> Verdict:
    """Add what trial writes and samples say to a condition that is still open."""
    if verdict.answer is not Answer.OK_IF or verdict.found:
        return verdict
    if verdict.rule in _OPENED:
        count = sum(n for t, n in looked.flown.rows.items() if _is_of(verdict, t))
        rows = "a row" if count == 1 else f"{count} rows"
        found = f"{rows} went in and came out, rolled back" if count else ""
    elif verdict.rule in {"name-reused", "rows-differ"}:
        count = sum(n for t, n in looked.compared.items() if _is_of(verdict, t))
        found = f"{count} rows of either end are alike on both sides" if count else ""
    else:
        found = ""
    return replace(verdict, found=found)


def _is_of(verdict: Verdict, name: Name) -> bool:
    """Whether a verdict is about this table; one about none is about all."""
    table = shown(name)
    return verdict.where in {"", table} or verdict.where.startswith(f"{table}.")


def _by_rows(way: Way, looked: Looked) -> Iterator[Verdict]:
    for stop in looked.flown.stopped:
        why = f"a row of now does not go in: {stop.message}"
        yield _verdict(way, Answer.BREAK, stop.rule, stop.table, why)
    for change in looked.flown.missed:
        why = f"{change.kind} of {shown(change.table)} finds no row over there"
        yield _verdict(way, Answer.SILENT, "whole-row-lost", change.table, why)
    for rule, several in (
        ("rows-differ", looked.differing),
        ("trigger", looked.flown.changed),
    ):
        for table, places in _by_table(several).items():
            yield _verdict(way, Answer.SILENT, rule, table, _say(places))


def _left(way: Way, looked: Looked, told: set[str]) -> Iterator[Verdict]:
    """What the text has told of is not told twice."""
    for harm in looked.left:
        if shown(harm.table) not in told:
            yield _verdict(way, Answer.SILENT, harm.rule, harm.table, harm.why)


def _by_table(several: Iterable[Difference]) -> dict[Name, list[Difference]]:
    found: dict[Name, list[Difference]] = {}
    for one in several:
        found.setdefault(one.table, []).append(one)
    return found


def _say(places: Sequence[Difference]) -> str:
    """`note of id=7 is 'a' on one side and 'b' on the other, and 3 more`."""
    first = places[0]
    more = f", and {len(places) - 1} more" if len(places) > 1 else ""
    if not first.column:
        side = "receiving" if first.stored is None else "sending"
        return f"the {side} side lacks the row with {first.key}{more}"
    sent, stored = (_short(text) for text in (first.sent, first.stored))
    return (
        f"{first.column} of {first.key} is {sent} on the side that sends and {stored} "
        f"on the other{more}"
    )


def _short(text: str | None) -> str:
    if text is None:
        return "NULL"
    return repr(text if len(text) <= 40 else f"{text[:39]}…")


def _verdict(way: Way, answer: Answer, rule: str, table: Name, why: str) -> Verdict:
    return Verdict(answer, way.direction, rule, shown(table), why, RULES[rule].fix)

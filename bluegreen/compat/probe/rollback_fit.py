"""Whether blue could take over now: what on green would not fit it, row by row.

Owns the look. The stream from green to blue is itself the proof for every row that it
has applied, so as long as blue keeps up only what the stream cannot tell is asked:
parents that blue would miss, and what blue does not carry at all. Once it stands
still, each condition is asked of green's rows, to name those that stopped it. What the
answers mean is in `compat/rollback_fit.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta

import psycopg
from psycopg import sql

from bluegreen.compat.probe.directions import read_directions
from bluegreen.compat.probe.predicates import ask
from bluegreen.compat.rollback_fit import (
    MOST_COUNTED,
    Behind,
    Fitting,
    Loss,
    Misfit,
    Stream,
)
from bluegreen.compat.rules.analyse import judge
from bluegreen.compat.rules.predicates import Predicate, predicates
from bluegreen.compat.stream import Stream as Way
from bluegreen.compat.verdict import Answer, Direction, Verdict
from bluegreen.model.accept import fits
from bluegreen.model.clock import Clock, SystemClock
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.relations import Relation
from bluegreen.postgres.database import Database
from bluegreen.postgres.quoting import quote_name
from bluegreen.postgres.replication.left_behind import (
    LeftBehind,
    count_rows,
    read_left_behind,
)
from bluegreen.postgres.replication.sequence_facts import read_ranges
from bluegreen.postgres.replication.sequence_ranges import compare_ranges
from bluegreen.postgres.replication.stream import ReplicationStream, read_subscription

LOOKS = 5
LOOKS_APART_S = 0.15
"""A worker that meets its row again fails within some ten milliseconds."""

LONGEST = timedelta(seconds=2)
"""One question may take this long; the answer is unknown then."""

PARTITION = "partition-left-behind"

_SHAPE = {Answer.BREAK, Answer.SILENT, Answer.APP, Answer.UNKNOWN}


def check_fit(
    blue: Database,
    green: Database,
    name: str,
    *,
    longest: timedelta = LONGEST,
    accept: Collection[str] = (),
    exclude: Collection[str] = (),
    known: Collection[str] | None = None,
) -> Fitting:
    """Look whether blue has and takes what was written on green. Changes nothing.

    Costs both catalogs, and for each table or column that blue does not carry one
    query that stops after 10,000 rows. While blue does not follow, each condition
    reads a table of green, for at most `longest`.

    Args:
        blue: the side that a rollback would bring back.
        green: the side that serves.
        name: the playbook's.
        longest: what one question may take.
        accept: names of losses that the playbook accepts, as its step `compat` has
            them.
        exclude: tables that the playbook leaves out of the stream.
        known: what green's schema had at the cutover, as schemas are remembered; None
            where nothing was. A table that blue lacks and that came later was declared
            by no migration.

    Raises:
        SqlError: a catalog could not be read.
        ServerGoneError: a connection broke.
    """
    way = read_directions(blue, green, name).reverse
    stream = steady(lambda: read_stream(blue, green, name))
    verdicts = judge(way)
    found = read_left_behind(green, blue, name)
    left = [one for one in found if _belongs(one) or _is_new(one, known)]
    left = [one for one in left if not {one.table, one.root} & set(exclude)]
    counted = count_rows(green, left, SystemClock(), MOST_COUNTED)
    behind = tuple(_behind(one, accept) for one in counted)
    with ExitStack() as stack:
        limit = str(int(longest.total_seconds() * 1000))
        own = stack.enter_context(green.connect(statement_timeout=limit))
        stack.enter_context(green.translated())
        misfits, unknown = _rows(own, way, stuck=stream.stuck)
        others = [v for v in verdicts if v.where not in {one.table for one in left}]
        losses = tuple(_losses(own, way, others))
    shape = tuple(v for v in verdicts if v.answer in _SHAPE)
    ranges = tuple(compare_ranges(read_ranges(green), read_ranges(blue), Side.BLUE))
    return Fitting(stream, shape, misfits, losses, unknown, behind, ranges)


def _belongs(one: LeftBehind) -> bool:
    """Whether rows in it are rows of a table that blue has, and are to travel. Pure.

    A table that blue did not know at the cutover is a loss of another kind: it was
    declared. Unlogged tables never travel.
    """
    return one.logged and bool(one.parent or one.there)


def _is_new(one: LeftBehind, known: Collection[str] | None) -> bool:
    """Whether green alone has it, and got it when it already served. Pure.

    The application made it, so it may miss its rows.
    """
    if known is None or not one.logged or one.there or one.parent:
        return False
    return f"table {quote_name(one.schema, one.name)}" not in known


def _behind(one: LeftBehind, accept: Collection[str]) -> Behind:
    rule, answer = "table-not-published", Answer.SILENT
    if one.parent:
        rule, answer = PARTITION, Answer.LOSSY
    elif not one.there:
        rule, answer = "table-left-out", Answer.LOSSY
    name = Verdict(answer, Direction.REVERSE, rule, one.table, "").name
    accepted = is_named_in(accept, name)
    return Behind(name, one.table, one.parent, one.rows, accepted, alone=not one.there)


def is_named_in(accept: Collection[str], name: str) -> bool:
    """Whether an `accept` means this loss of the window. Pure.

    Its rule must be spelled out, or the table: a `reverse/LOSSY/*` that was written for
    the losses of a migration was not meant for rows that come later. A loss of this
    table that a migration declared and the playbook accepts is the same rows.
    """
    _, _, rule, table = name.split("/", 3)
    return any(
        (f"/{rule}/" in one and fits(one, name))
        or (one.startswith("reverse/") and one.endswith(f"/{table}"))
        for one in accept
    )


def read_stream(blue: Database, green: Database, name: str) -> Stream:
    """How the stream from green to blue stands at this moment."""
    ours = ReplicationStream(name, Side.GREEN).name
    taken = read_subscription(blue, ours)
    rows = green.rows(
        sql.SQL(
            "SELECT pg_wal_lsn_diff(pg_current_wal_flush_lsn(), confirmed_flush_lsn)"
            "::bigint FROM pg_replication_slots WHERE slot_name = %s"
            " AND database = current_database()"
        ),
        (ours,),
    )
    if taken is None or not rows:
        return Stream(present=False)
    return Stream(
        present=True,
        enabled=taken.enabled,
        runs=taken.apply_pid is not None,
        behind_bytes=rows[0][0],
        errors=taken.errors,
        pid=taken.apply_pid,
    )


def steady(read: Callable[[], Stream], clock: Clock | None = None) -> Stream:
    """The stream as two looks in a row agree on it.

    A worker that fails on a row is started again and again, and lives for a moment each
    time: only one that is still the same a moment later gets on.
    """
    clock = clock or SystemClock()
    seen = read()
    for _ in range(LOOKS):
        if not seen.present:
            return seen
        clock.sleep(LOOKS_APART_S)
        now = read()
        if now.pid == seen.pid:
            return now
        seen = now
    return replace(seen, runs=False, pid=None)


def _rows(
    own: psycopg.Connection, way: Way, *, stuck: bool
) -> tuple[tuple[Misfit, ...], tuple[str, ...]]:
    misfits, unknown = [], []
    for one in _questions(way, stuck=stuck):
        answer = ask(own, one)
        if answer.count is None:
            unknown.append(f"{one.where}: {answer.why}")
        elif answer.count:
            misfits.append(Misfit(one.rule, one.where, answer.count, answer.rows))
    return tuple(misfits), tuple(unknown)


def _questions(way: Way, *, stuck: bool) -> Iterator[Predicate]:
    """What the stream proves needs no question while it applies."""
    for one in predicates(way):
        if not one.of_receiver and (stuck or one.kind == "orphan"):
            yield one


def _losses(
    own: psycopg.Connection, way: Way, verdicts: list[Verdict]
) -> Iterator[Loss]:
    """Tables and columns whose data blue does not carry, with rows that count."""
    left_out = {v.where: v.rule for v in verdicts if v.answer is Answer.LOSSY}
    for relation in way.sender.relations.values():
        rule = left_out.get(relation.full_name)
        if rule == "table-left-out":
            yield _count(own, relation, "", sql.SQL("true"))
        elif rule == "column-left-out":
            for column in _unsent(way, relation):
                test = sql.SQL("{} IS NOT NULL").format(sql.Identifier(column))
                yield _count(own, relation, column, test)


def _unsent(way: Way, relation: Relation) -> list[str]:
    sent = way.published_as(relation)
    carried = sent.columns if sent else ()
    stored = [c.name for c in relation.columns if not c.generated]
    return [name for name in stored if name not in carried]


def _count(
    own: psycopg.Connection, relation: Relation, column: str, test: sql.Composable
) -> Loss:
    query = sql.SQL(
        "SELECT pg_catalog.count(*) FROM (SELECT FROM ONLY {} WHERE {} LIMIT {}) f"
    ).format(sql.Identifier(*relation.qualified), test, MOST_COUNTED)
    where = relation.full_name
    try:
        row = own.execute(query).fetchone()
    except psycopg.errors.UndefinedTable:  # dropped since the catalog was read
        return Loss(where, column, 0)
    except (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable):
        return Loss(where, column, None)
    return Loss(where, column, int(row[0]) if row else None)

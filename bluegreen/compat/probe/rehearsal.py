"""Looks at data for the compatibility judge: rehearses writes on two scratch copies.

Owns the order of a rehearsal and its two rolled-back transactions. Nothing is
replicated: rows are read on one side and written on the other by plain SQL. What was
seen is judged in `compat/rules/analyse.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import psycopg
from psycopg import sql

from bluegreen.compat.probe.apply import Applier
from bluegreen.compat.probe.capture import as_sql, capture
from bluegreen.compat.probe.compare import compare, read_as_sent, read_as_set, read_rows
from bluegreen.compat.probe.filled import filled_columns, no_longer_filled
from bluegreen.compat.probe.worker import enter, silence_event_triggers, start_stream
from bluegreen.compat.seen import Change, Difference, Harm, Seen
from bluegreen.compat.stream import Stream
from bluegreen.compat.text.statements import Derived
from bluegreen.compat.verdict import Direction
from bluegreen.postgres.catalog.constraints import Constraint
from bluegreen.postgres.catalog.foreign_keys import orphans_of
from bluegreen.postgres.catalog.relations import Relation
from bluegreen.postgres.catalog.scope import Name


def rehearse(
    sender: psycopg.Connection,
    receiver: psycopg.Connection,
    stream: Stream,
    writes: Sequence[str],
    derived: Sequence[Derived] = (),
) -> Seen:
    """Run the writes on the sender, carry what they change over, look, roll back.

    Both connections must not be inside a transaction, and both databases must be
    scratch copies: the writes take locks and all rows of all tables are compared.

    Raises:
        psycopg.Error: a server went away or a table could not be read; nothing is
            known then.
    """
    with (
        sender.transaction(force_rollback=True),
        receiver.transaction(force_rollback=True),
    ):
        return _rehearse(sender, receiver, stream, writes, derived)


def _rehearse(
    sender: psycopg.Connection,
    receiver: psycopg.Connection,
    stream: Stream,
    writes: Sequence[str],
    derived: Sequence[Derived],
) -> Seen:
    for session in (sender, receiver):
        # An apply worker writes where sessions are read-only by default (measured).
        session.execute("SET TRANSACTION READ WRITE")
        silence_event_triggers(session)
    reverse = stream.direction is Direction.REVERSE
    migrated = sender if reverse else receiver
    before = orphans(receiver, stream)
    derived = [d for d in derived if not _carried(stream, d)]
    stale = _stale(migrated, derived)
    existing = _existing(sender, receiver, stream)
    filled = filled_columns(sender, receiver, stream)
    applier = Applier(receiver, stream, as_writer=True)
    path = _setting(receiver, "search_path")
    _set_zone(sender, stream)
    enter(receiver, stream)
    copied = _copy(sender, stream, applier)
    start_stream(receiver, stream)
    noted = capture(sender, stream, writes)
    for some, _ in noted:
        applier.stream(some)
    changes = [change for some, _ in noted for change in some]
    _leave(receiver, path)
    return Seen(
        touched=frozenset(name for change in changes for name in change.tables),
        copied=copied,
        refused=tuple(refused for _, refused in noted if refused is not None),
        stopped=applier.stopped,
        missed=tuple(applier.missed),
        existing=existing,
        differences=()
        if applier.stopped
        else (*applier.changed, *compare(sender, receiver, stream, writes)),
        harms=()
        if applier.stopped
        else (
            *_new_orphans(before, orphans(receiver, stream)),
            *_newly_stale(stale, _stale(migrated, derived), changes, reverse=reverse),
            *no_longer_filled(receiver, filled),
        ),
    )


def _set_zone(sender: psycopg.Connection, stream: Stream) -> None:
    sender.execute(
        "SELECT pg_catalog.set_config('TimeZone', %s, true)", [stream.sender_zone]
    )


def _existing(
    sender: psycopg.Connection, receiver: psycopg.Connection, stream: Stream
) -> tuple[Difference, ...]:
    """What differs before any write: the migration's own change of shared data.

    On the way to green a later write may hide it, by overwriting what the migration
    did (law 7); on the way back it would only fix it.
    """
    if stream.direction is not Direction.FORWARD:
        return ()
    found = compare(sender, receiver, stream)
    for session in (sender, receiver):
        read_as_set(session)
    return tuple(found)


def _carried(stream: Stream, promise: Derived) -> bool:
    """Whether the derived data are themselves sent, so that rows can be compared."""
    for name, relation in stream.sender.relations.items():
        wanted = name[1] == promise.table[1] and promise.table[0] in {"", name[0]}
        if not wanted or name not in stream.receiver.relations:
            continue
        sent = stream.published_as(relation)
        return sent is not None and set(promise.columns) <= set(sent.columns)
    return False


def _copy(
    sender: psycopg.Connection, stream: Stream, applier: Applier
) -> frozenset[Name]:
    if stream.direction is not Direction.COPY or stream.publication is None:
        return frozenset()
    copied = set()
    read_as_sent(sender)
    for name, sent in stream.publication.relations.items():
        source = stream.sender.relations[name]
        if applier.stopped is None:
            rows = read_rows(sender, source, sent.columns, sent.row_filter)
            applier.copy(sent, rows)
            copied.add(name)
    read_as_set(sender)
    _set_zone(sender, stream)
    return frozenset(copied)


def _setting(session: psycopg.Connection, name: str) -> str:
    query = "SELECT pg_catalog.current_setting(%s)"
    row = session.execute(query, [name]).fetchone()
    return str(row[0]) if row else ""


def _leave(receiver: psycopg.Connection, path: str) -> None:
    receiver.execute("SET LOCAL session_replication_role = origin")
    receiver.execute("SELECT pg_catalog.set_config('search_path', %s, true)", [path])


def _foreign_keys(stream: Stream) -> Iterator[tuple[Relation, Constraint]]:
    for relation in stream.receiver.relations.values():
        for key in relation.constraints if not relation.is_partition else ():
            if key.kind == "f" and key.enforced and not key.of_partition:
                yield relation, key


def orphans(session: psycopg.Connection, stream: Stream) -> Counter[tuple[Name, str]]:
    """Rows whose foreign key finds nothing, by table and constraint.

    Raises:
        psycopg.Error: a table could not be read.
    """
    found: Counter[tuple[Name, str]] = Counter()
    for relation, key in _foreign_keys(stream):
        row = session.execute(orphans_of(key)).fetchone()
        found[relation.qualified, key.name] = row[0] if row else 0
    return found


def _new_orphans(
    before: Counter[tuple[Name, str]], after: Counter[tuple[Name, str]]
) -> Iterator[Harm]:
    for (table, name), count in (after - before).items():
        yield Harm("foreign-key", table, f"{count} rows without a parent for {name}")


def _stale(
    session: psycopg.Connection, derived: Sequence[Derived]
) -> dict[Derived, int | None]:
    """How many rows break what each data statement made true; None if it cannot run.

    It cannot when a later statement dropped or renamed what it names.
    """
    counts: dict[Derived, int | None] = {}
    path = _setting(session, "search_path")
    for promise in derived:
        try:
            with session.transaction():
                _set_path(session, promise.path, path)
                query = as_sql(promise.broken)
                row = session.execute(query).fetchone()
                counts[promise] = int(row[0]) if row else None
        except psycopg.Error:
            if session.broken:
                raise
            counts[promise] = None
    session.execute(_PATH, [path])
    return counts


_PATH = "SELECT pg_catalog.set_config('search_path', %s, true)"


def _set_path(
    session: psycopg.Connection, names: tuple[str, ...], otherwise: str
) -> None:
    """Resolve a promise's names as the migration did."""
    given = sql.SQL(", ").join(map(sql.Identifier, names)).as_string(session)
    session.execute(_PATH, [given or otherwise])


def _newly_stale(
    before: dict[Derived, int | None],
    after: dict[Derived, int | None],
    changes: Sequence[Change],
    *,
    reverse: bool,
) -> Iterator[Harm]:
    for promise, count in after.items():
        was = before[promise]
        if count is None or was is None or count <= was:
            continue
        if reverse and not _wrote(changes, promise):
            continue
        what = ", ".join(promise.columns) or "its rows"
        yield Harm(
            "derived-stale",
            promise.table,
            f"{what} no longer follow what the migration derived them from",
            promise.statement,
        )


def _wrote(changes: Sequence[Change], promise: Derived) -> bool:
    """Whether the application itself wrote into a derived column.

    On the side that sends, a derived column that merely lags is its own affair; one
    that holds what the columns that are sent do not is lost on the other side.
    """
    for change in changes:
        if change.new is None or change.table[1] != promise.table[1]:
            continue
        for column in promise.columns:
            old = change.old.get(column) if change.old else None
            if change.new.get(column) != old:
                return True
    return False

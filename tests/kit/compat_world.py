"""Runs a measured case for real: a publication, a subscription, and a look at rows.

Owns the replay, so that the data in `tests/cases` and PostgreSQL stay one. It shares
with the judge only what a difference between two tables, and what an orphan is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from bluegreen.compat.probe.capture import as_sql
from bluegreen.compat.probe.compare import compare
from bluegreen.compat.probe.rehearsal import orphans
from bluegreen.compat.probe.snapshot import read_snapshot
from bluegreen.compat.stream import Stream
from bluegreen.compat.text.statements import read_statements
from bluegreen.compat.verdict import Direction
from tests.kit.compat_case import Case, Scratch
from tests.kit.wait import wait_until

_DEADLINE_S = 30.0
_NAME = "bluegreen_world"

_ERRORS = """
SELECT coalesce(sum(apply_error_count + sync_error_count), 0)::int
  FROM pg_stat_subscription_stats"""


def replay(case: Case, place: Scratch, direction: Direction) -> str:
    """Run one direction on a server of 15 or later; `BREAK`, `SILENT` or `OK`.

    Statements of the application that fail are left out, as they were when measured.
    """
    reverse = direction is Direction.REVERSE
    blue, green = place.database("jw_blue"), place.database("jw_green")
    for name, setup in ((blue, case.blue_setup), (green, case.green_setup)):
        rows = "" if direction is Direction.COPY and name == green else case.rows
        place.run(name, case.schema, rows, setup)
    if reverse:
        place.run(blue, case.blue_before)
    sender, receiver = (green, blue) if reverse else (blue, green)
    publication = case.reverse_publication if reverse else case.forward_publication
    first = direction is Direction.FORWARD
    if not first:
        _each(place, green, case.migration)
    try:
        place.run(sender, publication)
    except psycopg.Error:
        return "BREAK"
    with _slot(place, sender):
        try:
            _subscribe(place, sender, receiver, case, direction)
        except psycopg.Error:
            return "BREAK"
        try:
            return _stream(case, place, direction, sender, receiver)
        finally:
            _unsubscribe(place, receiver)


def _stream(
    case: Case, place: Scratch, direction: Direction, sender: str, receiver: str
) -> str:
    with place.connect(receiver) as other:
        if not _settled(other):
            return "BREAK"
    if direction is Direction.FORWARD:
        _each(place, receiver, case.migration)
        place.run(sender, case.blue_streaming)
    _each(place, sender, case.writes(direction))
    with place.connect(sender) as one, place.connect(receiver) as two:
        if not _caught_up(one, two):
            return "BREAK"
        left, right = read_snapshot(one), read_snapshot(two)
        casts = read_statements(case.migration).casts
        publication = left.publications.get("p")
        stream = Stream(direction, left, right, publication, casts=casts)
        with one.transaction(), two.transaction():
            harmed = orphans(two, stream).total() or (
                direction is not Direction.REVERSE and _broken(two, case)
            )
            return "SILENT" if harmed or compare(one, two, stream) else "OK"


def _broken(green: psycopg.Connection, case: Case) -> bool:
    """Whether what the migration derived no longer holds, by the case's own count."""
    row = green.execute(as_sql(case.broken)).fetchone() if case.broken else None
    return bool(row and row[0])


def _each(place: Scratch, name: str, texts: tuple[str, ...]) -> None:
    for text in texts:
        with suppress(psycopg.Error):
            place.run(name, text)


@contextmanager
def _slot(place: Scratch, sender: str) -> Iterator[None]:
    """Make a slot beforehand: in one server CREATE SUBSCRIPTION waits for itself."""
    with place.connect(sender) as session:
        session.execute(
            "SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [_NAME]
        )
        try:
            yield
        finally:
            wait_until(lambda: not _active(session), "the slot to be let go")
            session.execute("SELECT pg_drop_replication_slot(%s)", [_NAME])


def _active(session: psycopg.Connection) -> bool:
    query = "SELECT active FROM pg_replication_slots WHERE slot_name = %s"
    return any(row[0] for row in session.execute(query, [_NAME]).fetchall())


def _subscribe(
    place: Scratch, sender: str, receiver: str, case: Case, direction: Direction
) -> None:
    options = [
        "create_slot = false",
        f"slot_name = '{_NAME}'",
        f"copy_data = {str(direction is Direction.COPY).lower()}",
        *filter(None, [case.options]),
    ]
    with place.connect(sender) as session:
        rows = session.execute("SELECT pubname FROM pg_publication").fetchall()
    names = sql.SQL(", ").join(sql.Identifier(name) for (name,) in rows)
    query = sql.SQL("CREATE SUBSCRIPTION {} CONNECTION {} PUBLICATION {} WITH ({})")
    place.execute(
        receiver,
        query.format(
            sql.Identifier(_NAME),
            sql.Literal(make_conninfo(place.conninfo, dbname=sender)),
            names,
            sql.SQL(", ").join(map(sql.SQL, options)),
        ),
    )


def _unsubscribe(place: Scratch, receiver: str) -> None:
    name = sql.Identifier(_NAME)
    for words in (
        "ALTER SUBSCRIPTION {} DISABLE",
        "ALTER SUBSCRIPTION {} SET (slot_name = NONE)",
        "DROP SUBSCRIPTION {}",
    ):
        place.execute(receiver, sql.SQL(words).format(name))


def _settled(receiver: psycopg.Connection) -> bool:
    """Wait for the initial copy; False as soon as a worker has met an error."""
    query = "SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel"
    done = {"error": False}

    def look() -> bool:
        row = receiver.execute(query).fetchone()
        done["error"] = _errors(receiver)
        return bool(row and row[0]) or row == (None,) or done["error"]

    wait_until(look, "the subscription to settle or to fail", deadline_s=_DEADLINE_S)
    return not done["error"]


def _errors(receiver: psycopg.Connection) -> bool:
    row = receiver.execute(_ERRORS).fetchone()
    return bool(row and row[0])


def _caught_up(sender: psycopg.Connection, receiver: psycopg.Connection) -> bool:
    row = sender.execute("SELECT pg_current_wal_lsn()").fetchone()
    target = row[0] if row else None
    done = {"error": False}

    def look() -> bool:
        done["error"] = _errors(receiver)
        seen = sender.execute(
            "SELECT confirmed_flush_lsn >= %s FROM pg_replication_slots "
            "WHERE slot_name = %s",
            [target, _NAME],
        ).fetchone()
        return bool(seen and seen[0]) or done["error"]

    wait_until(look, "the changes to arrive or to fail", deadline_s=_DEADLINE_S)
    return not done["error"]

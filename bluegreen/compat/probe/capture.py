"""Runs writes on the sending side and notes every row that they change.

Owns the triggers that note the changes and the order of the notes. All of it happens
in a transaction that the caller rolls back, so nothing stays on the server; run it on
a scratch copy, for the writes take locks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import psycopg
from psycopg import sql

from bluegreen.compat.probe.commit import (
    COMMITS_INSIDE,
    as_if_committed,
    without_commits,
)
from bluegreen.compat.seen import Change, Image, Refused
from bluegreen.compat.stream import Stream
from bluegreen.postgres.catalog.relations import Relation
from bluegreen.postgres.catalog.scope import Name
from bluegreen.sql.transactions import one_transaction

# Unlogged, for FOR ALL TABLES would else publish it and ask for a replica identity.
_SETUP = sql.SQL(
    """
CREATE SCHEMA bluegreen_rehearsal;
CREATE UNLOGGED TABLE bluegreen_rehearsal.note (
  seq bigint GENERATED ALWAYS AS IDENTITY, relation bigint, kind text,
  old_row text[], new_row text[], old_sent boolean, new_sent boolean);
CREATE FUNCTION bluegreen_rehearsal.note() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET DateStyle = 'ISO' SET IntervalStyle = 'postgres' SET extra_float_digits = 3
AS $body$
DECLARE old_row text[]; new_row text[]; old_sent boolean; new_sent boolean;
BEGIN
  IF tg_op IN ('UPDATE', 'DELETE') THEN
    EXECUTE 'SELECT ' || tg_argv[0] INTO old_row, old_sent USING OLD;
  END IF;
  IF tg_op IN ('INSERT', 'UPDATE') THEN
    EXECUTE 'SELECT ' || tg_argv[0] INTO new_row, new_sent USING NEW;
  END IF;
  INSERT INTO bluegreen_rehearsal.note
    (relation, kind, old_row, new_row, old_sent, new_sent)
  VALUES
    (tg_relid::bigint, pg_catalog.lower(tg_op), old_row, new_row, old_sent, new_sent);
  RETURN NULL;
END $body$
"""
)


def as_sql(text: str) -> sql.SQL:
    """A user's own statement, or a name that the server quoted, taken as it is."""
    return sql.SQL(text)


def row_image(alias: sql.Composable, columns: Iterable[str]) -> sql.Composed:
    """An expression for a row as text[], each value as its type's output gives it.

    A cast to text differs from the output for char(n), boolean and inet; `format` with
    %s does not. `num_nulls` tells NULL from a composite whose fields are all NULL.
    """
    parts = [
        sql.SQL(
            "CASE WHEN pg_catalog.num_nulls({value}) = 1 THEN NULL "
            "ELSE pg_catalog.format('%s', {value}) END"
        ).format(value=sql.SQL("({}).{}").format(alias, sql.Identifier(name)))
        for name in columns
    ]
    return sql.SQL("ARRAY[{}]::text[]").format(sql.SQL(", ").join(parts))


def row_filter(alias: sql.Composable, text: str) -> sql.Composed:
    """A publication's WHERE over one row; what is null is not sent either.

    "Rows for which the expression evaluates to false or null will not be published"
    (CREATE PUBLICATION, 15+).
    """
    if not text:
        return sql.Composed([sql.SQL("true")])
    return sql.SQL(
        "coalesce((SELECT {test} FROM (SELECT ({alias}).*) bluegreen_filter), false)"
    ).format(test=as_sql(text), alias=alias)


def capture(
    session: psycopg.Connection, stream: Stream, writes: Sequence[str]
) -> list[tuple[tuple[Change, ...], Refused | None]]:
    """Run each write as a transaction of its own and note what of it is sent.

    Args:
        session: inside a transaction that will be rolled back, not in autocommit.
        stream: with the picture of this side, taken before.
        writes: the application's statements, one transaction each.

    Raises:
        psycopg.OperationalError: the server went away.
    """
    tables = [r for r in stream.sender.relations.values() if r.kind == "table"]
    session.execute(_SETUP)
    _print_as_sent(session)
    for table in tables:
        sent = stream.published_as(table)
        _monitor(session, table, sent.row_filter if sent else "")
    by_oid = {table.oid: table for table in tables}
    return [_one(session, by_oid, n, text) for n, text in enumerate(writes)]


def _print_as_sent(session: psycopg.Connection) -> None:
    """Print as a walsender does, whatever the application's session sets meanwhile."""
    for name in ("TimeZone", "bytea_output", "lc_monetary"):
        query = "SELECT pg_catalog.current_setting(%s)"
        row = session.execute(query, [name]).fetchone()
        session.execute(
            sql.SQL("ALTER FUNCTION bluegreen_rehearsal.note() SET {} = {}").format(
                sql.Identifier(name), sql.Literal(row[0] if row else "")
            )
        )


def _monitor(session: psycopg.Connection, table: Relation, filtered: str) -> None:
    where = sql.Identifier(*table.qualified)
    row = sql.SQL("$1")
    image = sql.SQL("{}, {}").format(
        row_image(row, (c.name for c in table.columns)), row_filter(row, filtered)
    )
    for events, level in (
        ("INSERT OR UPDATE OR DELETE", "ROW"),
        ("TRUNCATE", "STATEMENT"),
    ):
        # Sorts before other triggers: a change is noted before what it sets off.
        name = sql.Identifier(f"!bluegreen_rehearsal_{level.lower()}")
        session.execute(
            sql.SQL(
                "CREATE TRIGGER {name} AFTER {events} ON {table} FOR EACH {level} "
                "EXECUTE FUNCTION bluegreen_rehearsal.note({image})"
            ).format(
                name=name,
                events=sql.SQL(events),
                table=where,
                level=sql.SQL(level),
                image=sql.Literal(image.as_string(session)),
            )
        )
        session.execute(
            sql.SQL("ALTER TABLE {} ENABLE ALWAYS TRIGGER {}").format(where, name)
        )


def _one(
    session: psycopg.Connection, tables: dict[int, Relation], number: int, text: str
) -> tuple[tuple[Change, ...], Refused | None]:
    """Run one write, and what waits for its commit."""
    session.execute("SAVEPOINT bluegreen_write")
    try:
        _work(session, one_transaction(text))
        as_if_committed(session)
    except psycopg.Error as error:
        if session.broken:
            raise
        session.execute("ROLLBACK TO SAVEPOINT bluegreen_write")
        if error.sqlstate in _NOT_IN_A_TRANSACTION:
            return (), None
        message = error.diag.message_primary or ""
        return (), Refused(number, error.sqlstate or "", message)
    return tuple(_notes(session, tables)), None


def _work(session: psycopg.Connection, text: str) -> None:
    """Run a write; one that commits by itself again, without its COMMIT."""
    if not text.strip():
        return
    session.execute("SAVEPOINT bluegreen_work")
    try:
        session.execute(as_sql(text))
    except psycopg.Error as error:
        if session.broken or error.sqlstate != COMMITS_INSIDE:
            raise
        session.execute("ROLLBACK TO SAVEPOINT bluegreen_work")
        session.execute(as_sql(without_commits(session, text)))


def _notes(session: psycopg.Connection, tables: dict[int, Relation]) -> list[Change]:
    rows = session.execute(
        "WITH gone AS (DELETE FROM bluegreen_rehearsal.note RETURNING *) "
        "SELECT relation, kind, old_row, new_row, old_sent, new_sent FROM gone "
        "ORDER BY seq"
    ).fetchall()
    changes: list[Change] = []
    for oid, kind, old, new, old_sent, new_sent in rows:
        table = tables[oid]
        if kind == "truncate":
            _truncated(changes, table.qualified)
            continue
        before = _as_image(table, old) if old_sent else None
        after = _as_image(table, new) if new_sent else None
        sent_as = _SENT_AS.get((before is not None, after is not None))
        if sent_as:
            changes.append(Change(sent_as, (table.qualified,), before, after))
    return changes


def _truncated(changes: list[Change], name: Name) -> None:
    """One TRUNCATE of several tables is one message, and replays as one."""
    before: tuple[Name, ...] = ()
    if changes and changes[-1].kind == "truncate" and name not in changes[-1].tables:
        before = changes.pop().tables
    changes.append(Change("truncate", (*before, name)))


_NOT_IN_A_TRANSACTION = {"25001"}
"""VACUUM, CREATE INDEX CONCURRENTLY and their like: only our transaction refuses them,
and they change no row."""

_SENT_AS = {
    (True, True): "update",
    (False, True): "insert",
    (True, False): "delete",
}
"""How a change travels, by whether the row filter lets its old and its new row through:
an UPDATE that brings a row into the filter is sent as an INSERT, one that takes it out
as a DELETE (CREATE PUBLICATION, "Row Filters")."""


def _as_image(table: Relation, texts: list[str | None] | None) -> Image | None:
    if texts is None:
        return None
    return dict(zip((c.name for c in table.columns), texts, strict=True))

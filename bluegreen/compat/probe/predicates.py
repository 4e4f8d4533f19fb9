"""Asks a side's data what an OK_IF depends on.

Owns the SQL of each question of `compat/rules/predicates.py`. Reads only; a question
may read its table once, so the caller's session limits how long it takes.
"""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg import sql

from bluegreen.compat.probe.capture import as_sql
from bluegreen.compat.rules.predicates import Predicate

SOFT_INPUT_SINCE = 160_000
"""From 16 `pg_input_is_valid` tells whether a type reads a text."""

MOST_COUNTED = 1000
"""Rows that break a predicate are counted up to here: it is a no either way."""

MOST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Asked:
    """What the data said.

    Attributes:
        count: rows that break it, up to `MOST_COUNTED`; None when it is not known.
        rows: the keys of some of them, as `id=7`.
        why: why it is not known.
    """

    count: int | None
    rows: tuple[str, ...] = ()
    why: str = ""


def count_broken(session: psycopg.Connection, predicate: Predicate) -> int | None:
    """How many rows break it, up to `MOST_COUNTED`; None when it cannot be told.

    A check that calls a function of the other side, say, cannot be asked here. An
    answer of none for rows of today says nothing of a row that comes tomorrow: ask
    again right before the cutover.

    Raises:
        psycopg.Error: the connection broke.
    """
    return ask(session, predicate).count


def ask(session: psycopg.Connection, predicate: Predicate) -> Asked:
    """Ask one question, within the session's statement_timeout.

    Raises:
        psycopg.Error: the connection broke.
    """
    try:
        with session.transaction(force_rollback=True):
            _prepare(session, predicate)
            row = session.execute(_query(predicate, session)).fetchone()
    except psycopg.Error as error:
        if session.broken:
            raise
        slow = isinstance(error, psycopg.errors.QueryCanceled)
        why = "the question took too long" if slow else error.diag.message_primary
        return Asked(None, why=why or "it cannot be asked")
    count, rows = row if row else (None, None)
    return Asked(count, tuple(rows or ()))


def _query(predicate: Predicate, session: psycopg.Connection) -> sql.Composed:
    found = (
        _alike(predicate)
        if predicate.kind == "alike"
        else sql.SQL("SELECT {} AS label FROM {} t WHERE {} LIMIT {}").format(
            _label(predicate.key or predicate.columns),
            sql.Identifier(*predicate.table),
            _breaks(predicate, session),
            MOST_COUNTED,
        )
    )
    return sql.SQL(
        "SELECT pg_catalog.count(*)::int, (pg_catalog.array_agg(f.label))[1:{}]"
        " FROM ({}) f"
    ).format(MOST_SHOWN, found)


def _label(columns: tuple[str, ...]) -> sql.Composed:
    """`id=7, day=2024-01-01` of a row `t`."""
    parts = [
        sql.SQL("pg_catalog.format('%s=%s', {}, t.{})").format(
            sql.Literal(name), sql.Identifier(name)
        )
        for name in columns
    ]
    return sql.SQL("pg_catalog.left({}, 200)").format(
        sql.SQL(" || ', ' || ").join(parts) if parts else sql.Literal("a row")
    )


def _breaks(predicate: Predicate, session: psycopg.Connection) -> sql.Composable:
    if predicate.kind == "check":
        # CHECK (...) as the server prints it; NOT VALID and the like come after it.
        text = predicate.expression.removeprefix("CHECK ").removesuffix(" NOT VALID")
        return sql.SQL("NOT ({})").format(as_sql(text.removesuffix(" NO INHERIT")))
    if predicate.kind == "orphan":
        return _orphan(predicate)
    column = sql.SQL("t.{}").format(sql.Identifier(predicate.columns[0]))
    if predicate.kind == "null":
        return sql.SQL("{} IS NULL").format(column)
    if predicate.kind == "filled":
        return sql.SQL("{} IS NOT NULL").format(column)
    if predicate.kind == "longer":
        return sql.SQL(
            "pg_catalog.char_length(pg_catalog.rtrim({}::text)) > {}"
        ).format(column, sql.Literal(predicate.high))
    if predicate.kind == "outside":
        return sql.SQL("{} NOT BETWEEN {} AND {}").format(
            column, sql.Literal(predicate.low), sql.Literal(predicate.high)
        )
    if predicate.kind == "reads":
        return _unreadable(column, predicate, session)
    if predicate.kind == "cast":
        return _cast_otherwise(column, as_sql(predicate.expression))
    return sql.SQL("{}::text <> ALL ({})").format(
        column, sql.Literal(list(predicate.labels))
    )


def _unreadable(
    column: sql.Composable, predicate: Predicate, session: psycopg.Connection
) -> sql.Composed:
    # `format` prints as the type's output does, which is what travels.
    soft = session.info.server_version >= SOFT_INPUT_SINCE
    function = "pg_catalog.pg_input_is_valid" if soft else "pg_temp.bluegreen_reads"
    return sql.SQL(
        "{column} IS NOT NULL AND NOT {function}"
        "(pg_catalog.format('%s', {column}), {kind})"
    ).format(
        column=column, function=as_sql(function), kind=sql.Literal(predicate.expression)
    )


def _cast_otherwise(column: sql.Composable, kind: sql.Composable) -> sql.Composed:
    """Values that a cast makes otherwise than the text that travels reads."""
    return sql.SQL(
        "{column} IS NOT NULL AND pg_catalog.format('%s', {column}::{kind})"
        " <> pg_catalog.format('%s', pg_catalog.format('%s', {column})::{kind})"
    ).format(column=column, kind=kind)


_READS = sql.SQL(
    """
CREATE FUNCTION pg_temp.bluegreen_reads(value text, kind text) RETURNS boolean
LANGUAGE plpgsql AS $body$
BEGIN
  EXECUTE pg_catalog.format('SELECT %L::%s', value, kind);
  RETURN true;
EXCEPTION WHEN data_exception OR integrity_constraint_violation THEN
  RETURN false;
END $body$
"""
)


def _prepare(session: psycopg.Connection, predicate: Predicate) -> None:
    if predicate.kind == "cast":
        session.execute("SET LOCAL extra_float_digits = 3")
    if predicate.kind != "reads":
        return
    if session.info.server_version >= SOFT_INPUT_SINCE:
        return
    session.execute(_READS)


def _orphan(predicate: Predicate) -> sql.Composed:
    pairs = list(zip(predicate.columns, predicate.other_columns, strict=True))
    tests = [
        sql.SQL("t.{} IS NOT NULL").format(sql.Identifier(one)) for one, _ in pairs
    ]
    match = [
        sql.SQL("p.{} = t.{}").format(sql.Identifier(two), sql.Identifier(one))
        for one, two in pairs
    ]
    return sql.SQL("{} AND NOT EXISTS (SELECT FROM {} p WHERE {})").format(
        sql.SQL(" AND ").join(tests),
        sql.Identifier(*predicate.other),
        sql.SQL(" AND ").join(match),
    )


def _alike(predicate: Predicate) -> sql.Composed:
    columns = [sql.SQL("t.{}").format(sql.Identifier(c)) for c in predicate.columns]
    present = sql.SQL(" AND ").join(
        sql.SQL("{} IS NOT NULL").format(c) for c in columns
    )
    return sql.SQL(
        "SELECT {} AS label FROM {} t WHERE {} GROUP BY {} "
        "HAVING pg_catalog.count(*) > 1 LIMIT {}"
    ).format(
        _label(predicate.columns),
        sql.Identifier(*predicate.table),
        present,
        sql.SQL(", ").join(columns),
        MOST_COUNTED,
    )

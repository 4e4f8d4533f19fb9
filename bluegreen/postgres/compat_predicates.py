"""Asks a side's data what an OK_IF depends on.

Owns the SQL of each question of `lint/compat/predicates.py`. Reads only; each question
scans its table once, so run it where a scan does no harm.
"""

from __future__ import annotations

import psycopg
from psycopg import sql

from bluegreen.lint.compat.predicates import Predicate
from bluegreen.postgres.compat_capture import as_sql


def count_broken(session: psycopg.Connection, predicate: Predicate) -> int | None:
    """How many rows break it; None when the server could not tell.

    A check that calls a function of the other side, say, cannot be asked here. An
    answer of none for rows of today says nothing of a row that comes tomorrow: ask
    again right before the cutover.

    Raises:
        psycopg.Error: the connection broke.
    """
    table = sql.Identifier(*predicate.table)
    if predicate.kind == "alike":
        query = _alike(table, predicate)
    else:
        query = sql.SQL("SELECT pg_catalog.count(*) FROM {} WHERE {}").format(
            table, _breaks(predicate)
        )
    try:
        with session.transaction():
            row = session.execute(query).fetchone()
    except psycopg.Error:
        if session.broken:
            raise
        return None
    return int(row[0]) if row else None


def _breaks(predicate: Predicate) -> sql.Composable:
    if predicate.kind == "check":
        # CHECK (...) as the server prints it; NOT VALID and the like come after it.
        text = predicate.expression.removeprefix("CHECK ").removesuffix(" NOT VALID")
        return sql.SQL("NOT ({})").format(as_sql(text.removesuffix(" NO INHERIT")))
    column = sql.Identifier(predicate.columns[0])
    if predicate.kind == "null":
        return sql.SQL("{} IS NULL").format(column)
    if predicate.kind == "longer":
        return sql.SQL(
            "pg_catalog.char_length(pg_catalog.rtrim({}::text)) > {}"
        ).format(column, sql.Literal(predicate.high))
    if predicate.kind == "outside":
        return sql.SQL("{} NOT BETWEEN {} AND {}").format(
            column, sql.Literal(predicate.low), sql.Literal(predicate.high)
        )
    return sql.SQL("{}::text <> ALL ({})").format(
        column, sql.Literal(list(predicate.labels))
    )


def _alike(table: sql.Identifier, predicate: Predicate) -> sql.Composed:
    columns = list(map(sql.Identifier, predicate.columns))
    present = sql.SQL(" AND ").join(
        sql.SQL("{} IS NOT NULL").format(c) for c in columns
    )
    return sql.SQL(
        "SELECT pg_catalog.count(*) FROM (SELECT FROM {} WHERE {} GROUP BY {} "
        "HAVING pg_catalog.count(*) > 1) AS alike"
    ).format(table, present, sql.SQL(", ").join(columns))

"""A row of the subscriber that has the key of a row that comes.

Owns looking for it, and the statement that takes it away.
"""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import sql

from bluegreen.postgres.database import Database, SqlError
from bluegreen.postgres.quoting import quote_name
from bluegreen.postgres.replication.first_change import Change


def has_row_in_the_way(
    subscriber: Database, change: Change, columns: Iterable[str]
) -> bool:
    """Whether another row has the change's values of a unique index's columns.

    False where the subscriber cannot say, as for values that its types do not take.
    """
    where = _is(change, columns)
    if change.what == "UPDATE" and change.key:
        where = sql.SQL("{} AND NOT ({})").format(where, _is(change, change.key))
    query = sql.SQL("SELECT count(*) FROM {} WHERE {}").format(
        sql.Identifier(*change.table), where
    )
    try:
        return bool(subscriber.value(query))
    except SqlError:
        return False


def deletes_row_in_the_way(change: Change, columns: Iterable[str]) -> str:
    """The statement for a person."""
    return (
        sql.SQL("DELETE FROM {} WHERE {};")
        .format(sql.SQL(quote_name(*change.table)), _is(change, columns))
        .as_string()
    )


def _is(change: Change, columns: Iterable[str]) -> sql.Composed:
    # A value without a type takes that of its column; a NULL equals nothing.
    return sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(
            sql.SQL(quote_name(name)), sql.Literal(change.values[name])
        )
        for name in columns
    )

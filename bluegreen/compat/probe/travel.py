"""Writes a row as it is, so that it travels and shows no change.

Owns the statement, and which tables must be left alone. The UPDATE runs with
`session_replication_role = replica`: no trigger or rule of the application fires, and
pgoutput sends it all the same, as it is no row of a replication origin.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from bluegreen.postgres.catalog.relations import Relation, read_relations
from bluegreen.postgres.database import Database, SqlError
from bluegreen.postgres.replication.publication import read_publication

_QUIET = sql.SQL(
    """
    SELECT NOT EXISTS (
        SELECT FROM pg_trigger t WHERE t.tgrelid = %s::oid AND NOT t.tgisinternal
            AND t.tgenabled IN ('R', 'A'))
      AND NOT EXISTS (
        SELECT FROM pg_rewrite w WHERE w.ev_class = %s::oid
            AND w.ev_enabled IN ('R', 'A') AND w.rulename <> '_RETURN')
    """
)


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one table: the row that was written, or why none was."""

    table: str
    row: str = ""
    why: str = ""


def travelling_tables(publisher: Database, publication: str) -> tuple[Relation, ...]:
    """Tables of a publication that hold rows, our own left out."""
    listed = read_publication(publisher, publication) or ()
    names = {(table.schema, table.name) for table in listed}
    return tuple(
        relation
        for relation in read_relations(publisher, expressions=False)
        if relation.qualified in names and relation.holds_rows
    )


def touch(publisher: Database, table: Relation) -> Tried:
    """Write one row with the values that it has.

    Raises:
        ServerGoneError: the connection broke.
    """
    key = table.primary_key
    if not key:
        return Tried(table.full_name, why="it has no primary key")
    if not publisher.value(_QUIET, (table.oid, table.oid)):
        return Tried(table.full_name, why="a trigger or rule of it always fires")
    plain = (c.name for c in table.columns if not c.generated and c.identity != "a")
    written = next(plain, None)
    if written is None:
        return Tried(table.full_name, why="every column of it is GENERATED")
    try:
        rows = _write(publisher, table, key, written)
    except SqlError as error:
        if error.sqlstate not in {"42501", "55P03", "57014"}:
            raise
        return Tried(table.full_name, why=error.problem)
    if not rows:
        return Tried(table.full_name, why="it holds no row")
    values = zip(key, rows[0], strict=True)
    return Tried(table.full_name, row=", ".join(f"{k}={v}" for k, v in values))


def _write(
    publisher: Database, table: Relation, key: tuple[str, ...], written: str
) -> list[tuple[object, ...]]:
    """The first row by its key that no session has locked."""
    columns = sql.SQL(", ").join(map(sql.Identifier, key))
    here, there = (
        sql.SQL(", ").join(sql.Identifier(alias, name) for name in key)
        for alias in ("one", "t")
    )
    query = sql.SQL(
        "WITH one AS (SELECT {columns} FROM ONLY {table} ORDER BY {columns} LIMIT 1"
        " FOR NO KEY UPDATE SKIP LOCKED)"
        " UPDATE ONLY {table} t SET {first} = t.{first} FROM one"
        " WHERE ({there}) = ({here}) RETURNING {there}"
    ).format(
        columns=columns,
        table=sql.Identifier(table.schema, table.name),
        first=sql.Identifier(written),
        there=there,
        here=here,
    )
    with publisher.transaction() as own:
        own.execute(sql.SQL("SET LOCAL session_replication_role = replica"))
        own.execute(sql.SQL("SET LOCAL lock_timeout = '500ms'"))
        return own.execute(query).fetchall()

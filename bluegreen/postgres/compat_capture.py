"""Runs writes on the sending side and notes every row that they change.

Owns the triggers that note the changes and the order of the notes. All of it happens
in a transaction that the caller rolls back, so nothing stays on the server; run it on
a scratch copy, for the writes take locks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import psycopg
from psycopg import sql

from bluegreen.lint.compat.catalog import Catalog, Name, Relation
from bluegreen.lint.compat.seen import Change, Image, Refused
from bluegreen.lint.compat.statements import one_transaction

# Unlogged, for FOR ALL TABLES would else publish it and ask for a replica identity.
_SETUP = sql.SQL(
    """
CREATE SCHEMA bluegreen_rehearsal;
CREATE UNLOGGED TABLE bluegreen_rehearsal.note (
  seq bigint GENERATED ALWAYS AS IDENTITY, relation bigint, kind text,
  old_row text[], new_row text[]);
CREATE FUNCTION bluegreen_rehearsal.note() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
DECLARE old_row text[]; new_row text[];
BEGIN
  IF tg_op IN ('UPDATE', 'DELETE') THEN
    EXECUTE 'SELECT ' || tg_argv[0] INTO old_row USING OLD;
  END IF;
  IF tg_op IN ('INSERT', 'UPDATE') THEN
    EXECUTE 'SELECT ' || tg_argv[0] INTO new_row USING NEW;
  END IF;
  INSERT INTO bluegreen_rehearsal.note (relation, kind, old_row, new_row)
  VALUES (tg_relid::bigint, pg_catalog.lower(tg_op), old_row, new_row);
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


def capture(
    session: psycopg.Connection, catalog: Catalog, writes: Sequence[str]
) -> list[tuple[tuple[Change, ...], Refused | None]]:
    """Run each write as a transaction of its own and note its changes.

    Args:
        session: inside a transaction that will be rolled back, not in autocommit.
        catalog: the picture of this side, taken before.
        writes: the application's statements, one transaction each.

    Raises:
        psycopg.OperationalError: the server went away.
    """
    tables = [r for r in catalog.relations.values() if r.kind == "r"]
    session.execute(_SETUP)
    for table in tables:
        _watch(session, table)
    by_oid = {table.oid: table for table in tables}
    return [_one(session, by_oid, n, text) for n, text in enumerate(writes)]


def _watch(session: psycopg.Connection, table: Relation) -> None:
    where = sql.Identifier(*table.name)
    image = row_image(sql.SQL("$1"), (c.name for c in table.columns))
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
    """Run one write; deferred constraints are looked at as a commit would.

    Looking at them is undone again, for it would leave them immediate for the writes
    that follow.
    """
    session.execute("SAVEPOINT bluegreen_write")
    try:
        work = one_transaction(text)
        if work.strip():
            session.execute(as_sql(work))
        session.execute("SAVEPOINT bluegreen_commit")
        session.execute("SET CONSTRAINTS ALL IMMEDIATE")
        session.execute("ROLLBACK TO SAVEPOINT bluegreen_commit")
    except psycopg.Error as error:
        if session.broken:
            raise
        session.execute("ROLLBACK TO SAVEPOINT bluegreen_write")
        message = error.diag.message_primary or ""
        return (), Refused(number, error.sqlstate or "", message)
    return tuple(_notes(session, tables)), None


def _notes(session: psycopg.Connection, tables: dict[int, Relation]) -> list[Change]:
    rows = session.execute(
        "WITH gone AS (DELETE FROM bluegreen_rehearsal.note RETURNING *) "
        "SELECT relation, kind, old_row, new_row FROM gone ORDER BY seq"
    ).fetchall()
    changes: list[Change] = []
    truncated: list[Name] = []
    for oid, kind, old, new in rows:
        table = tables[oid]
        if kind == "truncate":
            truncated.append(table.name)
        else:
            changes.append(
                Change(
                    kind, (table.name,), _as_image(table, old), _as_image(table, new)
                )
            )
    # One TRUNCATE of several tables is one message, and replays as one.
    if truncated:
        changes.append(Change("truncate", tuple(truncated)))
    return changes


def _as_image(table: Relation, texts: list[str | None] | None) -> Image | None:
    if texts is None:
        return None
    return dict(zip((c.name for c in table.columns), texts, strict=True))

"""Starting green's stream again after a migration that replaced tables.

Owns finding tables that were dropped and made again under their old name, and taking
them up again before the stream can pass them by. The stream itself is in `stream.py`.

A subscription knows its tables by OID: a replaced table silently gets nothing until
REFRESH PUBLICATION, which is refused while the subscription is disabled (55000). So
the stream must be on before it can be fixed; a lock on the replaced tables makes the
apply worker wait in between. It opens, and locks, a table before it asks whether the
subscription knows it (logicalrep_rel_open in PostgreSQL's relation.c).
"""

from __future__ import annotations

from psycopg import sql

from bluegreen.postgres.database import Database
from bluegreen.postgres.replication.publication import subscribed_tables
from bluegreen.postgres.replication.stream import start_stream

Table = tuple[str, str]
"""Schema and name."""


def start_stream_over(
    database: Database, name: str, before: frozenset[Table]
) -> list[str]:
    """Enable the subscription, tables replaced since `before` included.

    Returns the replaced tables as `schema.table`.

    Raises:
        SqlError: REFRESH reached no publisher, or the subscription is gone.
    """
    replaced = _standing(database, before - subscribed_tables(database, name))
    if not replaced:
        start_stream(database, name)
        return []
    with database.connect() as holder, database.translated(), holder.transaction():
        for schema, table in replaced:
            holder.execute(
                sql.SQL("LOCK TABLE ONLY {} IN SHARE ROW EXCLUSIVE MODE").format(
                    sql.Identifier(schema, table)
                )
            )
        start_stream(database, name)
        database.run(
            sql.SQL(
                "ALTER SUBSCRIPTION {} REFRESH PUBLICATION WITH (copy_data = false)"
            ).format(sql.Identifier(name))
        )
    return [f"{schema}.{table}" for schema, table in replaced]


def take_up_new_tables(database: Database, name: str) -> None:
    """Let an enabled subscription take up what was published since, rows included.

    The rows are copied from a snapshot that is newer than the publication's list, so
    that nothing is missed that was written before, in between or later.

    Raises:
        SqlError: the publisher could not be reached, or the subscription is disabled.
    """
    database.run(
        sql.SQL(
            "ALTER SUBSCRIPTION {} REFRESH PUBLICATION WITH (copy_data = true)"
        ).format(sql.Identifier(name))
    )


def _standing(database: Database, tables: frozenset[Table]) -> list[Table]:
    rows = database.rows(
        sql.SQL(
            "SELECT n.nspname, c.relname FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'"
        )
    )
    return sorted(tables & {(schema, table) for schema, table in rows})

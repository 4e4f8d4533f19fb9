"""Rows that users put into tables of extensions, as pg_dump knows them.

Owns reading `pg_extension.extconfig` with its conditions: how many such rows there are,
and a sum by which two sides are compared. What a difference means is for those who ask.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from bluegreen.postgres.catalog.scope import Name
from bluegreen.postgres.database import Database, SqlError
from bluegreen.postgres.user_session import verbatim

MOST = 100_000
"""Rows that are counted; a table of more is a log, and its sum is not asked for."""

_PATIENCE = "500ms"
"""For a table that another session has locked; its rows are unseen then."""


@dataclass(frozen=True, slots=True)
class ExtensionRows:
    """The rows of one such table.

    Attributes:
        condition: which rows are users' own, as `WHERE …`; empty for all of them.
        columns: those that can be written, in order.
        count: None where they could not be read.
        digest: a sum over their texts; empty beyond `MOST`.
    """

    extension: str
    table: Name
    condition: str = ""
    columns: tuple[str, ...] = ()
    count: int | None = 0
    digest: str = ""

    @property
    def name(self) -> str:
        """`schema.table`."""
        return ".".join(self.table)


def read_extension_rows(database: Database) -> tuple[ExtensionRows, ...]:
    """All of them, in order of name; a table that is empty too."""
    return tuple(
        _counted(database, ExtensionRows(extension, (schema, name), condition, cells))
        for extension, schema, name, condition, columns in database.rows(_TABLES)
        for cells in [tuple(columns)]
    )


def copy_commands(rows: ExtensionRows) -> tuple[str, str, str]:
    """COPY on the side that has them, DELETE and COPY on the other one."""
    table = sql.Identifier(*rows.table)
    columns = sql.SQL(", ").join(map(sql.Identifier, rows.columns))
    out = sql.SQL("COPY (SELECT {} FROM {} {}) TO STDOUT").format(
        columns, table, verbatim(rows.condition)
    )
    into = sql.SQL("COPY {} ({}) FROM STDIN").format(table, columns)
    delete = sql.SQL("DELETE FROM {} {}").format(table, verbatim(rows.condition))
    return out.as_string(None), delete.as_string(None).strip(), into.as_string(None)


def _counted(database: Database, rows: ExtensionRows) -> ExtensionRows:
    query = sql.SQL(
        "SELECT count(*), sum(hashtextextended(r::text, 0))::text"
        " FROM (SELECT {} FROM {} {} LIMIT {}) r"
    ).format(
        sql.SQL(", ").join(map(sql.Identifier, rows.columns)),
        sql.Identifier(*rows.table),
        verbatim(rows.condition),
        sql.Literal(MOST + 1),
    )
    count: int | None = None
    digest = ""
    try:
        with database.connect(lock_timeout=_PATIENCE) as own, database.translated():
            count, digest = own.execute(query).fetchall()[0]
    except SqlError:
        count = None
    whole = count is not None and count <= MOST
    return ExtensionRows(
        rows.extension,
        rows.table,
        rows.condition,
        rows.columns,
        count,
        (digest or "") if whole else "",
    )


_TABLES = sql.SQL(
    """
    SELECT e.extname, n.nspname, c.relname, coalesce(x.condition, ''),
        ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                AND a.attgenerated = '' ORDER BY a.attnum)
    FROM pg_catalog.pg_extension e
    CROSS JOIN LATERAL unnest(e.extconfig, e.extcondition) x (oid, condition)
    JOIN pg_catalog.pg_class c ON c.oid = x.oid AND c.relkind IN ('r', 'p')
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    ORDER BY 1, 2, 3
    """
)

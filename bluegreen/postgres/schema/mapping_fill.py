"""Filling mapped columns of rows that were there before their trigger.

Owns the batches. The trigger, which computes the values, is in `mapping_triggers.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import psycopg
from psycopg import sql

from bluegreen.postgres.database import Database, Row
from bluegreen.postgres.schema.mapping_triggers import MappedTable
from bluegreen.postgres.user_session import user_session, verbatim

PAGES_A_BATCH = 512
"""4 MB: the apply worker waits for a batch's row locks, so each must be short."""

BATCHES_BEFORE_TID_RANGES = 16
TID_RANGES_SINCE = 14
"""Older servers read the whole table for each range of ctid."""

Connection = psycopg.Connection[Row]


def fill(
    database: Database, table: MappedTable, tell: Callable[[int, int], None]
) -> int:
    """Bring the columns of rows that were there before up to date, batch by batch.

    Each batch is a transaction of its own and touches only rows that are not right, so
    that it may be cut off and begun again. Returns how many rows were changed.

    Args:
        database: green.
        table: what is filled; its trigger must be there.
        tell: called with pages done, and of how many.
    """
    leaves = _leaves(database, table)
    total = sum(pages for _, pages in leaves)
    changed = done = 0
    with user_session(database) as session:
        own = session.connection
        _as_stream(own)
        for leaf, pages in leaves:
            step = _step(own, pages)
            query = _update(table, leaf)
            for first in range(0, pages, step):
                with database.translated():
                    changed += own.execute(query, _range(first, step)).rowcount
                tell(done + min(first + step, pages), total)
            done += pages
    return changed


def _leaves(database: Database, table: MappedTable) -> list[tuple[sql.Identifier, int]]:
    """The table or its partitions, with how many pages each has."""
    rows = database.rows(
        sql.SQL(
            "SELECT n.nspname, c.relname,"
            " pg_relation_size(c.oid) / current_setting('block_size')::bigint"
            " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind = 'r' AND (c.oid = to_regclass(%s) OR c.oid IN"
            "  (SELECT relid FROM pg_partition_tree(to_regclass(%s))))"
        ),
        (table.name.as_string(None),) * 2,
    )
    return [(sql.Identifier(schema, name), pages) for schema, name, pages in rows]


def _as_stream(own: Connection) -> None:
    """Let only our trigger fire, where our role may say so."""
    own.execute(sql.SQL("SET bluegreen.fill = 'on'"))
    own.execute(sql.SQL("SET search_path = pg_catalog, pg_temp"))
    try:
        own.execute(sql.SQL("SET session_replication_role = replica"))
    except psycopg.errors.InsufficientPrivilege:
        return


def _step(own: Connection, pages: int) -> int:
    if own.info.server_version // 10000 >= TID_RANGES_SINCE:
        return PAGES_A_BATCH
    return max(PAGES_A_BATCH, -(-pages // BATCHES_BEFORE_TID_RANGES))


def _range(first: int, step: int) -> tuple[str, str]:
    return f"({first},0)", f"({first + step},0)"


def _update(table: MappedTable, leaf: sql.Identifier) -> sql.Composed:
    forward = {k: v for group in table.groups for k, v in group.forward.items()}
    touched = sql.Identifier(next(iter(forward)))
    wrong = sql.SQL(" OR ").join(
        sql.SQL("{} IS DISTINCT FROM ({}\n)").format(
            sql.Identifier(name), _percent_safe(text)
        )
        for name, text in forward.items()
    )
    return sql.SQL(
        "UPDATE ONLY {} SET {} = {} WHERE ctid >= %s::tid AND ctid < %s::tid AND ({})"
    ).format(leaf, touched, touched, wrong)


def _percent_safe(text: str) -> sql.SQL:
    """Double it: psycopg reads % where there are parameters."""
    return verbatim(text.replace("%", "%%"))

"""Materialized views: which were never filled, and filling them in order."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from psycopg import sql

from bluegreen.model.codes import Code
from bluegreen.model.errors import StepError
from bluegreen.postgres.database import Database, SqlError
from bluegreen.postgres.schema.search_paths import NOT_FOUND, SearchPaths

PATH_PINNED_SINCE = 17
"""From here on REFRESH and CREATE INDEX run functions under `pg_catalog, pg_temp`."""

PINNED = (
    "from PostgreSQL 17 on a view is filled under the search_path pg_catalog, pg_temp: "
    "give the functions that it calls a path of their own on both sides (ALTER "
    "FUNCTION … SET search_path = …), or name the schemas in the view"
)

NOT_POPULATED = "55000"
"""What a view says that reads another one without rows."""

# A view's rule depends on the relations that it reads.
_BY_DEPTH = """
    WITH RECURSIVE reads AS (
        SELECT DISTINCT r.ev_class AS view, d.refobjid AS relation
        FROM pg_rewrite r JOIN pg_depend d ON d.objid = r.oid
            AND d.classid = 'pg_rewrite'::regclass
            AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class
    ), depths AS (
        SELECT c.oid, 0 AS depth FROM pg_class c WHERE c.relkind IN ('v', 'm')
        UNION
        SELECT r.view, p.depth + 1 FROM depths p JOIN reads r ON r.relation = p.oid
        WHERE p.depth < 100
    )
    SELECT n.nspname, c.relname FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN (SELECT oid, max(depth) AS depth FROM depths GROUP BY oid) d ON d.oid = c.oid
    WHERE c.relkind = 'm' AND NOT c.relispopulated
    ORDER BY d.depth, 1, 2
"""


def unfilled_views(database: Database) -> tuple[str, ...]:
    """Views that were never filled, those that others read first."""
    return tuple(f"{s}.{n}" for s, n in database.rows(sql.SQL(_BY_DEPTH)))


def refresh_views(
    database: Database, *, may_stay_empty: bool = False
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Fill them, each in its own transaction; the filled, and those that stay empty.

    Args:
        database: the side.
        may_stay_empty: one that finds no relation, function or type, or reads such a
            view, is no error.

    Raises:
        StepError: 4010, naming each that could not be filled; all others are.
    """
    filled, refused = fill_each(database)
    lost = NOT_FOUND | {NOT_POPULATED} if may_stay_empty else frozenset()
    unmeant = {n: e for n, e in refused.items() if e.sqlstate not in lost}
    if unmeant:
        raise _not_filled(unmeant, database.major)
    return tuple(filled), tuple(refused)


def fill_each(database: Database) -> tuple[list[str], dict[str, SqlError]]:
    """Fill them, those that others read first; which were, and what others met."""
    paths = SearchPaths(database)
    filled: list[str] = []
    refused: dict[str, SqlError] = {}
    for schema, name in database.rows(sql.SQL(_BY_DEPTH)):
        try:
            _refresh(database, schema, name, paths)
        except SqlError as error:
            refused[f"{schema}.{name}"] = error
        else:
            filled.append(f"{schema}.{name}")
    return filled, refused


def _refresh(database: Database, schema: str, name: str, paths: SearchPaths) -> None:
    """Fill one, under our own path or, where it needs another, under that.

    Up to 16 the functions that it calls see the path of the session that fills it.
    """
    refresh = sql.SQL("REFRESH MATERIALIZED VIEW {}").format(
        sql.Identifier(schema, name)
    )
    set_path = sql.SQL("SELECT pg_catalog.set_config('search_path', %s, true)")
    try:
        database.run(refresh)
    except SqlError as error:
        if error.sqlstate not in NOT_FOUND or database.major >= PATH_PINNED_SINCE:
            raise
        for path in paths.around(schema):
            with suppress(SqlError), database.transaction() as own:
                own.execute(set_path, (path,))
                own.execute(refresh)
                return
        raise


def _not_filled(refused: Mapping[str, SqlError], major: int) -> StepError:
    own = {n: e for n, e in refused.items() if e.sqlstate != NOT_POPULATED} or refused
    is_lost = any(e.sqlstate in NOT_FOUND for e in own.values())
    return StepError(
        Code.STATEMENT_REFUSED,
        f"materialized views of green could not be filled: {', '.join(refused)}",
        seen="\n".join(f"{name}: {error.seen}" for name, error in own.items()),
        wanted="rows in every materialized view; all others have theirs",
        traffic="blue (nothing has moved)",
        hint=f"{PINNED}; then run again"
        if is_lost and major >= PATH_PINNED_SINCE
        else "fix what the server names, then run again",
    )

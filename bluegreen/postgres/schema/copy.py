"""Copying a schema from one side to the other with the newest pg_dump.

Owns choosing entries of the dump: tables before the rows come, the keys that apply
needs with them, all other indexes, constraints and triggers after the rows. Rows
themselves come through the subscription. The dump is in `dump.py`, running its SQL in
`build.py`.

The SQL runs through our own session and not through pg_restore's: a pg_restore of 17
or newer sets a parameter that an older server does not know, and one transaction over
the whole of it leaves nothing half made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from psycopg import sql

from bluegreen.postgres.database import Database
from bluegreen.postgres.schema.build import Builder
from bluegreen.postgres.schema.dump import Entry, schema_dump

# What pg_dump puts after the rows, by the catalog entry that it prints.
_AFTER_ROWS = """
    SELECT 'pg_class'::regclass::oid::bigint AS catalog, c.oid::bigint AS oid
    FROM pg_class c WHERE c.relkind IN ('i', 'I', 'm') AND NOT EXISTS (
        SELECT FROM pg_constraint k WHERE k.conindid = c.oid
        AND k.contype IN ('p', 'u', 'x'))
    UNION ALL
    SELECT 'pg_constraint'::regclass::oid::bigint, k.oid::bigint FROM pg_constraint k
    WHERE k.contype IN ('p', 'u', 'x') OR (k.contype = 'f' AND k.conparentid = 0)
       OR (k.contype IN ('c', 'n') AND NOT k.convalidated)
    UNION ALL
    SELECT 'pg_trigger'::regclass::oid::bigint, t.oid::bigint FROM pg_trigger t
    WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgname <> 'bluegreen_fence'
    UNION ALL
    SELECT 'pg_rewrite'::regclass::oid::bigint, r.oid::bigint FROM pg_rewrite r
    WHERE r.rulename <> '_RETURN'
    UNION ALL
    SELECT 'pg_policy'::regclass::oid::bigint, p.oid::bigint FROM pg_policy p
    UNION ALL
    SELECT 'pg_statistic_ext'::regclass::oid::bigint, s.oid::bigint
    FROM pg_statistic_ext s
    UNION ALL
    SELECT 'pg_event_trigger'::regclass::oid::bigint, e.oid::bigint
    FROM pg_event_trigger e
"""

_IDENTITY_KEYS = """
    SELECT CASE WHEN k.oid IS NULL THEN 'pg_class'::regclass::oid::bigint
           ELSE 'pg_constraint'::regclass::oid::bigint END,
        coalesce(k.oid, i.indexrelid)::bigint
    FROM pg_index i LEFT JOIN pg_constraint k
        ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u')
    WHERE i.indisprimary OR i.indisreplident
"""


def copy_tables(publisher: Database, subscriber: Database) -> None:
    """Make everything that comes before the rows, in one transaction.

    Raises:
        SqlError: with the first object that failed.
    """
    with schema_dump(publisher, "pre-data") as dump:
        Builder(publisher, subscriber).together(dump.parts(dump.entries()))


def copy_keys(publisher: Database, subscriber: Database) -> int:
    """Make primary keys and replica identities that are missing; how many.

    Without them apply cannot find the rows of an UPDATE, while the copy still runs.
    """
    missing = missing_after_rows(publisher, subscriber)
    keys = {(int(c), int(o)) for c, o in publisher.rows(sql.SQL(_IDENTITY_KEYS))}
    with schema_dump(publisher, "post-data") as dump:
        chosen = [e for e in dump.entries() if (e.catalog, e.oid) in keys & missing]
        Builder(publisher, subscriber).each(dump.parts(chosen))
    return len(chosen)


def copy_rest(
    publisher: Database,
    subscriber: Database,
    *,
    workers: int,
    done: Callable[[int, int], None],
) -> int:
    """Build all that comes after the rows and is missing; returns how many.

    Indexes are built by several workers; what touches two tables, or depends on
    indexes, comes after them, one by one.

    Args:
        publisher: the side that has everything.
        subscriber: the side that lacks it.
        workers: how many indexes are built at once.
        done: called with how many entries are done, and of how many.
    """
    missing = missing_after_rows(publisher, subscriber)
    with schema_dump(publisher, "post-data") as dump:
        wanted = [e for e in dump.entries() if _is_wanted(e, missing)]
        indexes = [entry for entry in wanted if entry.is_index]
        others = [entry for entry in wanted if not entry.is_index]
        total = len(indexes) + len(others)
        builder = Builder(publisher, subscriber)
        parts = dump.parts(indexes)
        with ThreadPoolExecutor(workers) as pool:
            for number, _ in enumerate(pool.map(builder.alone, parts), 1):
                done(number, total)
        builder.each(dump.parts(others))
    done(total, total)
    return total


def missing_after_rows(
    publisher: Database, subscriber: Database
) -> set[tuple[int, int]]:
    """What only the publisher has, as its (catalog, oid).

    Objects are matched by pg_identify_object, whose names do not depend on versions.
    """
    there = {(catalog, name) for catalog, _, name in _identified(subscriber)}
    return {
        (catalog, oid)
        for catalog, oid, name in _identified(publisher)
        if (catalog, name) not in there
    }


def _identified(database: Database) -> Iterator[tuple[int, int, str]]:
    rows = database.rows(
        sql.SQL(
            "SELECT a.catalog, a.oid, i.identity FROM ({}) a,"
            " pg_identify_object(a.catalog::oid, a.oid::oid, 0) i"
            " WHERE i.identity !~"
            " '^(pg_catalog|pg_toast|information_schema|bluegreen)[.]'"
            " AND i.identity !~ ' on (pg_catalog|information_schema|bluegreen)[.]'"
        ).format(sql.SQL(_AFTER_ROWS))
    )
    return ((catalog, oid, name) for catalog, oid, name in rows)


def _is_wanted(entry: Entry, missing: set[tuple[int, int]]) -> bool:
    return (entry.catalog, entry.oid) in missing or entry.is_repeatable

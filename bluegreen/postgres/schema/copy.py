"""Copying a schema from one side to the other with the newest pg_dump.

Owns choosing entries of the dump: tables before the rows come, the keys that apply
needs with them, all that is left after the rows. Rows
themselves come through the subscription. The dump is in `dump.py`, running its SQL in
`build.py`.

The SQL runs through our own session and not through pg_restore's: a pg_restore of 17
or newer sets a parameter that an older server does not know, and one transaction over
the whole of it leaves nothing half made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from psycopg import sql

from bluegreen.postgres.database import Database
from bluegreen.postgres.schema.build import Builder
from bluegreen.postgres.schema.dump import Entry, Part, schema_dump
from bluegreen.postgres.schema.left_out import LeftOut, left_out_of
from bluegreen.postgres.schema.missing import missing_of

_IDENTITY_KEYS = """
    SELECT CASE WHEN k.oid IS NULL THEN 'pg_class'::regclass::oid::bigint
           ELSE 'pg_constraint'::regclass::oid::bigint END,
        coalesce(k.oid, i.indexrelid)::bigint
    FROM pg_index i LEFT JOIN pg_constraint k
        ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u')
    WHERE i.indisprimary OR i.indisreplident
"""


def copy_tables(
    publisher: Database, subscriber: Database, exclude: Sequence[str] = ()
) -> LeftOut:
    """Make everything that comes before the rows, in one transaction.

    Args:
        publisher: the side that has everything.
        subscriber: the side that lacks it.
        exclude: objects that are not made, nor what needs them; here and below.

    Returns:
        What was left out.

    Raises:
        SqlError: with the first object that failed.
    """
    with schema_dump(publisher, "pre-data") as dump:
        left = left_out_of(publisher, dump, exclude)
        entries = left.keep(dump.entries())
        Builder(publisher, subscriber).together(dump.parts(entries))
    return left


def copy_keys(
    publisher: Database, subscriber: Database, exclude: Sequence[str] = ()
) -> int:
    """Make primary keys and replica identities that are missing; how many.

    Without them apply cannot find the rows of an UPDATE, while the copy still runs.
    """
    keys = {(int(c), int(o)) for c, o in publisher.rows(sql.SQL(_IDENTITY_KEYS))}
    with schema_dump(publisher, "post-data") as dump:
        entries = left_out_of(publisher, dump, exclude).keep(dump.entries())
        found = [e for e in entries if (e.catalog, e.oid) in keys]
        missing = missing_of(publisher, subscriber, found)
        chosen = [e for e in found if (e.catalog, e.oid) in missing]
        Builder(publisher, subscriber).each(dump.parts(chosen))
    return len(chosen)


def copy_rest(
    publisher: Database,
    subscriber: Database,
    *,
    workers: int,
    done: Callable[[int, int], None],
    exclude: Sequence[str] = (),
) -> int:
    """Build all that comes after the rows and is missing; returns how many.

    Views that depend on keys come first, as they may have indexes. These are built by
    several workers; what touches two tables, or depends on indexes, comes after them,
    one by one.

    Args:
        publisher: the side that has everything.
        subscriber: the side that lacks it.
        workers: how many indexes are built at once.
        done: called with how many entries are done, and of how many.
        exclude: objects that are not made.
    """
    with schema_dump(publisher, "post-data") as dump:
        entries = left_out_of(publisher, dump, exclude).keep(dump.entries())
        wanted = _wanted(publisher, subscriber, entries)
        total = len(wanted)
        builder = Builder(publisher, subscriber)
        first = [entry for entry in wanted if entry.has_indexes]
        indexes = [entry for entry in wanted if entry.is_index]
        others = [entry for entry in wanted if entry not in {*first, *indexes}]
        builder.each(dump.parts(first))
        parts = dump.parts(indexes)
        with ThreadPoolExecutor(workers) as pool:
            built = pool.map(builder.alone, parts)
            for number, _ in enumerate(built, len(first) + 1):
                done(number, total)
        builder.each(sorted(dump.parts(others), key=_is_default_acl))
    done(total, total)
    return total


def missing_after_rows(
    publisher: Database, subscriber: Database, exclude: Sequence[str] = ()
) -> int:
    """How much of what comes after the rows is to be made.

    Grants and comments count, as their objects' catalogs do not say whether they are
    there.
    """
    with schema_dump(publisher, "post-data") as dump:
        entries = left_out_of(publisher, dump, exclude).keep(dump.entries())
        return len(_wanted(publisher, subscriber, entries))


def _wanted(
    publisher: Database, subscriber: Database, entries: Sequence[Entry]
) -> list[Entry]:
    missing = missing_of(publisher, subscriber, entries)
    return [e for e in entries if e.is_repeatable or (e.catalog, e.oid) in missing]


def _is_default_acl(part: Part) -> bool:
    """Last of all: it would add its grants to what is made after it."""
    return part.kind == "DEFAULT ACL"

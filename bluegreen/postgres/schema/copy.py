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

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from psycopg import sql

from bluegreen.postgres.database import Database, SqlError
from bluegreen.postgres.quoting import quote_name
from bluegreen.postgres.schema.build import Builder
from bluegreen.postgres.schema.dump import Dump, Entry, Part, schema_dump
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


class PartsRefused(SqlError):
    """Green refused parts of blue's schema, all of them told at once.

    Attributes:
        errors: of each part, in order.
    """

    def __init__(self, errors: Sequence[SqlError]) -> None:
        first = errors[0]
        super().__init__(first.refusal, first.side)
        self.errors = tuple(errors)
        self.seen = "\n".join(error.seen for error in errors)
        if len(errors) > 1:
            self.problem = f"{first.side} refused {len(errors)} statements"


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
    may_stay_open: Callable[[str], bool] = lambda _: False,
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
        may_stay_open: whether a foreign key that rows break, `constraint
            schema.table.name`, is made NOT VALID.
        exclude: objects that are not made.

    Raises:
        PartsRefused: with all that were refused; what needs none of them is made.
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
        refused = _Refused(dump)
        built = _build_at_once(builder, dump.parts(indexes), workers, refused)
        for number, _ in enumerate(built, len(first) + 1):
            done(number, total)
        last = sorted(dump.parts(others), key=_is_default_acl)
        broken: list[Part] = []

        def refuse(part: Part, error: SqlError) -> None:
            if may_stay_open(_foreign_key(error)):
                broken.append(_not_valid(part))
            else:
                refused.note(part, error)

        builder.each(refused.without_what_needs_one(last), refuse)
        builder.each(broken, refused.note)
    if refused.errors:
        raise PartsRefused(list(refused.errors.values()))
    done(total, total)
    return total


_ORPHAN = "23503"


def _foreign_key(error: SqlError) -> str:
    """The key that rows break, as an entry of `accept` names it; else empty."""
    diag = error.refusal.diag
    if error.sqlstate != _ORPHAN:
        return ""
    names = (diag.schema_name, diag.table_name, diag.constraint_name)
    return f"constraint {quote_name(*(name or '' for name in names))}"


def _not_valid(part: Part) -> Part:
    before, _, after = part.text.rpartition(";")
    return replace(part, text=f"{before} NOT VALID;{after}")


class _Refused:
    def __init__(self, dump: Dump) -> None:
        self.errors: dict[int, SqlError] = {}
        self._dump = dump
        self._needs: dict[int, set[int]] | None = None

    def note(self, part: Part, error: SqlError) -> None:
        self.errors[part.entry.dump_id] = error

    def without_what_needs_one(self, parts: Iterable[Part]) -> Iterator[Part]:
        """What rests on a refused part would be refused for that alone."""
        for part in parts:
            if self.errors and self._needs is None:
                self._needs = self._dump.needs()
            needed = (self._needs or {}).get(part.entry.dump_id, set())
            if needed.isdisjoint(self.errors):
                yield part


def _build_at_once(
    builder: Builder, parts: Sequence[Part], workers: int, refused: _Refused
) -> Iterator[Part]:
    """Each in a session of its own; yields those that are over, in order."""
    with ThreadPoolExecutor(workers) as pool:
        tried = pool.map(lambda part: _refusal(builder, part), parts)
        for part, error in zip(parts, tried, strict=True):
            if error is not None:
                refused.note(part, error)
            yield part


def _refusal(builder: Builder, part: Part) -> SqlError | None:
    try:
        builder.alone(part)
    except SqlError as error:
        return error
    return None


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

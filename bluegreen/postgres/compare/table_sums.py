"""Count and checksum of every table of one database, to hold a copy against.

Owns summing a whole database, also as a snapshot saw it. What a row's hash is made of
is for `checksum.py`; two live sides are compared in `rows.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from psycopg import Connection, sql

from bluegreen.postgres.compare import checksum
from bluegreen.postgres.compare.checksum import TablePlan
from bluegreen.postgres.compare.table_plans import plan_single
from bluegreen.postgres.database import Database, Row

TableSums = Mapping[str, str]
"""`schema.table` to `rows:checksum`, partitioned tables as wholes."""

_MOST_NAMED = 5


def sum_tables(
    database: Database,
    *,
    record: bool,
    snapshot: str | None = None,
    workers: int = 1,
    tell: Callable[[str], None] = lambda _: None,
) -> TableSums:
    """Read every table once.

    Args:
        database: whose tables are summed.
        record: hash records, which a server of 14 or newer can; both databases that
            are to be compared must be summed alike.
        snapshot: an exported snapshot to look through; now where None.
        workers: sessions that read at once.
        tell: called with the name of each table that is done; from any thread.
    """
    plans = plan_single(database, record=record)

    def sum_one(plan: TablePlan) -> tuple[str, str]:
        with _looking(database, snapshot) as session, database.translated():
            query = checksum.bucket_query(plan, database.side, bits=0)
            rows = session.execute(query).fetchall()
        tell(plan.full_name)
        return plan.full_name, _form(rows)

    with ThreadPoolExecutor(workers) as pool:
        return dict(pool.map(sum_one, plans))


def differences(wanted: TableSums, found: TableSums) -> list[str]:
    """What differs, a line for each table, the first few by name. Pure."""
    wrong = [
        f"{name}: {_told(wanted.get(name))} in the snapshot, "
        f"{_told(found.get(name))} restored"
        for name in sorted({*wanted, *found})
        if wanted.get(name) != found.get(name)
    ]
    more = len(wrong) - _MOST_NAMED
    return wrong[:_MOST_NAMED] + [f"and {more} tables more"] * (more > 0)


@contextmanager
def _looking(database: Database, snapshot: str | None) -> Iterator[Connection[Row]]:
    with database.connect(**checksum.SESSION) as session, session.transaction():
        session.execute(_READ_ONLY)
        if snapshot is not None:
            session.execute(_SNAPSHOT.format(sql.Literal(snapshot)))
        yield session


def _form(rows: list[Row]) -> str:
    """An empty table gives no bucket."""
    count, total = (int(rows[0][1]), int(rows[0][2])) if rows else (0, 0)
    return f"{count}:{total % (1 << 64):016x}"


def _told(one: str | None) -> str:
    if one is None:
        return "not there"
    count, _, total = one.partition(":")
    return f"{count} rows ({total})"


_READ_ONLY = sql.SQL("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
_SNAPSHOT = sql.SQL("SET TRANSACTION SNAPSHOT {}")

"""Which initial copies fail again and again, told by several looks at a subscription.

Owns telling a copy that failed from one that runs or waits. PostgreSQL tells the error
to its log alone and starts the copy again after `wal_retrieve_retry_interval`, without
end; from 15 on it counts the errors of all tables together. But each try writes the
table's row in pg_subscription_rel again (LogicalRepSyncTableStart in tablesync.c), so
that in every version a new `xmin` is a new try, and a table that is being copied
without a worker is one whose worker died.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from psycopg import sql

from bluegreen.postgres.database import Database


@dataclass(frozen=True, slots=True)
class CopyingTable:
    """A table whose rows are being copied, as one look shows it.

    Attributes:
        state: `d` while rows are copied, `f` once they are and what was written
            meanwhile is applied.
        written: the transaction that wrote the state.
        pid: its worker; None where none runs.
    """

    schema: str
    name: str
    state: str
    written: str
    pid: int | None

    @property
    def table(self) -> tuple[str, str]:
        """Schema and name."""
        return self.schema, self.name


def read_copying(subscriber: Database, subscription: str) -> tuple[CopyingTable, ...]:
    """The tables whose copy has begun and has not ended."""
    rows = subscriber.rows(_COPYING, (subscription,))
    return tuple(CopyingTable(*row) for row in rows)


class CopyTries:
    """Counts how often each table's copy was seen to fail."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], CopyingTable] = {}
        self._counted: set[tuple[str, str]] = set()
        """Tables whose last try is counted already."""
        self._failed: dict[tuple[str, str], int] = {}

    def look(self, copying: Iterable[CopyingTable]) -> dict[tuple[str, str], int]:
        """Take in what is seen now; returns the failures of tables not copied yet."""
        now = {one.table: one for one in copying}
        for table in self._last.keys() - now.keys():
            self._counted.discard(table)
            self._failed.pop(table, None)
        for table, one in now.items():
            self._count(self._last.get(table), one)
        self._last = now
        return dict(self._failed)

    def _count(self, before: CopyingTable | None, now: CopyingTable) -> None:
        if before is None:
            return
        again = now.written != before.written or (
            now.pid is not None and before.pid not in (None, now.pid)
        )
        # The first of two looks may lie between the worker's last commit and its end.
        gone = now.pid is None and before.pid is None
        if again:
            if now.table not in self._counted and now.state == before.state:
                self._failed[now.table] = self._failed.get(now.table, 0) + 1
            self._counted.discard(now.table)
        elif gone and now.table not in self._counted:
            self._failed[now.table] = self._failed.get(now.table, 0) + 1
            self._counted.add(now.table)
        elif now.pid is not None:
            self._counted.discard(now.table)


_COPYING = sql.SQL(
    """
    SELECT n.nspname, c.relname, r.srsubstate::text, r.xmin::text, w.pid
    FROM pg_catalog.pg_subscription s
    JOIN pg_catalog.pg_subscription_rel r ON r.srsubid = s.oid
    JOIN pg_catalog.pg_class c ON c.oid = r.srrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_stat_subscription w
        ON w.subid = s.oid AND w.relid = r.srrelid AND w.pid IS NOT NULL
    WHERE s.subname = %s AND r.srsubstate IN ('d', 'f') AND s.subenabled
        AND s.subdbid = (SELECT oid FROM pg_catalog.pg_database
            WHERE datname = pg_catalog.current_database())
    ORDER BY n.nspname, c.relname
    """
)

"""How far running COPYs are, from pg_stat_progress_copy (since 14)."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from bluegreen.model.duration import format_bytes
from bluegreen.postgres.database import Database


@dataclass(frozen=True, slots=True)
class CopyProgress:
    """All copies that run now, together.

    Attributes:
        tables: how many run.
        rows: rows they have written.
        bytes: bytes they have read.
    """

    tables: int
    rows: int
    bytes: int

    @property
    def text(self) -> str:
        """`3 running, 1200000 rows, 85 MB`; empty when none runs."""
        if not self.tables:
            return ""
        return f"{self.tables} running, {self.rows} rows, {format_bytes(self.bytes)}"


def read_copy_progress(database: Database) -> CopyProgress:
    """Sum up the copies into this database."""
    row = database.rows(
        sql.SQL(
            "SELECT count(*), coalesce(sum(tuples_processed), 0)::bigint,"
            " coalesce(sum(bytes_processed), 0)::bigint"
            " FROM pg_stat_progress_copy WHERE datname = current_database()"
            " AND command = 'COPY FROM'"
        )
    )[0]
    return CopyProgress(*row)

"""One instant of a database that pg_dump and we look at together.

Owns the exported snapshot and what is read in it: the LSN, the time, the tables that
the archive must hold, and which catalog entries are ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from bluegreen.model.codes import Code
from bluegreen.model.errors import PlaybookRefused
from bluegreen.postgres.catalog.scope import OURS_OR_SYSTEM, not_of_extension
from bluegreen.postgres.database import Database


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one exported snapshot of the server says.

    Attributes:
        id: for `pg_dump --snapshot`.
        lsn: WAL insert position right after it was taken.
        taken_at: by the server's clock, ISO 8601 in UTC.
        server: the server's version.
        major: the same, 13 to 18.
        tables: by OID, `schema.table` of each table whose rows are wanted.
        patterns: the same tables and their parents as pg_dump's `--table` takes them.
        ours: OIDs of catalog and entry of what bluegreen made on user objects.
    """

    id: str
    lsn: str
    taken_at: str
    server: str
    major: int
    tables: dict[int, str]
    patterns: tuple[str, ...]
    ours: frozenset[tuple[int, int]]

    @property
    def stamp(self) -> str:
        """The time in the form that file names have: `20260102T030405.678Z`."""
        return self.taken_at.replace("-", "").replace(":", "")


@contextmanager
def exported_snapshot(database: Database, only: Sequence[str]) -> Iterator[Snapshot]:
    """Hold a snapshot open for pg_dump, and read what it must hold.

    Raises:
        PlaybookRefused: 2009; a table in `only` is not there.
    """
    with database.connect() as session, session.transaction():
        with database.translated():
            session.execute(_BEGIN)
            moment = session.execute(_MOMENT).fetchall()[0]
            found = session.execute(_TABLES, {"only": list(only)}).fetchall()
            ours = session.execute(_OURS).fetchall()
        _require_all(only, found, database)
        name, lsn, taken_at, server, major = moment
        yield Snapshot(
            id=name,
            lsn=lsn,
            taken_at=taken_at,
            server=server,
            major=major,
            tables={oid: name for oid, name, _, rows, _ in found if rows},
            patterns=tuple(pattern for _, _, pattern, _, _ in found),
            ours=frozenset((catalog, oid) for catalog, oid in ours),
        )


def _require_all(
    only: Sequence[str], found: Sequence[tuple[Any, ...]], database: Database
) -> None:
    missing = sorted(set(only) - {name for _, name, _, _, named in found if named})
    if missing:
        raise PlaybookRefused(
            Code.STEP_DOES_NOT_FIT,
            f"the backup names tables that {database.side} does not have",
            seen=", ".join(missing),
            wanted="names of tables, `schema.table`",
            hint="fix `tables` of the step",
        )


_BEGIN = sql.SQL("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

_MOMENT = sql.SQL(
    """
    SELECT pg_export_snapshot(), pg_current_wal_insert_lsn()::text,
        to_char(clock_timestamp() AT TIME ZONE 'UTC',
            'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        current_setting('server_version'),
        current_setting('server_version_num')::integer / 10000
    """
)

# pg_dump leaves out members of extensions; a pattern in double quotes is a plain name.
_TABLES = sql.SQL(
    """
    SELECT DISTINCT c.oid::bigint, n.nspname || '.' || c.relname,
        '"' || replace(n.nspname, '"', '""') || '"."'
            || replace(c.relname, '"', '""') || '"',
        c.relkind = 'r', n.nspname || '.' || c.relname = ANY (%(only)s)
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
      AND NOT {} AND {}
      AND (%(only)s = '{{}}'::text[] OR EXISTS (
        SELECT FROM pg_class w
        JOIN pg_namespace wn ON wn.oid = w.relnamespace
        WHERE wn.nspname || '.' || w.relname = ANY (%(only)s)
          AND (w.oid = c.oid OR c.oid IN (SELECT relid FROM pg_partition_tree(w.oid)))
      ))
    """
).format(OURS_OR_SYSTEM, not_of_extension("pg_class", "c.oid"))

_OURS = sql.SQL(
    r"""
    SELECT 'pg_trigger'::regclass::oid::bigint, t.oid::bigint
        FROM pg_trigger t WHERE t.tgname = 'bluegreen_fence'
    UNION ALL
    SELECT 'pg_publication'::regclass::oid::bigint, p.oid::bigint
        FROM pg_publication p WHERE p.pubname LIKE 'bluegreen\_%'
    UNION ALL
    SELECT 'pg_publication_rel'::regclass::oid::bigint, r.oid::bigint
        FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
        WHERE p.pubname LIKE 'bluegreen\_%'
    """
)

"""What is known of a backup that was proved, as a value that the journal keeps.

Owns the fields, their JSON form, and which database a proof speaks of: it ends with
that database, and with the timeline that it was taken on. Taking one is for
`pg_dump.py`, its files for `store.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from bluegreen.model.body import Body
from bluegreen.model.codes import Code
from bluegreen.model.errors import StepError
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.identity import read_identity
from bluegreen.postgres.catalog.server_life import read_server_life
from bluegreen.postgres.compare.table_plans import RECORD_HASH_SINCE
from bluegreen.postgres.database import Database


@dataclass(frozen=True, slots=True)
class Source:
    """The database that a backup was taken of, by what its server says.

    Attributes:
        identity: the random identity row; empty where our schema was missing.
        system: the cluster's system identifier, as text: JSON in other hands has no
            integers of 64 bits.
        database: the database's OID.
        timeline: another one is a server that failed over or was restored since.
    """

    identity: str = ""
    system: str = ""
    database: int = 0
    timeline: int = 0

    def find_change(self, now: Source) -> str:
        """Why a backup of this one says nothing of what is there now; else empty."""
        if not self.system:
            return "an older bluegreen took it, and did not note of which database"
        if (self.system, self.database) != (now.system, now.database):
            return (
                f"it was taken of database {self.database} of system {self.system}, "
                f"and database {now.database} of system {now.system} answers"
            )
        if self.identity != now.identity:
            return (
                f"it was taken of the database with identity {self.identity or 'none'},"
                f" and {now.identity or 'none'} answers"
            )
        if self.timeline != now.timeline:
            return (
                f"it was taken on timeline {self.timeline}, and the server is on "
                f"{now.timeline}: it failed over or was restored since"
            )
        return ""


def read_source(database: Database) -> Source:
    """Ask the server."""
    life = read_server_life(database)
    oid = read_identity(database).database_oid
    return Source(life.identity, str(life.system), oid, life.timeline)


@dataclass(frozen=True, slots=True)
class BackupProof(Body):
    """A backup that was read from end to end after it was written.

    Attributes:
        path: the archive, a file or a folder, absolute.
        toc: the restore list beside it, for `pg_restore --use-list`.
        side: which side was dumped.
        tables: the only tables that it holds, `schema.table`; empty for all.
        held: how many tables have their rows in it.
        bytes: size of the archive.
        sha256: of the file, or of the folder's list of checksums.
        lsn: WAL insert position of the server when the snapshot was taken.
        taken_at: time of that snapshot by the server's clock, ISO 8601.
        server: the server's version.
        tool: pg_dump's version.
        source: the database that it was taken of.
        contents: `rows:checksum` of each table in that snapshot; empty unless it was
            asked for, as a restore needs it to be compared with.
        toc_sha256: of the restore list, which says what a restore leaves out; empty in
            a record of a version that kept none.
    """

    path: Path
    toc: Path
    side: Side
    tables: tuple[str, ...]
    held: int
    bytes: int
    sha256: str
    lsn: str
    taken_at: str
    server: str
    tool: str
    source: Source = field(default_factory=Source)
    contents: Mapping[str, str] = field(default_factory=dict)
    toc_sha256: str = ""

    @property
    def hashes_records(self) -> bool:
        """Which of the two forms of checksum `contents` has: the server decides."""
        major = re.match(r"\d+", self.server)
        return major is not None and int(major[0]) >= RECORD_HASH_SINCE

    def moved_to(self, folder: Path) -> Self:
        """The same archive in another folder."""
        return replace(self, path=folder / self.path.name, toc=folder / self.toc.name)

    def as_result(self) -> dict[str, Any]:
        """The proof as JSON values."""
        return self.as_body()

    @classmethod
    def from_result(cls, body: Mapping[str, Any]) -> Self:
        """Read it back from the journal.

        Raises:
            StepError: 4002; the record is of another form.
        """
        try:
            return cls.from_body(body)
        except (KeyError, TypeError, ValueError) as error:
            raise StepError(
                Code.BACKUP_NOT_PROVED,
                "the journal's record of a backup cannot be read",
                seen=f"{type(error).__name__}: {error}",
                wanted="a record of this version of bluegreen",
                hint="run again to take a new backup",
            ) from None

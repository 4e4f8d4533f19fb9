"""What is known of a backup that was proved, as a value that the journal keeps.

Owns the fields and their JSON form. Taking one is for `pg_dump.py`, its files for
`store.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from bluegreen.model.errors import StepError
from bluegreen.model.side import Side
from bluegreen.postgres.compare.table_plans import RECORD_HASH_SINCE


@dataclass(frozen=True, slots=True)
class BackupProof:
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
        contents: `rows:checksum` of each table in that snapshot; empty unless it was
            asked for, as a restore needs it to be compared with.
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
    contents: Mapping[str, str] = field(default_factory=dict)

    @property
    def hashes_records(self) -> bool:
        """Which of the two forms of checksum `contents` has: the server decides."""
        major = re.match(r"\d+", self.server)
        return major is not None and int(major[0]) >= RECORD_HASH_SINCE

    def as_result(self) -> dict[str, Any]:
        """The proof as JSON values."""
        return {
            **asdict(self),
            "path": str(self.path),
            "toc": str(self.toc),
            "side": str(self.side),
            "tables": list(self.tables),
        }

    @classmethod
    def from_result(cls, body: Mapping[str, Any]) -> Self:
        """Read it back from the journal.

        Raises:
            StepError: 4002; the record is of another form.
        """
        try:
            return cls(
                **{
                    **{
                        one.name: body[one.name]
                        for one in fields(cls)
                        if one.name != "contents"
                    },
                    "contents": dict(body.get("contents", {})),
                    "path": Path(body["path"]),
                    "toc": Path(body["toc"]),
                    "side": Side(body["side"]),
                    "tables": tuple(body["tables"]),
                }
            )
        except (KeyError, TypeError, ValueError) as error:
            raise StepError(
                4002,
                "the journal's record of a backup cannot be read",
                seen=f"{type(error).__name__}: {error}",
                wanted="a record of this version of bluegreen",
                hint="run again to take a new backup",
            ) from None

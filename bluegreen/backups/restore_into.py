"""Restoring a backup for good, into a database that is new and empty.

Owns which database may be restored into, and what counts as restored there. Which
backup it is, is for `way_back.py`; a trial that is thrown away for `restore.py`.

Nothing is ever dropped or overwritten: pg_restore runs without `--clean`.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bluegreen.backups import store
from bluegreen.backups.pg_dump import find_fault, require_unchanged
from bluegreen.backups.places import is_bucket
from bluegreen.backups.proof import BackupProof
from bluegreen.backups.restore import has_failed, restore_words, rows_in
from bluegreen.backups.stored import Stored, fetch_backup
from bluegreen.backups.way_back import KeptBackup
from bluegreen.model.codes import Code
from bluegreen.model.duration import format_bytes
from bluegreen.model.errors import BluegreenError, ServerRefused, StepError
from bluegreen.model.progress import Progress
from bluegreen.postgres.catalog.held import count_tables, names_of_relations
from bluegreen.postgres.catalog.identity import Identity, read_identity
from bluegreen.postgres.compare.table_sums import TableSums, differences, sum_tables
from bluegreen.postgres.database import Database
from bluegreen.postgres.tools import Ended, find_tool, run_tool

Tell = Callable[[Progress], None]

CALLED = "the database to restore into"

_MOST_NAMED = 5
_ROOM = 1.05
"""Headers of the tar, and blocks of small files."""


@dataclass(frozen=True, slots=True)
class RestoredInto:
    """What stands in the new database.

    Attributes:
        backup: the backup's id.
        into: address of the database.
        tables: how many came back.
        rows: how many rows in all.
        compared: `sums` where each row was held against blue's snapshot; `tables`
            where the proof has no sums, and only the tables were counted.
    """

    backup: str
    into: str
    tables: int
    rows: int
    compared: str


def require_new(
    target: Database, sides: Iterable[Database], proof: BackupProof
) -> None:
    """Refuse a database that is a side, or that holds anything.

    Sides are known by what the servers say, never by an address. A side that does not
    answer is known by the journal, and by our schema in it.

    Raises:
        ServerRefused: 3001 the target cannot be reached; 3010 it is not new and empty.
    """
    here = read_identity(target)
    if fault := _find_side(here, sides, proof):
        raise _not_new(target, fault)
    if found := names_of_relations(target):
        more = len(found) - _MOST_NAMED
        named = ", ".join(found[:_MOST_NAMED]) + f" and {more} more" * (more > 0)
        raise _not_new(target, f"it holds {named}")


@contextmanager
def brought_here(
    kept: KeptBackup, spool: Path, identities: Sequence[str]
) -> Iterator[BackupProof]:
    """The archive as it was proved, in a folder here; a copy is removed at the end.

    Raises:
        StepError: 4002; it is gone, changed or cannot be opened.
    """
    if kept.stored is None:
        require_unchanged(kept.proof)
        yield kept.proof
        return
    folder = _make_folder(spool, kept, kept.stored)
    try:
        proof = fetch_backup(kept.proof, kept.stored, folder, identities)
        if fault := find_fault(proof):
            raise StepError(
                Code.BACKUP_NOT_PROVED,
                "the backup in its place holds another archive than was proved",
                seen=fault,
                wanted=f"{proof.path.name} with the SHA-256 {proof.sha256}",
                hint="choose another one: `bluegreen restore PLAYBOOK` lists them",
            )
        yield proof
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def restore_into(
    target: Database,
    proof: BackupProof,
    *,
    workers: int = 1,
    owners: bool = False,
    tell: Tell = lambda _: None,
) -> RestoredInto:
    """Restore an archive that was checked into a database that was found empty.

    Args:
        target: the new database.
        proof: of the archive, which is unchanged.
        workers: tables that are restored and read at once.
        owners: restore owners and grants too; their roles must be there.
        tell: hears of what is done.

    Raises:
        ServerRefused: 3006; there is no pg_restore.
        StepError: 4002; pg_restore failed, or other rows came back than were dumped.
    """
    tool = find_tool("pg_restore")
    conninfo, environment = target.conninfo_for_tools()
    words = restore_words(
        proof, tool, server=target.major, workers=workers, owners=owners
    )
    ended = run_tool(tool, [f"--dbname={conninfo}", *words], environment=environment)
    if has_failed(ended, tool, target.major):
        raise _not_restored(target, proof, [], ended)
    tell(Progress("backup_restored", "pg_restore is done; what came back is compared"))
    found = sum_tables(target, record=proof.hashes_records, workers=workers)
    if wrong := _differences(target, proof, found):
        raise _not_restored(target, proof, wrong, ended)
    compared = "sums" if proof.contents else "tables"
    return RestoredInto("", target.address, len(found), rows_in(found), compared)


def _find_side(here: Identity, sides: Iterable[Database], proof: BackupProof) -> str:
    if here.id:
        return f"it was set up as {here.side} by playbook {here.playbook!r}"
    source = proof.source
    if (str(here.system), here.database_oid) == (source.system, source.database):
        return f"it is the database that the backup was taken of, {proof.side}"
    for side in sides:
        try:
            there = read_identity(side)
        except BluegreenError:
            # Away, or it cannot be asked: our schema in it, and its tables, speak.
            continue
        if (here.system, here.database_oid) == (there.system, there.database_oid):
            return f"it is {side.side}: system {here.system}, database " + str(
                here.database_oid
            )
    return ""


def _differences(target: Database, proof: BackupProof, found: TableSums) -> list[str]:
    if proof.contents:
        return differences(proof.contents, found)
    count = count_tables(target)
    if count == proof.held:
        return []
    return [f"{proof.held} tables were dumped, and {count} came back"]


def _make_folder(spool: Path, kept: KeptBackup, stored: Stored) -> Path:
    try:
        spool.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder = Path(tempfile.mkdtemp(prefix=".restore-", dir=spool))
    except OSError as error:
        raise StepError(
            Code.BACKUP_NOT_PROVED,
            "the backup cannot be brought here",
            seen=f"{spool}: {error.strerror}",
            wanted="a folder that we may write",
            hint="name one with --spool FOLDER",
        ) from None
    fetched = stored.bytes if is_bucket(stored.where) else 0
    free, needed = store.free_bytes(folder), int((fetched + kept.proof.bytes) * _ROOM)
    if free < needed:
        folder.rmdir()
        raise StepError(
            Code.BACKUP_NOT_PROVED,
            "there is no room to bring the backup here",
            seen=f"{format_bytes(free)} free in {spool}",
            wanted=f"{format_bytes(needed)} for the file and what is in it",
            hint="make room, or name another folder with --spool FOLDER",
        )
    return folder


def _not_new(target: Database, seen: str) -> ServerRefused:
    return ServerRefused(
        Code.TARGET_NOT_EMPTY,
        f"{target.address} is not a new, empty database",
        seen=seen,
        wanted="a database that is neither blue nor green and holds no relation",
        traffic="nothing was touched",
        hint="make one, CREATE DATABASE name TEMPLATE template0, and name it in --into",
    )


def _not_restored(
    target: Database, proof: BackupProof, wrong: list[str], ended: Ended
) -> StepError:
    return StepError(
        Code.BACKUP_NOT_PROVED,
        f"the backup {proof.path.name} was not restored into {target.address}",
        seen="\n".join([*wrong, ended.said]).strip(),
        wanted="every table with the rows that it had when it was dumped",
        traffic="blue and green were not touched",
        hint="fix what pg_restore names (an extension that the server lacks, a role, "
        "no room), drop that database, make it again, then call restore again",
    )

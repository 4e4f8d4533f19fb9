"""A pg_dump of one side that is proved readable before anybody relies on it.

Owns taking one and what counts as proved; both `backup` and `decommission` use it.
Files are for `store.py`, the value for `proof.py`, the snapshot for
`postgres/copy/exported_snapshot.py`.

Proved means: written whole, every table of the snapshot listed with its rows, all of
it unpacked once, and a checksum kept. Restored into a server is for `restore.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bluegreen.backups import store
from bluegreen.backups.proof import BackupProof, Source, read_source
from bluegreen.model.codes import Code
from bluegreen.model.duration import format_bytes
from bluegreen.model.errors import StepError
from bluegreen.model.progress import Progress
from bluegreen.model.side import Side
from bluegreen.postgres.compare.table_plans import RECORD_HASH_SINCE
from bluegreen.postgres.compare.table_sums import TableSums, sum_tables
from bluegreen.postgres.copy.exported_snapshot import Snapshot, exported_snapshot
from bluegreen.postgres.database import Database
from bluegreen.postgres.tools import Ended, Tool, find_tool, read_tool, run_tool

LOCK_WAIT = "60s"
"""ACCESS SHARE waits only behind ACCESS EXCLUSIVE, which is DDL of others."""

_ENTRY = re.compile(r"^\d+; (\d+) (\d+) ")
_TABLE_DATA = re.compile(r"^\d+; 0 (\d+) TABLE DATA ", re.MULTILINE)
_MOST_NAMED = 5
Tell = Callable[[Progress], None]


def take_backup(
    database: Database,
    folder: Path,
    stem: str,
    *,
    tables: Sequence[str] = (),
    workers: int = 1,
    sum_rows: bool = False,
    tell: Tell = lambda _: None,
) -> BackupProof:
    """Dump a side, prove the archive, and give it its name.

    pg_dump takes ACCESS SHARE on each table and holds back vacuum while it runs.

    Args:
        database: the side; our schema in it is left out, and subscriptions too, as
            their connection strings hold passwords.
        folder: where the archive goes; made, for us alone, if it is not there.
        stem: start of the name, e.g. `shop-blue`.
        tables: only these and their partitions, `schema.table`; all where empty.
        workers: 1 writes one custom-format file, more a folder, so many tables at once.
        sum_rows: read every table once more for the checksum that a restore is
            compared with.
        tell: hears of bytes written, twice a second.

    Raises:
        ServerRefused: 3005 or 3006; no pg_dump that knows this server.
        PlaybookRefused: 2009; a table in `tables` is not there.
        StepError: 4002; it could not be written, read, or found whole. What was
            written is removed.
    """
    folder = folder.absolute()
    with store.open_draft(folder, stem) as (draft, lock):
        with exported_snapshot(database, tables) as snapshot:
            tool = find_tool("pg_dump", at_least=snapshot.major)
            source = read_source(database)
            words = dump_words(draft, snapshot, bool(tables), workers)
            _dump(database, tool, words, draft, lock, tell)
            contents = _sum(database, snapshot, workers, tell) if sum_rows else {}
        listing = _read_whole(draft)
        _require_rows(snapshot.tables, listing)
        suffix = ".dir" if draft.is_dir() else ".dump"
        final = folder / f"{stem}-{snapshot.stamp}{suffix}"
        kept = _Kept(source, database.side, tuple(tables), contents)
        return _keep(draft, final, listing, snapshot, tool, kept)


def verify_backup(proof: BackupProof) -> None:
    """Prove again that a backup is there, unchanged, and unpacks to its end.

    Raises:
        ServerRefused: 3006; there is no pg_restore.
        StepError: 4002; says what is wrong with it.
    """
    require_unchanged(proof)
    _read_whole(proof.path)


def require_unchanged(proof: BackupProof) -> None:
    """Refuse an archive that is not what was proved.

    Raises:
        StepError: 4002; says what is wrong with it.
    """
    if fault := find_fault(proof):
        raise _not_proved(proof.path, fault)


def find_fault(proof: BackupProof) -> str:
    """What is wrong with the files of a backup, empty when nothing is.

    Reads the whole archive for its checksum; does not unpack it.
    """
    if not proof.path.exists():
        return f"{proof.path} is not there"
    if not proof.toc.is_file():
        return f"its restore list {proof.toc.name} is not there"
    try:
        if proof.toc_sha256 not in {"", store.sha256(proof.toc)}:
            return f"its restore list {proof.toc.name} has changed"
        lines = store.checksums(proof.path)
        if lines and store.digest(proof.path, lines) == proof.sha256:
            return ""
        return _changed(_sums(proof.path).read_text(), lines)
    except OSError as error:
        return f"{error.filename}: {error.strerror}"


def dump_words(
    draft: Path, snapshot: Snapshot, only_tables: bool, workers: int
) -> list[str]:
    """The arguments of pg_dump, all but how the server is reached. Pure."""
    words = [
        f"--file={draft}",
        f"--snapshot={snapshot.id}",
        f"--lock-wait-timeout={LOCK_WAIT}",
        "--exclude-schema=bluegreen",
        "--no-subscriptions",
        # It may be restored into a version with other key words.
        "--quote-all-identifiers",
        "--no-password",
    ]
    if workers > 1:
        words += ["--format=directory", f"--jobs={workers}"]
    else:
        words += ["--format=custom"]
    if only_tables:
        words += [f"--table={pattern}" for pattern in snapshot.patterns]
    return words


def restore_list(listing: str, left_out: frozenset[tuple[int, int]]) -> str:
    """pg_restore's list with the entries that are ours turned into comments. Pure.

    An entry is known by the OIDs of its catalog and of itself, as names may hold
    blanks.
    """

    def keep(line: str) -> str:
        entry = _ENTRY.match(line)
        ours = entry and (int(entry[1]), int(entry[2])) in left_out
        return f";{line}" if ours else line

    # Not splitlines(): a name may hold what it takes for a line's end.
    return "\n".join(keep(line) for line in listing.split("\n"))


def missing_rows(tables: Mapping[int, str], listing: str) -> list[str]:
    """Names of tables whose rows are not in the archive, by OID. Pure."""
    held = {int(oid) for oid in _TABLE_DATA.findall(listing)}
    return sorted(name for oid, name in tables.items() if oid not in held)


def _dump(
    database: Database, tool: Tool, words: list[str], draft: Path, lock: int, tell: Tell
) -> None:
    conninfo, environment = database.conninfo_for_tools()

    def monitor() -> None:
        size = store.size_of(draft)
        tell(Progress("backup_written", "backup written", done=size, unit="bytes"))

    ended = run_tool(
        tool,
        [*words, f"--dbname={conninfo}"],
        environment=environment,
        keep_open=(lock,),
        monitor=monitor,
    )
    if ended.status:
        free = format_bytes(store.free_bytes(draft.parent))
        raise StepError(
            Code.BACKUP_NOT_PROVED,
            f"pg_dump of {database.side} failed",
            seen=f"{_ending(ended)}\n{free} free in {draft.parent}",
            wanted="an archive written to its end",
            traffic="nothing has moved",
            hint="fix what pg_dump names, or give `to` a folder with more room; "
            "then run again. What was written is removed",
        )


def _sum(database: Database, snapshot: Snapshot, workers: int, tell: Tell) -> TableSums:
    """What each table held in the snapshot that pg_dump read."""

    def done(table: str) -> None:
        tell(Progress("backup_summed", f"{table} is summed"))

    return sum_tables(
        database,
        record=snapshot.major >= RECORD_HASH_SINCE,
        snapshot=snapshot.id,
        workers=workers,
        tell=done,
    )


def _read_whole(path: Path) -> str:
    """List an archive and unpack it once; returns the list."""
    tool = find_tool("pg_restore")
    ended, listing = read_tool(tool, ["--list", str(path)])
    if not ended.status:
        ended = run_tool(tool, ["--file=/dev/null", str(path)])
    if ended.status:
        raise _not_proved(path, _ending(ended))
    return listing


def _require_rows(tables: Mapping[int, str], listing: str) -> None:
    missing = missing_rows(tables, listing)
    if missing:
        more = len(missing) - _MOST_NAMED
        named = ", ".join(missing[:_MOST_NAMED]) + (f" and {more} more" * (more > 0))
        raise StepError(
            Code.BACKUP_NOT_PROVED,
            f"the backup lacks the rows of {len(missing)} tables",
            seen=f"no TABLE DATA entry for {named}",
            wanted="an entry for every table of the snapshot",
            traffic="nothing has moved",
            hint="may the role read these tables? Then run again",
        )


@dataclass(frozen=True, slots=True)
class _Kept:
    """What was dumped."""

    source: Source
    side: Side
    tables: tuple[str, ...]
    contents: TableSums


def _keep(
    draft: Path,
    final: Path,
    listing: str,
    snapshot: Snapshot,
    tool: Tool,
    kept: _Kept,
) -> BackupProof:
    """Name the archive and leave its checksums and restore list beside it."""
    lines = store.checksums(draft).replace(f"  {draft.name}\n", f"  {final.name}\n")
    toc = final.with_name(final.name + ".toc")
    store.write_durably(toc, restore_list(listing, snapshot.ours), private=True)
    store.write_durably(_sums(final), lines, private=True)
    store.give_name(draft, final)
    return BackupProof(
        path=final,
        toc=toc,
        side=kept.side,
        tables=kept.tables,
        held=len(snapshot.tables),
        bytes=store.size_of(final),
        sha256=store.digest(final, lines),
        lsn=snapshot.lsn,
        taken_at=snapshot.taken_at,
        server=snapshot.server,
        tool=tool.version,
        source=kept.source,
        contents=kept.contents,
        toc_sha256=store.sha256(toc),
    )


def _sums(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _changed(before: str, now: str) -> str:
    """Name the members that differ between two lists of checksums."""
    was = {name: digest for digest, name in map(str.split, before.splitlines())}
    found = {name: digest for digest, name in map(str.split, now.splitlines())}
    faults = [f"{name} is missing" for name in was.keys() - found.keys()]
    faults += [f"{name} was added" for name in found.keys() - was.keys()]
    faults += [
        f"{n} has changed" for n in was.keys() & found.keys() if was[n] != found[n]
    ]
    return (
        "; ".join(sorted(faults)[:_MOST_NAMED]) or "its list of checksums has changed"
    )


def _ending(ended: Ended) -> str:
    if ended.status < 0:
        return f"ended by signal {-ended.status}\n{ended.said}".strip()
    return ended.said or f"ended with status {ended.status} and said nothing"


def _not_proved(path: Path, fault: str) -> StepError:
    return StepError(
        Code.BACKUP_NOT_PROVED,
        f"the backup {path.name} does not hold",
        seen=fault,
        wanted="the archive as it was when it was proved",
        traffic="nothing has moved",
        hint="was it changed or moved by hand, or does the disk fail? Run again to "
        "take a new one",
    )

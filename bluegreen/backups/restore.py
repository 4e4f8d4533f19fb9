"""Restoring a backup into a database that is thrown away, and comparing what came back.

Owns what counts as restored: every table has the rows, by count and checksum, that the
snapshot had when it was dumped. The throw-away database is for
`postgres/copy/trial_database.py`.

Owners, grants and tablespaces belong to the cluster and are not restored; nor are
publications, which would only stand in the way.
"""

from __future__ import annotations

from dataclasses import dataclass

from bluegreen.backups.proof import BackupProof
from bluegreen.model.codes import Code
from bluegreen.model.errors import StepError
from bluegreen.postgres.compare.table_sums import TableSums, differences, sum_tables
from bluegreen.postgres.copy.trial_database import trial_database
from bluegreen.postgres.database import Database
from bluegreen.postgres.tools import Ended, Tool, find_tool, run_tool

_TRANSACTION_TIMEOUT_SINCE = 17
"""pg_restore of 17 or newer sets transaction_timeout, which older servers refuse."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What came back: how many tables, and how many rows in all."""

    tables: int
    rows: int


def try_restore(
    proof: BackupProof, beside: Database, playbook: str, *, workers: int = 1
) -> Restored:
    """Restore a backup on a server, compare every table, and drop what was restored.

    Args:
        proof: of a backup whose rows were summed when it was taken.
        beside: the database beside which the trial is made; it is not touched.
        playbook: whose trial it is; the throw-away database carries it.
        workers: tables that are restored and read at once.

    Raises:
        ServerRefused: 3004, 3006 or 3008; nothing was restored.
        StepError: 4002; rows are missing or others than they were.
    """
    tool = find_tool("pg_restore")
    with trial_database(beside, playbook) as trial:
        conninfo, environment = trial.conninfo_for_tools()
        words = restore_words(proof, tool, server=trial.major, workers=workers)
        ended = run_tool(
            tool, [f"--dbname={conninfo}", *words], environment=environment
        )
        found = sum_tables(trial, record=proof.hashes_records, workers=workers)
    wrong = differences(proof.contents, found)
    if wrong or has_failed(ended, tool, beside.major):
        raise _not_restored(proof, wrong, ended)
    return Restored(len(found), rows_in(found))


def restore_words(
    proof: BackupProof, tool: Tool, *, server: int, workers: int, owners: bool = False
) -> list[str]:
    """The arguments of pg_restore, all but how the server is reached. Pure."""
    words = [
        f"--use-list={proof.toc}",
        *(() if owners else ("--no-owner", "--no-privileges")),
        "--no-tablespaces",
        "--no-publications",
        "--no-password",
        f"--jobs={workers}",
    ]
    if not _refuses_settings(tool, server):
        words.append("--exit-on-error")
    return [*words, str(proof.path)]


def _refuses_settings(tool: Tool, server: int) -> bool:
    return server < _TRANSACTION_TIMEOUT_SINCE <= tool.major


def rows_in(sums: TableSums) -> int:
    """How many rows all tables have together. Pure."""
    return sum(int(one.partition(":")[0]) for one in sums.values())


def has_failed(ended: Ended, tool: Tool, server: int) -> bool:
    """Whether the status tells of more than the one setting that an old server lacks.

    Then only the comparison can tell, as the status does not say which error it was.
    """
    return bool(ended.status) and not _refuses_settings(tool, server)


def _not_restored(proof: BackupProof, wrong: list[str], ended: Ended) -> StepError:
    return StepError(
        Code.BACKUP_NOT_PROVED,
        f"the backup {proof.path.name} does not restore",
        seen="\n".join([*wrong, ended.said]).strip(),
        wanted="every table with the rows that it had when it was dumped",
        traffic="nothing has moved",
        hint="fix what pg_restore names (an extension that the server lacks, a role "
        "that a policy names, no room), then run again",
    )

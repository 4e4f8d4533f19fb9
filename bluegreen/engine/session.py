"""Getting hold of a pair of databases: are they a pair, the lease, the journal.

Owns the order of these three and letting go again. What is done with them is for
`runner.py` and the verbs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bluegreen.engine.journal import TwinJournal, open_journal
from bluegreen.engine.lease import Lease
from bluegreen.engine.records import Twins
from bluegreen.postgres.catalog.identity import require_pair
from bluegreen.postgres.database import Database
from bluegreen.postgres.journal.belonging import require_ours
from bluegreen.postgres.journal.own_schema import rename
from bluegreen.postgres.sync_wait import require_commits_return


@dataclass(frozen=True, slots=True)
class Engaged:
    """The lease, held on both sides, and the journal that only its holder writes."""

    lease: Lease
    journal: TwinJournal


@contextmanager
def engage(
    blue: Database,
    green: Database,
    playbook: str,
    run: str,
    twins: Twins | None = None,
) -> Iterator[Engaged]:
    """Hold both sides for one run; our schema is built where it is missing.

    What was read of the journals before may be given; it is read on from there.

    Raises:
        ServerRefused: 3001 a side cannot be reached; 3002 the two are no pair; 3003 a
            commit there would hang.
        PlaybookRefused: 2009 they were set up under another name.
        LeaseRefused: 8001 another operator holds the lease; 8002 the journals disagree;
            8004 a newer bluegreen has set them up.
    """
    # Before the lease: in one database under two names we would meet our own lock.
    require_pair(blue, green)
    require_ours((blue, green), playbook)
    require_commits_return(blue, green)
    with Lease(blue, green) as lease:
        # Once more: who held the lease before us may have set them up meanwhile.
        seen = require_ours((blue, green), playbook)
        journal = open_journal(
            blue, green, playbook, run, lease=lease.sessions, twins=twins
        )
        if any(one.playbook not in {"", playbook} for one in seen):
            for database in (blue, green):
                rename(database, playbook)
        yield Engaged(lease, journal)


@contextmanager
def engage_green(blue: Database, green: Database, run: str) -> Iterator[Engaged]:
    """Hold green alone, for the end of a blue that was released and is gone.

    Raises:
        ServerRefused: 3001; 3003 a commit there would hang.
        LeaseRefused: 8001 another operator holds the lease.
    """
    require_commits_return(green)
    with Lease(green) as lease:
        journal = TwinJournal(blue, green, run, lease=lease.sessions)
        yield Engaged(lease, journal)

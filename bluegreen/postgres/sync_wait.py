"""Whether a commit on a server waits for synchronous standbys that are not there.

Owns reading it and the refusal. Such a commit hangs: PostgreSQL ends the wait neither
at `statement_timeout` nor when the client is gone, and until it ends no session sees
what was committed, although it is on the server's own disk already.

A stream of ours counts for none: it is switched off in the pause, and a name of `*`
takes it for a standby.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from psycopg import sql

from bluegreen.model.codes import Code
from bluegreen.model.errors import BluegreenError, error_for
from bluegreen.model.side import Side
from bluegreen.postgres.database import Database
from bluegreen.postgres.hang_up import hung_up_after

REPAIR = (
    "connect the standby, or ALTER SYSTEM SET synchronous_standby_names = ''; "
    "SELECT pg_reload_conf();"
)

LOOK_WITHIN = timedelta(seconds=1)

_NUMBER = re.compile(r"\s*(?:FIRST|ANY)?\s*(\d+)\s*\(", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SyncWait:
    """What a commit on a server waits for.

    Attributes:
        names: `synchronous_standby_names`; empty where commits wait for none.
        there: standbys that stream and may be waited for, ours left out.
        unseen: WAL senders whose state our role may not see.
    """

    names: str = ""
    there: int = 0
    unseen: int = 0

    @property
    def wanted(self) -> int:
        """How many have to confirm each commit."""
        if not self.names.strip():
            return 0
        number = _NUMBER.match(self.names)
        return int(number[1]) if number else 1

    @property
    def hangs(self) -> bool:
        """Whether every commit hangs; one that is unseen may be a standby."""
        return self.there + self.unseen < self.wanted

    def say(self) -> str:
        """`every commit hangs: …`."""
        return (
            f"every commit hangs: synchronous_standby_names is '{self.names}', "
            f"{self.there} of {self.wanted} standbys stream"
        )


def read_sync_wait(database: Database) -> SyncWait:
    """One query; about a millisecond.

    Raises:
        SqlError: the server refused it.
        ServerGoneError: the connection broke.
    """
    [row] = database.rows(_STANDBYS)
    return SyncWait(*row)


def require_commits_return(
    *databases: Database, code: Code = Code.CHECK_BLOCKS
) -> None:
    """Refuse before the first write that would hang.

    Raises:
        ServerRefused: 3003, or the error of another code: behind a fence something was
            touched.
    """
    for database in databases:
        wait = read_sync_wait(database)
        if wait.hangs:
            raise _would_hang(code, database.side, wait)


def name_standby(error: BluegreenError, *databases: Database) -> None:
    """Say in the error that a commit of ours waits for a standby, where one does.

    A standby that stands still is connected, and holds a commit up all the same.
    """
    for database in databases:
        # It only explains: a side that does not answer is told by the error itself.
        with suppress(BluegreenError), hung_up_after(LOOK_WITHIN, database):
            for (names,) in database.rows(_WAITING):
                waits = (
                    f"a commit of ours on {database.side} waits for a synchronous "
                    f"standby: synchronous_standby_names is '{names}'"
                )
                if waits not in error.seen:
                    error.seen = "\n".join(filter(None, (error.seen, waits)))
                error.hint = f"on {database.side}: {REPAIR} Then run again"


def _would_hang(code: Code, side: Side, wait: SyncWait) -> BluegreenError:
    return error_for(
        code,
        f"{side} waits for a synchronous standby that is not connected",
        seen=f"on {side}: {wait.say()}",
        wanted="a commit that returns: bluegreen writes its records on both sides",
        hint=f"on {side}: {REPAIR} Then run again",
    )


# A walsender that is not streaming, or that no commit waits for, does not count.
_STANDBYS = sql.SQL(
    """
    SELECT pg_catalog.current_setting('synchronous_standby_names'),
        count(*) FILTER (WHERE w.state IN ('streaming', 'stopping')
            AND w.sync_state IN ('sync', 'quorum', 'potential')
            AND s.slot_name IS NULL),
        count(*) FILTER (WHERE w.pid IS NOT NULL AND w.state IS NULL)
    FROM (SELECT) AS one
    LEFT JOIN pg_catalog.pg_stat_get_wal_senders() w ON true
    LEFT JOIN pg_catalog.pg_replication_slots s ON s.active_pid = w.pid
        AND s.slot_type = 'logical'
        AND pg_catalog.starts_with(s.slot_name::text, 'bluegreen_')
    """
)

# Which of the server's sessions are ours is told by their name, as poolers know it.
_WAITING = sql.SQL(
    """
    SELECT pg_catalog.current_setting('synchronous_standby_names')
    WHERE EXISTS (SELECT FROM pg_catalog.pg_stat_activity
        WHERE wait_event = 'SyncRep'
            AND pg_catalog.starts_with(application_name, 'bluegreen'))
    """
)

"""What statements on the journal, the lease and a server's identity mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import psycopg

from bluegreen.model.side import Side
from bluegreen.postgres.journal import own_schema
from bluegreen.postgres.journal.table import NOT_NEWEST
from tests.kit.simulated_session import JOURNAL, Meanings, Rows, Session, lsn


class NotNewest(psycopg.Error):
    """As the server says it of a command that comes too late."""

    sqlstate = NOT_NEWEST


class JournalSql(Session):
    """Sessions as they answer to it."""

    def journal_rows(self, _: str, params: Sequence[Any]) -> Rows:
        self.actor.asks()
        return list(self.server.data.journal[params[0] :])

    def last_pause(self, *_: Any) -> Rows:
        self.actor.asks()
        told = [row for row in self.server.data.journal if row[2] == "pausing"]
        return told[-1:]

    def add_record(self, _: str, params: Sequence[Any]) -> Rows:
        """Only while the session that the statement names holds the lease."""
        for pid in params[9:]:
            holder = self.server.locks.get((7331, 1))
            if holder is None or holder.info.backend_pid != pid:
                return []
        self._add((*params[:6], params[6].obj, *params[7:9]))
        return [(params[0],)]

    def run_while(self, text: str, _: Sequence[Any]) -> None:
        """A command that asks the journal first, in one transaction."""
        self.await_journal()
        newest = self.server.data.journal
        if found := re.search(r"seq >= (\d+)", text):
            passed = len(newest) >= int(found[1])
        else:
            pause = int(re.findall(r"seq > (\d+)", text)[0])
            passed = any(row[2] == "pausing" and row[0] > pause for row in newest)
        if passed:
            raise NotNewest("others have moved on")
        command = re.findall(r"EXECUTE '+(.*?)'+;", text)[0]
        type(self).meaning(command)(self, command, ())

    def lock_journal(self, *_: Any) -> None:
        """Until the session ends; so it is never held over another's transaction."""
        self.server.locks.setdefault(JOURNAL, self)

    def _add(self, row: tuple[Any, ...]) -> None:
        self.await_journal()
        journal = self.server.data.journal
        if row[0] <= len(journal):
            raise psycopg.errors.UniqueViolation("number taken")
        assert row[0] == len(journal) + 1, "a gap in the journal"
        self.server.alter(journal=(*journal, row))
        there = self.server.world.servers[self.server.side.other].data.journal
        if row[2] == "pausing" and row in there:
            self.server.world.pauses[row[4]] = self.server.world.number()

    def commit_move(self, _: str, params: Sequence[Any]) -> Rows:
        seq, kind, epoch, run, action, body, writer, follows, before = params
        if self.server.world.time >= before:
            return []
        self.await_journal()
        origin = lsn(len(self.server.data.wal))
        told = {**body.obj, "origin_position": origin}
        now = self.server.world.time
        self._add((seq, now, kind, epoch, run, action, told, writer, follows))
        self.server.alter(shut=False)
        return [(origin,)]

    def clock(self, *_: Any) -> Rows:
        return [(self.server.world.time,)]

    def control(self, *_: Any) -> Rows:
        return [(self._number, 1, self.server.data.timeline, True)]

    def life(self, *_: Any) -> Rows:
        return [(self._number, f"{self.server.data.timeline:08X}", False)]

    @property
    def _number(self) -> int:
        return 1 if self.server.side is Side.BLUE else 2

    def started(self, *_: Any) -> Rows:
        return [(str(self.server.started),)]

    def identity(self, *_: Any) -> Rows:
        return [(str(self.server.side), self.server.identity, "sim")]

    def identity_id(self, *_: Any) -> Rows:
        return [(self.server.identity,)]

    def own_schema_version(self, *_: Any) -> Rows:
        return [(own_schema.VERSION,)]

    def version_number(self, *_: Any) -> Rows:
        return [(180000,)]

    def lock(self, _: str, params: Sequence[Any]) -> Rows:
        holder = self.server.locks.setdefault(tuple(params), self)
        return [(holder is self,)]

    def holder(self, _: str, params: Sequence[Any]) -> Rows:
        found = self.server.locks.get(tuple(params))
        told = (found.actor.name, None, None, None, 1, "sim", True) if found else ()
        return [told] if told else []

    def holds_lease(self, *_: Any) -> Rows:
        return [(int(self.server.locks.get((7331, 1)) is self),)]

    def release(self, *_: Any) -> Rows:
        self.server.forget(self)
        return [("",)]


JOURNAL_MEANINGS: Meanings = (
    ("to_regclass('bluegreen.journal') IS NOT NULL", Session.yes),
    ("to_regclass('bluegreen.identity') IS NULL", Session.no),
    ("SELECT to_regclass('bluegreen.identity') IS NOT NULL", Session.yes),
    ("UNION SELECT pubname::text FROM", Session.none),
    ("to_regclass('bluegreen.lease') IS NOT NULL", Session.no),
    ("SELECT version FROM bluegreen.identity", JournalSql.own_schema_version),
    ("WHERE kind IN ('pausing') ORDER BY", JournalSql.last_pause),
    ("SELECT seq, at, kind", JournalSql.journal_rows),
    ("DO 'BEGIN LOCK TABLE bluegreen.journal", JournalSql.run_while),
    ("INSERT INTO bluegreen.journal", JournalSql.add_record),
    ("SELECT bluegreen.commit_move(", JournalSql.commit_move),
    ("SELECT clock_timestamp()", JournalSql.clock),
    ("pg_is_in_recovery() AS standby", JournalSql.life),
    ("FROM pg_control_system()", JournalSql.control),
    ("to_char(pg_postmaster_start_time()", JournalSql.started),
    ("SELECT side, id::text, playbook", JournalSql.identity),
    ("SELECT id::text FROM bluegreen.identity", JournalSql.identity_id),
    ("LOCK TABLE bluegreen.journal", JournalSql.lock_journal),
    ("current_setting('server_version_num')", JournalSql.version_number),
    ("current_setting('server_version')", Session.name),
    ("SELECT current_database()", Session.name),
    ("SELECT pg_try_advisory_lock(", JournalSql.lock),
    ("SELECT coalesce(a.application_name", JournalSql.holder),
    ("SELECT EXISTS ( SELECT FROM pg_catalog.pg_locks", JournalSql.holds_lease),
    ("pg_advisory_unlock_all()", JournalSql.release),
)

"""What statements on the fence, the tables and the sequences of a side mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import psycopg

from tests.kit.simulated_data import Change
from tests.kit.simulated_session import SWITCH, Meanings, Rows, Session

LONGEST_S = 60.0
"""How long a client's transaction stays open at most."""


class FenceSql(Session):
    """Sessions as they answer to it."""

    def fence(self, *_: Any) -> Rows:
        data = self.server.data
        missing, switch = len(data.tables - data.made), SWITCH in self.server.locks
        off, touched = len(data.off), sorted(data.touched - data.off)
        closed = len(data.closed)
        return [(len(data.tables), missing, closed, off, data.shut, switch, touched)]

    def unfenced(self, *_: Any) -> Rows:
        data = self.server.data
        lacking = sorted(data.tables - data.fenced)
        return [("public", table, False, table in data.made) for table in lacking]

    def fenced(self, *_: Any) -> Rows:
        return [("public", table) for table in sorted(self.server.data.made)]

    def unfenced_names(self, *_: Any) -> Rows:
        data = self.server.data
        return [(f"public.{table}",) for table in sorted(data.tables - data.fenced)]

    def table_set(self, text: str, _: Sequence[Any]) -> Rows:
        data, sent = self.server.data, self._sent(text)
        prints = ",".join(sorted(data.tables)), str(sorted(sent.items()))
        unfenced = len(data.tables - data.fenced)
        return [(len(data.tables), prints[0], len(sent), prints[1], unfenced)]

    def mark(self, *_: Any) -> Rows:
        """Of all that a `TableSet` tells of; what was made anew has another OID."""
        data = self.server.data
        seen = sorted(data.tables), sorted(data.fenced), data.publications
        return [("7", str(seen))]

    def table_prints(self, text: str, _: Sequence[Any]) -> Rows:
        tables, sent = sorted(self.server.data.tables), self._sent(text)
        return [(f"public.{table}", f"{table}:{sent.get(table)}") for table in tables]

    def _sent(self, text: str) -> dict[str, int]:
        name = re.findall(r"pubname = '(\w+)'", text)[0]
        return self.server.data.published(name) or {}

    def make_trigger(self, text: str, _: Sequence[Any]) -> None:
        table = text.split('"')[3]
        self._await_writers(table)
        self.server.touch(table, made=self.server.data.made | {table})

    def enable_trigger(self, text: str, _: Sequence[Any]) -> None:
        table = text.split('"')[3]
        self._await_writers(table)
        self.server.touch(table, off=self.server.data.off - {table})

    def _await_writers(self, table: str) -> None:
        """Its lock conflicts with theirs, and it waits only briefly."""
        if table in self.server.writers.values():
            raise psycopg.errors.LockNotAvailable("lock timeout")

    def drop_trigger(self, text: str, _: Sequence[Any]) -> None:
        made, off = self.server.data.made, self.server.data.off
        table = {text.split('"')[3]}
        self.server.alter(made=made - table, off=off - table)

    def set_lock_timeout(self, _: str, params: Sequence[Any]) -> None:
        text = params[0]
        milliseconds = text.endswith("ms")
        self._lock_timeout = float(text.rstrip("ms")) / (1000 if milliseconds else 1)

    def close_all(self, *_: Any) -> None:
        """Waits for every client that holds the gate, then shuts the side at once."""
        world = self.server.world
        self.closing = True
        # Zero is no limit; but no client's transaction stays open for ever.
        self.lock_until = world.now + (self._lock_timeout or float("inf"))
        ends = world.now + LONGEST_S
        while self.server.gated:
            if world.now >= self.lock_until:
                self.closing = False
                raise psycopg.errors.LockNotAvailable("lock timeout")
            self.actor.sleep(0.2)
            self._require()
            if world.now > ends:
                self.server.end_writers()
        self.closing = False
        self.server.shut()
        # A transaction around it that fails does not take a sequence's value back.
        self._before = replace(self._before, shut=True)

    def open_all(self, *_: Any) -> None:
        self.server.alter(shut=False)

    def await_switch(self, *_: Any) -> None:
        if self.server.locks.setdefault(SWITCH, self) is not self:
            raise psycopg.errors.LockNotAvailable("lock timeout")

    def end_switches(self, *_: Any) -> Rows:
        """Ends whoever holds the lock of the fence's switch."""
        found = self.server.locks.get(SWITCH)
        if found is None:
            return [(0,)]
        self.server.terminate(found)
        return [(1,)]

    def sequences(self, *_: Any) -> Rows:
        last = self.server.data.sequence
        return [(1, "public", "ids", max(1, last), last > 0)]

    def ranges(self, *_: Any) -> Rows:
        return [(1, "public", "ids", "bigint", 1, 2**63 - 1, 1, False, 1)]

    def set_sequences(self, _: str, params: Sequence[Any]) -> Rows:
        wanted, while_free, *_rest = params[0].obj, *params[1:]
        if len(self.server.data.journal) >= while_free:
            return [(0,)]
        for _schema, _name, last, called in wanted:
            self.server.alter(sequence=last if called else 0)
        return [(len(wanted),)]

    def all_rows(self, *_: Any) -> Rows:
        """Not a statement of ours: the rows that travel, to be compared."""
        found: frozenset[Change] = self.server.data.rows
        return [(row,) for row in found if row.table != "c"]


FENCE_MEANINGS: Meanings = (
    ("to_regclass('bluegreen.fence') IS NOT NULL", Session.yes),
    ("FILTER (WHERE NOT f.enabled)", FenceSql.fence),
    ("WHERE f.enabled IS NOT TRUE", FenceSql.unfenced),
    ("WHERE NOT t.fenced AND", FenceSql.unfenced_names),
    ("AS unfenced FROM", FenceSql.table_set),
    ("pg_snapshot_xmin(pg_current_snapshot())::text, concat_ws", FenceSql.mark),
    ("t.print::text || coalesce(", FenceSql.table_prints),
    ("SELECT n.nspname, c.relname FROM ( SELECT t.tgrelid", FenceSql.fenced),
    ("CREATE TRIGGER bluegreen_fence", FenceSql.make_trigger),
    ("ENABLE TRIGGER bluegreen_fence", FenceSql.enable_trigger),
    ("DROP TRIGGER IF EXISTS bluegreen_fence", FenceSql.drop_trigger),
    ("set_config('lock_timeout'", FenceSql.set_lock_timeout),
    ("set_config('statement_timeout'", Session.nothing),
    ("set_config('deadlock_timeout'", Session.nothing),
    ("set_config(name, '0', false)", Session.nothing),
    ("CALL bluegreen.set_fence(true)", FenceSql.close_all),
    ("CALL bluegreen.set_fence(false)", FenceSql.open_all),
    ("unnest(pg_blocking_pids(", Session.none),
    ("LOCK TABLE bluegreen.fence", FenceSql.await_switch),
    ("count(pg_terminate_backend(l.pid))", FenceSql.end_switches),
    ("l.granted AND l.mode NOT IN", Session.none),
    ("bluegreen.sequence_values(", FenceSql.sequences),
    ("has_function_privilege( to_regprocedure(", Session.yes),
    ("s.seqincrement, s.seqcycle, s.seqstart", FenceSql.ranges),
    ("SELECT d.objid AS seq, d.refobjid AS rel", Session.none),
    ("SELECT count(setval(", FenceSql.set_sequences),
    ("TABLE everything", FenceSql.all_rows),
)

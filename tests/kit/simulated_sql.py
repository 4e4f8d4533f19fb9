"""What a simulated server answers to our SQL, statement by statement.

Owns the handle, the session and the meaning of every statement that a movement sends;
one that is not known is an error, never an empty answer. The state is in
`simulated.py`. Transactions are whole: nobody looks between their statements.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import Any

import psycopg
from psycopg import pq, sql

from bluegreen.model.errors import ServerRefused
from bluegreen.model.side import Side
from bluegreen.postgres.database import Database
from bluegreen.postgres.journal import own_schema
from bluegreen.postgres.journal.table import NOT_NEWEST
from tests.kit.simulated import TABLES, Server, Subscription, put
from tests.kit.simulated_actors import Actor

Rows = list[tuple[Any, ...]]


JOURNAL, SWITCH = (0, 0), (0, 1)
"""Stand for the locks on the journal and on the fence's table among the advisory ones.
"""


class SimulatedDatabase(Database):
    """A side's handle as one actor holds it; only its sessions are made up.

    `server` may be another side's: then the operator has mixed up the addresses.
    """

    def __init__(self, actor: Actor, side: Side, server: Server) -> None:
        super().__init__(side, f"host={server.side} dbname=sim")
        self.actor = actor
        self.server = server

    def connect(self, **settings: Any) -> Any:
        self.actor.effect()
        if not self.server.answers or self.server.side in self.actor.cut:
            raise ServerRefused(3001, f"{self.side} cannot be reached")
        return Session(self.actor, self.server, settings)


class Answer:
    """What a cursor is to our code."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def fetchall(self) -> Rows:
        return self._rows

    def fetchone(self) -> tuple[Any, ...] | None:
        return self._rows[0] if self._rows else None


class NotNewest(psycopg.Error):
    """As the server says it of a command that comes too late."""

    sqlstate = NOT_NEWEST


class Info:
    server_version = 180000

    def __init__(self, pid: int) -> None:
        self.backend_pid = pid


class Session:
    """A connection to a simulated server.

    Attributes:
        lost: the server has ended it; `broken`, as psycopg notices at its next use.
        closing: a running statement waits for writers, to shut the side.
        lock_until: when that statement gives up waiting for a lock.
    """

    def __init__(self, actor: Actor, server: Server, settings: dict[str, Any]) -> None:
        self.actor, self.server = actor, server
        self.closed = self.broken = self.lost = False
        self.info = Info(server.world.number())
        self.closing = False
        self.lock_until = float("inf")
        self._lock_timeout = float("inf")
        self._synchronous = settings.get("synchronous_commit", "on") != "off"
        self._inside = False
        self._before = server.data
        self.pgconn = self
        self._answer: bytes | None = None
        server.sessions.append(self)

    def execute(self, query: Any, params: Sequence[Any] | None = None) -> Answer:
        text = _text(query)
        if not self._inside:
            self.actor.effect()
        self._require()
        before = self.server.data
        rows = _meaning(text)(self, text, params or ())
        if not self._inside and self.server.data is not before:
            self._commit(self._synchronous)
        return Answer(rows or [])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.actor.effect()
        self._require()
        self._before = self.server.data
        self._inside = True
        try:
            yield
        except BaseException:
            self.server.data = self._before
            raise
        finally:
            self._inside = False
            self.end_transaction()
        self._commit(self._synchronous)

    def _commit(self, synchronous: bool) -> None:
        server = self.server
        server.commit(synchronous=synchronous)
        if synchronous and server.says_nothing:
            server.says_nothing = False
            server.crash(lose=True)
            self._require()

    def _require(self) -> None:
        cut = self.server.side in self.actor.cut
        if self.lost or self.closed or cut or not self.server.answers:
            self.broken = True
            raise psycopg.OperationalError("the connection is lost")

    def close(self) -> None:
        if not self.actor.dead and not self.closed:
            self.closed = True
            if self.server.side not in self.actor.cut:
                self.server.terminate(self)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # libpq as the lease uses it.
    socket = 0

    def send_query(self, query: bytes) -> None:
        self._answer = str(self.execute(query.decode()).fetchall()[0][0]).encode()

    def is_busy(self) -> bool:
        return False

    def consume_input(self) -> None:
        self._require()

    def get_result(self) -> Any:
        found, self._answer = self._answer, None
        return None if found is None else Found(found)

    # What statements mean.

    def journal_rows(self, _: str, params: Sequence[Any]) -> Rows:
        return list(self.server.data.journal[params[0] :])

    def last_pause(self, *_: Any) -> Rows:
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
        self._await_journal()
        newest = self.server.data.journal
        if found := re.search(r"seq >= (\d+)", text):
            passed = len(newest) >= int(found[1])
        else:
            pause = int(re.findall(r"seq > (\d+)", text)[0])
            passed = any(row[2] == "pausing" and row[0] > pause for row in newest)
        if passed:
            raise NotNewest("others have moved on")
        self.enable(re.findall(r"EXECUTE '+(.*?)'+;", text)[0], ())

    def lock_journal(self, *_: Any) -> None:
        """Until the session ends; so it is never held over another's transaction."""
        self.server.locks.setdefault(JOURNAL, self)

    def _await_journal(self) -> None:
        """Whatever writes to it comes first in its transaction."""
        while self.server.locks.get(JOURNAL, self) is not self:
            self.actor.sleep(0.2)
            self._require()
        self._before = self.server.data

    def _add(self, row: tuple[Any, ...]) -> None:
        self._await_journal()
        journal = self.server.data.journal
        if row[0] <= len(journal):
            raise psycopg.errors.UniqueViolation("number taken")
        assert row[0] == len(journal) + 1, "a gap in the journal"
        self.server.alter(journal=(*journal, row))

    def standbys(self, _text: str, _params: Sequence[Any]) -> Rows:
        return [("", 0, 0)]

    def clock(self, *_: Any) -> Rows:
        return [(self.server.world.time,)]

    def control(self, *_: Any) -> Rows:
        return [(1 if self.server.side is Side.BLUE else 2, 1, 1, True)]

    def identity(self, *_: Any) -> Rows:
        return [(str(self.server.side), self.server.identity, "sim")]

    def identity_id(self, *_: Any) -> Rows:
        return [(self.server.identity,)]

    def own_schema_version(self, *_: Any) -> Rows:
        return [(own_schema.VERSION,)]

    def fence(self, *_: Any) -> Rows:
        data = self.server.data
        missing, switch = len(TABLES) - len(data.made), SWITCH in self.server.locks
        return [(len(TABLES), missing, len(data.closed), 0, data.shut, switch, [])]

    def unfenced(self, *_: Any) -> Rows:
        made = self.server.data.made
        return [("public", t, False, False) for t in TABLES if t not in made]

    def fenced(self, *_: Any) -> Rows:
        return [("public", table) for table in sorted(self.server.data.made)]

    def unfenced_names(self, *_: Any) -> Rows:
        return [(f"public.{t}",) for t in TABLES if t not in self.server.data.made]

    def table_set(self, *_: Any) -> Rows:
        return [(len(TABLES), "0", len(TABLES), "0", len(self.unfenced_names()))]

    def make_trigger(self, text: str, _: Sequence[Any]) -> None:
        table = text.split('"')[3]
        self.server.alter(made=self.server.data.made | {table})

    def drop_trigger(self, text: str, _: Sequence[Any]) -> None:
        self.server.alter(made=self.server.data.made - {text.split('"')[3]})

    def set_lock_timeout(self, _: str, params: Sequence[Any]) -> None:
        text = params[0]
        milliseconds = text.endswith("ms")
        self._lock_timeout = float(text.rstrip("ms")) / (1000 if milliseconds else 1)

    def close_all(self, *_: Any) -> None:
        """Waits for every client that has written, then shuts the side at once."""
        world = self.server.world
        self.closing = True
        self.lock_until = world.now + self._lock_timeout
        while self.server.writers:
            if world.now >= self.lock_until:
                self.closing = False
                raise psycopg.errors.LockNotAvailable("lock timeout")
            self.actor.sleep(0.2)
            self._require()
        self.closing = False
        self.server.shut()
        # A transaction around it that fails does not take a sequence's value back.
        self._before = replace(self._before, shut=True)

    def open_all(self, *_: Any) -> None:
        self.server.alter(shut=False)

    def end_transaction(self, *_: Any) -> None:
        """Locks on tables end with it."""
        held = self.server.locks
        if held.get(SWITCH) is self:
            self.server.locks = {k: s for k, s in held.items() if k != SWITCH}

    def blockers(self, *_: Any) -> Rows:
        return []

    def mark(self, _: str, params: Sequence[Any]) -> None:
        self.server.mark(params[0])

    def insert_position(self, *_: Any) -> Rows:
        return [(_lsn(len(self.server.data.wal)),)]

    def flush_position(self, *_: Any) -> Rows:
        return [(_lsn(len(self.server.synced.wal)),)]

    def has_marker(self, _: str, params: Sequence[Any]) -> Rows:
        return [(params[0] in self.server.data.markers,)]

    def sequences(self, *_: Any) -> Rows:
        last = self.server.data.sequence
        return [(1, "public", "ids", max(1, last), last > 0)]

    def set_sequences(self, _: str, params: Sequence[Any]) -> Rows:
        wanted, while_free, *_rest = params[0].obj, *params[1:]
        if len(self.server.data.journal) >= while_free:
            return [(0,)]
        for _schema, _name, last, called in wanted:
            self.server.alter(sequence=last if called else 0)
        return [(len(wanted),)]

    def commit_move(self, _: str, params: Sequence[Any]) -> Rows:
        seq, kind, epoch, run, action, body, writer, follows, before = params
        if self.server.world.time >= before:
            return []
        self._await_journal()
        origin = _lsn(len(self.server.data.wal))
        told = {**body.obj, "origin_position": origin}
        now = self.server.world.time
        self._add((seq, now, kind, epoch, run, action, told, writer, follows))
        self.server.alter(shut=False)
        return [(origin,)]

    def slot(self, _: str, params: Sequence[Any]) -> Rows:
        start = dict(self.server.data.slots).get(params[0])
        return [] if start is None else [(None, "reserved", 0)]

    def make_slot(self, _: str, params: Sequence[Any]) -> None:
        data = self.server.data
        if params[0] in dict(data.slots):
            raise psycopg.errors.DuplicateObject("slot exists")
        self.server.alter(slots=put(data.slots, params[0], len(data.wal)))

    def drop_slot(self, _: str, params: Sequence[Any]) -> None:
        self.server.alter(slots=put(self.server.data.slots, params[0], None))

    def subscription(self, _: str, params: Sequence[Any]) -> Rows:
        found = self._subscription(params[0])
        if found is None:
            return []
        pid = 1 if found.enabled and not self.server.stalled else None
        return [(1, found.enabled, int(bool(pid)), pid, 3, 3)]

    def _subscription(self, name: str) -> Subscription | None:
        return dict(self.server.data.subscriptions).get(name)

    def _subscribe(self, name: str, value: Subscription | None) -> None:
        self.server.alter(
            subscriptions=put(self.server.data.subscriptions, name, value)
        )

    def make_subscription(self, text: str, _: Sequence[Any]) -> None:
        name = text.split('"')[1]
        if self._subscription(name):
            raise psycopg.errors.DuplicateObject("subscription exists")
        self._subscribe(name, Subscription(False, 0))

    def enable(self, text: str, _: Sequence[Any]) -> None:
        name = text.split('"')[1]
        found = self._subscription(name)
        if found is None:
            raise psycopg.errors.UndefinedObject("no subscription")
        on = text.endswith("ENABLE")
        self._subscribe(name, Subscription(on, found.origin))

    def drop_subscription(self, text: str, _: Sequence[Any]) -> None:
        self._subscribe(text.split('"')[1], None)

    def origin(self, _: str, params: Sequence[Any]) -> Rows:
        found = self._subscription(params[0])
        return [(_lsn(found.origin),)] if found else []

    def advance_origin(self, _: str, params: Sequence[Any]) -> Rows:
        found = self._subscription(params[1])
        if found is None:
            return []
        if found.enabled:
            raise psycopg.errors.ObjectInUse("the worker runs")
        self._subscribe(params[1], Subscription(False, int(params[0][2:], 16)))
        return [("",)]

    def confirmed(self, _: str, params: Sequence[Any]) -> Rows:
        """What the subscriber has on disk, as its feedback tells the slot."""
        wanted, name = int(params[0][2:], 16), params[1]
        subscriber = self.server.world.servers[self.server.side.other]
        found = dict(subscriber.synced.subscriptions).get(name)
        return [(found is not None and found.origin >= wanted,)]

    def publication_there(self, _: str, params: Sequence[Any]) -> Rows:
        return [(params[0] in self.server.data.publications,)]

    def published(self, _: str, params: Sequence[Any]) -> Rows:
        if params[0] not in self.server.data.publications:
            return []
        named = [("bluegreen", "marker"), *(("public", table) for table in TABLES)]
        return [(*name, None, False) for name in named]

    def publish(self, text: str, _: Sequence[Any]) -> None:
        name = text.split('"')[1]
        self.server.alter(publications=self.server.data.publications | {name})

    def drop_publication(self, text: str, _: Sequence[Any]) -> None:
        name = text.split('"')[1]
        self.server.alter(publications=self.server.data.publications - {name})

    def subscribed(self, _: str, params: Sequence[Any]) -> Rows:
        if self._subscription(params[0]) is None:
            return []
        return [("bluegreen", "marker"), *(("public", table) for table in TABLES)]

    def version_number(self, *_: Any) -> Rows:
        return [(180000,)]

    def lock(self, _: str, params: Sequence[Any]) -> Rows:
        holder = self.server.locks.setdefault(tuple(params), self)
        return [(holder is self,)]

    def await_switch(self, *_: Any) -> None:
        if self.server.locks.setdefault(SWITCH, self) is not self:
            raise psycopg.errors.LockNotAvailable("lock timeout")

    def holder(self, _: str, params: Sequence[Any]) -> Rows:
        found = self.server.locks.get(tuple(params))
        told = (found.actor.name, None, None, None, 1, "sim", True) if found else ()
        return [told] if told else []

    def holds_lease(self, *_: Any) -> Rows:
        return [(int(self.server.locks.get((7331, 1)) is self),)]

    def release(self, *_: Any) -> Rows:
        self.server.forget(self)
        return [("",)]

    def end_switches(self, *_: Any) -> Rows:
        """Ends whoever holds the lock of the fence's switch."""
        found = self.server.locks.get(SWITCH)
        if found is None:
            return [(0,)]
        self.server.terminate(found)
        return [(1,)]

    def clients(self, *_: Any) -> Rows:
        return []

    def nothing(self, *_: Any) -> None:
        """It changes nothing that anybody looks at here."""

    def yes(self, *_: Any) -> Rows:
        return [(True,)]

    def no(self, *_: Any) -> Rows:
        return [(False,)]

    def zero(self, *_: Any) -> Rows:
        return [(0,)]

    def name(self, *_: Any) -> Rows:
        return [("sim",)]


class Found:
    """A result of libpq."""

    status = pq.ExecStatus.TUPLES_OK

    def __init__(self, value: bytes) -> None:
        self._value = value

    def get_value(self, _row: int, _column: int) -> bytes:
        return self._value


def _lsn(position: int) -> str:
    return f"0/{position:X}"


def _text(query: Any) -> str:
    if isinstance(query, sql.SQL):
        return query._obj
    return query if isinstance(query, str) else query.as_string(None)


Handler = Callable[[Session, str, Sequence[Any]], Rows | None]

_MEANINGS: tuple[tuple[str, Handler], ...] = (
    ("to_regclass('bluegreen.journal') IS NOT NULL", Session.yes),
    ("to_regclass('bluegreen.identity') IS NULL", Session.no),
    ("UNION SELECT pubname::text FROM", Session.clients),
    ("to_regclass('bluegreen.lease') IS NOT NULL", Session.no),
    ("SELECT version FROM bluegreen.identity", Session.own_schema_version),
    ("WHERE kind = 'pausing' ORDER BY", Session.last_pause),
    ("SELECT seq, at, kind", Session.journal_rows),
    ("DO 'BEGIN LOCK TABLE bluegreen.journal", Session.run_while),
    ("INSERT INTO bluegreen.journal", Session.add_record),
    ("wait_event = 'SyncRep'", Session.clients),
    ("current_setting('synchronous_standby_names')", Session.standbys),
    ("SELECT clock_timestamp()", Session.clock),
    ("FROM pg_control_system()", Session.control),
    ("SELECT side, id::text, playbook", Session.identity),
    ("SELECT id::text FROM bluegreen.identity", Session.identity_id),
    ("to_regclass('bluegreen.fence') IS NOT NULL", Session.yes),
    ("FILTER (WHERE NOT f.enabled)", Session.fence),
    ("WHERE f.enabled IS NOT TRUE", Session.unfenced),
    ("WHERE NOT t.fenced AND", Session.unfenced_names),
    ("AS unfenced FROM", Session.table_set),
    ("t.print::text || coalesce(", Session.clients),
    ("r.srsubstate <> 'r'", Session.clients),
    ("SELECT n.nspname, c.relname FROM ( SELECT t.tgrelid", Session.fenced),
    ("CREATE TRIGGER bluegreen_fence", Session.make_trigger),
    ("DROP TRIGGER IF EXISTS bluegreen_fence", Session.drop_trigger),
    ("set_config('lock_timeout'", Session.set_lock_timeout),
    ("set_config('statement_timeout'", Session.nothing),
    ("set_config('deadlock_timeout'", Session.nothing),
    ("set_config(name, '0', false)", Session.nothing),
    ("CALL bluegreen.set_fence(true)", Session.close_all),
    ("CALL bluegreen.set_fence(false)", Session.open_all),
    ("unnest(pg_blocking_pids(", Session.blockers),
    ("INSERT INTO bluegreen.marker", Session.mark),
    ("pg_current_wal_insert_lsn()::text", Session.insert_position),
    ("pg_current_wal_flush_lsn()::text", Session.flush_position),
    ("FROM bluegreen.marker WHERE id = %s", Session.has_marker),
    ("DELETE FROM bluegreen.marker", Session.nothing),
    ("bluegreen.sequence_values(", Session.sequences),
    ("SELECT count(setval(", Session.set_sequences),
    ("SET LOCAL", Session.nothing),
    ("BEGIN", Session.nothing),
    ("LOCK TABLE bluegreen.journal", Session.lock_journal),
    ("LOCK TABLE bluegreen.fence", Session.await_switch),
    ("ROLLBACK", Session.end_transaction),
    ("COMMIT", Session.end_transaction),
    ("SELECT set_config(%s, %s, false)", Session.nothing),
    ("SELECT bluegreen.commit_move(", Session.commit_move),
    ("SELECT active_pid, wal_status", Session.slot),
    ("SELECT s.slot_name, s.slot_type", Session.clients),
    ("pg_create_logical_replication_slot(", Session.make_slot),
    ("pg_drop_replication_slot(", Session.drop_slot),
    ("SELECT s.oid, s.subenabled", Session.subscription),
    ("to_regclass('pg_stat_subscription_stats')", Session.yes),
    ("SELECT apply_error_count", Session.zero),
    ("to_char(pg_postmaster_start_time()", Session.zero),
    ("has_table_privilege('pg_subscription'", Session.yes),
    ("concat_ws(' ', s.oid::text, s.xmin::text)", Session.zero),
    ("CREATE SUBSCRIPTION", Session.make_subscription),
    ("SET (slot_name = NONE)", Session.nothing),
    ("ALTER SUBSCRIPTION", Session.enable),
    ("DROP SUBSCRIPTION", Session.drop_subscription),
    ("count(pg_terminate_backend(w.pid))", Session.zero),
    ("pg_replication_origin_progress(", Session.origin),
    ("pg_replication_origin_advance(", Session.advance_origin),
    ("SELECT confirmed_flush_lsn >=", Session.confirmed),
    ("EXISTS (SELECT FROM pg_publication", Session.publication_there),
    ("(SELECT array_agg(a.attname::text ORDER BY", Session.published),
    ("CREATE PUBLICATION", Session.publish),
    ("DROP PUBLICATION", Session.drop_publication),
    ("FROM pg_subscription_rel", Session.subscribed),
    ("current_setting('server_version_num')", Session.version_number),
    ("current_setting('server_version')", Session.name),
    ("SELECT current_database()", Session.name),
    ("SELECT pg_try_advisory_lock(", Session.lock),
    ("count(pg_terminate_backend(l.pid))", Session.end_switches),
    ("SELECT coalesce(a.application_name", Session.holder),
    ("SELECT EXISTS ( SELECT FROM pg_catalog.pg_locks", Session.holds_lease),
    ("pg_advisory_unlock_all()", Session.release),
    ("SELECT pid, coalesce(usename", Session.clients),
    ("obj_description(t.tgfoid", Session.clients),
    ("SELECT end_at - r.sent_lsn", Session.clients),
)
"""By a part of the statement that no other has; the first that fits counts."""


@lru_cache(maxsize=1000)
def _meaning(text: str) -> Handler:
    flat = re.sub(r"\s+", " ", text)
    for needle, meaning in _MEANINGS:
        if needle in flat:
            return meaning
    raise AssertionError(f"a statement that the simulation does not know: {flat}")

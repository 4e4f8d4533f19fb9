"""A world without servers: two databases, poolers and time, as crashes may leave them.

Owns what is true of the simulated world and what happens to it by itself: streams
apply, orphaned statements go on, time passes. What our code asks of a server is
answered in `simulated_sql.py`; who acts, and in which order, is in
`simulated_actors.py`. Only servers and poolers are made up here; every decision is
made by the code that is tried.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bluegreen.backups.proof import BackupProof
from bluegreen.model.side import Side

TABLES = ("a", "b")
PLAYBOOK = "sim"
BACKUP = BackupProof(
    Path("/b"), Path("/b.toc"), Side.BLUE, (), 2, 1, "00", "0/0", "", "18", "18"
).as_result()
"""A proof of blue's backup; its files are not looked at."""

FLUSH_EVERY_S = 0.6
"""The WAL writer takes asynchronous commits to disk after three of its delays."""

GIVEN_UP_AFTER_S = 30.0
"""A server ends the session of a client that its keepalives do not reach."""


@dataclass(frozen=True, slots=True)
class Change:
    """A line of WAL that a publication carries."""

    table: str
    key: object


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a side takes: whether it runs, and how far it has come."""

    enabled: bool
    origin: int


@dataclass(frozen=True, slots=True)
class Data:
    """All of a server that a crash may take back, as one value.

    Attributes:
        sequence: the value that the ids of both tables were last given.
        made: tables that have a fence trigger.
        shut: the flag that each trigger asks.
        slots: by name, the position from which each sends.
    """

    journal: tuple[tuple[Any, ...], ...] = ()
    wal: tuple[Change, ...] = ()
    rows: frozenset[Change] = frozenset()
    markers: frozenset[object] = frozenset()
    made: frozenset[str] = frozenset()
    shut: bool = False
    sequence: int = 0
    subscriptions: tuple[tuple[str, Subscription], ...] = ()
    slots: tuple[tuple[str, int], ...] = ()
    publications: frozenset[str] = frozenset()

    @property
    def closed(self) -> frozenset[str]:
        """Tables that refuse writes."""
        return self.made if self.shut else frozenset()


def put(pairs: Iterable[tuple[str, Any]], name: str, value: Any) -> tuple[Any, ...]:
    """The pairs with one more or another value; without it where `value` is None."""
    kept = tuple(pair for pair in pairs if pair[0] != name)
    return kept if value is None else (*kept, (name, value))


@dataclass
class Server:
    """One side's server.

    Attributes:
        data: what sessions see.
        synced: what is on disk: a crash may go back to it.
        sessions: those that live.
        locks: advisory locks, by key the session that holds each.
        writers: open transactions of clients, by name the table each has written to.
        orphans: sessions whose client is gone and whose statement still runs.
        says_nothing: the next synchronous commit is made, and its answer lost.
        conflicts: rows that came a second time: doubled writes.
    """

    side: Side
    world: World
    data: Data = field(default_factory=Data)
    synced: Data = field(default_factory=Data)
    up: bool = True
    gone: bool = False
    stalled: bool = False
    sessions: list[Any] = field(default_factory=list)
    locks: dict[tuple[int, int], Any] = field(default_factory=dict)
    writers: dict[str, str] = field(default_factory=dict)
    orphans: list[Any] = field(default_factory=list)
    says_nothing: bool = False
    conflicts: list[Change] = field(default_factory=list)

    @property
    def identity(self) -> str:
        """The random identity row; a name is as good here."""
        return f"identity of {self.side}"

    @property
    def answers(self) -> bool:
        return self.up and not self.gone

    def alter(self, **changes: Any) -> None:
        """Change what sessions see; `commit` makes it last."""
        self.data = replace(self.data, **changes)

    def commit(self, *, synchronous: bool) -> None:
        """A transaction has ended; a synchronous one takes all before it to disk."""
        if synchronous:
            self.synced = self.data

    def crash(self, *, lose: bool) -> None:
        """Die; what was never flushed is lost or, by luck, is not."""
        if not self.up:
            return
        self.up = False
        self.data = self.synced = self.synced if lose else self.data
        for session in self.sessions:
            session.lost = True
        self.sessions.clear()
        self.locks.clear()
        self.writers.clear()
        self.orphans.clear()

    def start(self) -> None:
        self.up = True

    def drop(self, session: Any) -> None:
        """A session is over; what it still runs is left to the server."""
        session.lost = True
        if session in self.sessions:
            self.sessions.remove(session)
            if session.closing:
                self.orphans.append(session)
            else:
                self.forget(session)

    def forget(self, session: Any) -> None:
        self.locks = {k: s for k, s in self.locks.items() if s is not session}

    def terminate(self, session: Any) -> None:
        """What pg_terminate_backend does."""
        session.closing = False
        session.lost = True
        for those in (self.sessions, self.orphans):
            if session in those:
                those.remove(session)
        self.forget(session)

    def shut(self) -> None:
        """Outside MVCC, so seen at once, whatever becomes of the transaction."""
        self.alter(shut=True)
        self.commit(synchronous=False)

    def go_on(self) -> None:
        """Statements whose client is gone go on until they end or meet a lock."""
        for session in list(self.orphans):
            if self.world.now >= session.lock_until:
                session.closing = False
            if session.closing and not self.writers:
                session.closing = False
                self.shut()
            if not session.closing:
                self.terminate(session)

    def write(self, table: str) -> Change | None:
        """One client's transaction; None where the fence refuses it."""
        if table in self.data.closed:
            return None
        sequence = self.data.sequence + 1
        row = Change(table, sequence)
        self.alter(sequence=sequence)
        assert row not in self.data.rows, f"{self.side} gave the id {sequence} twice"
        self._insert(row)
        self.commit(synchronous=True)
        return row

    def _insert(self, row: Change) -> None:
        self.alter(rows=self.data.rows | {row}, wal=(*self.data.wal, row))

    def mark(self, marker: object) -> None:
        row = Change("marker", marker)
        self.alter(markers=self.data.markers | {marker}, wal=(*self.data.wal, row))

    def apply(self) -> None:
        """What the apply workers of this side do while nobody holds them up."""
        if not self.answers or self.stalled:
            return
        for name, subscription in self.data.subscriptions:
            publisher = self.world.servers[self.side.other]
            start = dict(publisher.data.slots).get(name)
            if subscription.enabled and publisher.answers and start is not None:
                self._take(name, publisher, max(start, subscription.origin))

    def _take(self, name: str, publisher: Server, origin: int) -> None:
        # A walsender sends what is flushed, never more.
        for position, change in enumerate(
            publisher.synced.wal[origin:], start=origin + 1
        ):
            if change.table == "marker":
                self.mark(change.key)
            elif change in self.data.rows:
                self.conflicts.append(change)
            else:
                self._insert(change)
            taken = put(self.data.subscriptions, name, Subscription(True, position))
            self.alter(subscriptions=taken)
            self.commit(synchronous=False)


@dataclass
class Pooler:
    """A PgBouncer: its file, what it read of it, and whether it holds clients back.

    Attributes:
        busy: a client's transaction is open through it.
    """

    id: str
    file: Side = Side.BLUE
    names: Side = Side.BLUE
    paused: bool = False
    up: bool = True
    busy: bool = False

    def crash(self) -> None:
        self.up = self.paused = self.busy = False

    def start(self) -> None:
        if not self.up:
            self.up, self.names = True, self.file


class World:
    """Both servers, the poolers, the guards and the time."""

    def __init__(self, poolers: int = 1) -> None:
        self.now = 0.0
        self.servers = {side: Server(side, self) for side in Side}
        self.poolers = [Pooler(f"p{n}") for n in range(poolers)]
        self.actors: list[Any] = []
        self.guards: list[Any] = []
        self.acknowledged: set[Change] = set()
        self.destroyed: list[Side] = []
        self._counter = 0
        self._flushed = 0.0

    def number(self) -> int:
        self._counter += 1
        return self._counter

    @property
    def time(self) -> datetime:
        """What every server's clock says."""
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.now)

    def records(self) -> list[tuple[Any, ...]]:
        """Every record of both sides, as rows, without regard to which tells more."""
        return [row for one in self.servers.values() for row in one.data.journal]

    @property
    def set_aside(self) -> Side | None:
        """The side that a record on the other one says holds nothing any more."""
        for side, server in self.servers.items():
            for row in server.data.journal:
                if row[2] != "backed_out" or "quarantined" not in row[6]:
                    continue
                there = self.servers[side.other].data.journal[row[0] - 1 : row[0]]
                if row[6]["quarantined"] == side.other and there != (row,):
                    return side.other
        return None

    @property
    def serving(self) -> Side:
        """By the commit record of the highest epoch; a side set aside has no word."""
        servers = [s for s in self.servers.values() if s.side is not self.set_aside]
        rows = [row for one in servers for row in one.data.journal]
        commits = [row for row in rows if row[2] == "committed"]
        return Side(max(commits, key=_epoch)[6]["to"]) if commits else Side.BLUE

    def destroy(self, side: Side) -> None:
        """What cannot be undone."""
        ends = [row[6]["until"] for row in self.records() if row[2] == "window_opened"]
        assert ends, "no window was ever open"
        assert self.time >= datetime.fromisoformat(ends[-1]), "the window is open"
        assert side is not self.serving, f"{side} is destroyed and serves"
        self.servers[side].crash(lose=False)
        self.servers[side].gone = True
        self.destroyed.append(side)

    def advance(self, seconds: float) -> None:
        """Let time pass: streams flow, guards look at their monitor."""
        self.now += seconds
        if seconds >= GIVEN_UP_AFTER_S:
            for actor in self.actors:
                if not actor.alive:
                    actor.drop_sessions()
        flushes = self.now - self._flushed > FLUSH_EVERY_S
        if flushes:
            self._flushed = self.now
        for server in self.servers.values():
            server.go_on()
            if flushes and server.up:
                server.commit(synchronous=True)
        for server in self.servers.values():
            server.apply()


def _epoch(row: tuple[Any, ...]) -> int:
    return int(row[3])


def replicated_world(*, poolers: int, armed: bool) -> World:
    """Green follows blue; with `armed`, what a move makes ready stands already."""
    world = World(poolers)
    blue, green = world.servers[Side.BLUE], world.servers[Side.GREEN]
    forward, back = (f"bluegreen_{PLAYBOOK}_from_{side}" for side in Side)
    journal = (
        _row(1, world, "run_started", "", {"green": green.identity}),
        _row(2, world, "result", "backup/take_backup", BACKUP),
    )
    for server in (blue, green):
        server.alter(journal=journal)
    blue.alter(slots=((forward, 0),), publications=frozenset({forward}))
    everything = frozenset(TABLES)
    streams = ((forward, Subscription(True, 0)),)
    green.alter(subscriptions=streams, made=everything, shut=True)
    if armed:
        streams = ((back, Subscription(False, 0)),)
        blue.alter(made=everything, subscriptions=streams)
        green.alter(slots=((back, 0),), publications=frozenset({back}))
    for server in (blue, green):
        server.commit(synchronous=True)
    return world


def _row(
    seq: int, world: World, kind: str, action: str, body: dict[str, Any]
) -> tuple[Any, ...]:
    return (seq, world.time, kind, 0, "r0", action, body, "ann@sim 1", "")

"""One side's server: what is true of it, and what it does by itself.

Owns its life, its fence and its apply workers. What it answers to our SQL is in
`simulated_sql.py`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from bluegreen.model.side import Side
from tests.kit.simulated_data import Beat, Change, Data, Line, Subscription, put

if TYPE_CHECKING:
    from tests.kit.simulated import World

REMEMBERED = 400
"""Durable states to which a disk may be set back: more than a whole move makes."""


@dataclass
class Server:
    """One side's server.

    Attributes:
        data: what sessions see.
        synced: what is on disk: a crash may go back to it.
        past: what was on disk at earlier moments, oldest first.
        started: how often it was started: its start time.
        sessions: those that live.
        locks: advisory locks, by key the session that holds each.
        writers: open transactions of clients, by name the table each has written to.
        ungated: those of them that met no trigger, for which no fence waits.
        orphans: sessions whose client is gone and whose statement still runs.
        says_nothing: the next synchronous commit is made, and its answer lost.
        conflicts: rows that came a second time: doubled writes.
        opened_by_others: somebody else opened its flag, or set its disk back to where
            it was open.
        counts_conflicts: whether a row that comes twice is our fault.
    """

    side: Side
    world: World
    data: Data = field(default_factory=Data)
    synced: Data = field(default_factory=Data)
    past: deque[Data] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    started: int = 1
    up: bool = True
    gone: bool = False
    stalled: bool = False
    sessions: list[Any] = field(default_factory=list)
    locks: dict[tuple[int, int], Any] = field(default_factory=dict)
    writers: dict[str, str] = field(default_factory=dict)
    ungated: set[str] = field(default_factory=set)
    orphans: list[Any] = field(default_factory=list)
    says_nothing: bool = False
    conflicts: list[Change] = field(default_factory=list)
    opened_by_others: bool = False
    counts_conflicts: bool = True

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
        if synchronous and self.synced is not self.data:
            self.past.append(self.synced)
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
        self.end_writers()
        self.orphans.clear()

    def start(self) -> None:
        if not self.up:
            self.up = True
            self.started += 1

    def come_back(self, data: Data) -> None:
        """With this disk, whatever it held before."""
        self.crash(lose=False)
        self.data = self.synced = data
        self.start()

    def end_writers(self) -> None:
        self.writers.clear()
        self.ungated.clear()

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

    # The fence.

    @property
    def gated(self) -> bool:
        """Whether a writer holds the gate, for whose end the closing waits."""
        return bool(self.writers.keys() - self.ungated)

    def shut(self) -> None:
        """Outside MVCC, so seen at once, whatever becomes of the transaction."""
        self.alter(shut=True, touched=frozenset())
        self.opened_by_others = False
        self.commit(synchronous=False)

    def touch(self, table: str, **changes: Any) -> None:
        """A trigger was made, enabled or disabled: where it is shut, that shows."""
        touched = self.data.touched | {table} if self.data.shut else self.data.touched
        self.alter(touched=touched, **changes)

    def go_on(self) -> None:
        """Statements whose client is gone go on until they end or meet a lock."""
        for session in list(self.orphans):
            if self.world.now >= session.lock_until:
                session.closing = False
            if session.closing and not self.gated:
                session.closing = False
                self.shut()
            if not session.closing:
                self.terminate(session)

    # Clients.

    def is_stray(self, table: str) -> bool:
        """Whether a client that writes there uses what somebody else has opened."""
        opened = self.opened_by_others and not self.data.shut
        return opened or (self.data.shut and table in self.data.off)

    def write(self, table: str, *, begun: bool = False) -> Change | None:
        """One client's transaction; None where the fence refuses it.

        With `begun` it had passed the fence, or met none, before.
        """
        if table not in self.data.tables or (table in self.data.closed and not begun):
            return None
        sequence = self.data.sequence + 1
        row = Change(table, sequence)
        self.alter(sequence=sequence)
        assert row not in self.data.rows, f"{self.side} gave the id {sequence} twice"
        self._insert(row)
        self.commit(synchronous=True)
        return row

    @property
    def strays(self) -> set[Change]:
        """Rows that only this side has, and only by somebody's hand."""
        return {row for row in self.data.rows if isinstance(row.key, tuple)}

    def write_stray(self, table: str) -> None:
        """A row that the other side never gets; its id is nobody else's."""
        self._insert(Change(table, ("stray", self.world.number())))
        self.commit(synchronous=True)

    def _insert(self, row: Change) -> None:
        self._log(row, sent=self.data.sends(row.table))
        self.alter(rows=self.data.rows | {row})

    def _log(self, what: Change | Beat, *, sent: bool = True) -> None:
        self.alter(wal=(*self.data.wal, Line(what, sent)))

    def mark(self, marker: object) -> None:
        self._log(Change("marker", marker))
        self.alter(markers=self.data.markers | {marker})

    def beat(self, beat: Beat) -> bool:
        """False where that number is there already: then it is another heartbeat."""
        if any(one.name == beat.name for one in self.data.beats):
            return False
        self._log(beat)
        self.alter(beats=(*self.data.beats, beat))
        return True

    # Streams.

    def apply(self) -> None:
        """What the apply workers of this side do while nobody holds them up."""
        if not self.answers or self.stalled:
            return
        for name, subscription in self.data.subscriptions:
            publisher = self.world.servers[self.side.other]
            start = dict(publisher.data.slots).get(name)
            if subscription.enabled and publisher.answers and start is not None:
                self._take(name, publisher, max(start, subscription.origin))
                publisher.confirm(name, self.synced.subscription(name))

    def confirm(self, slot: str, subscriber: Subscription | None) -> None:
        """What the subscriber has on disk is never sent again."""
        start = dict(self.data.slots)[slot]
        if subscriber is not None and subscriber.origin > start:
            self.alter(slots=put(self.data.slots, slot, subscriber.origin))
            self.commit(synchronous=False)

    def _take(self, name: str, publisher: Server, origin: int) -> None:
        # A walsender sends what is flushed, never more.
        for position, line in enumerate(
            publisher.synced.wal[origin:], start=origin + 1
        ):
            if not self._takes(name, line):
                self.on_stream(name, errors=1)
                return
            self.on_stream(name, origin=position)

    def _takes(self, name: str, line: Line) -> bool:
        """False where the worker fails at it, and begins again, for ever."""
        found, what = self.data.subscription(name), line.what
        assert found is not None
        if isinstance(what, Beat):
            return self.beat(what)
        if what.table == "marker":
            self.mark(what.key)
        elif not line.sent or what.table in found.unready | {"c"}:
            return True
        elif what not in self.data.rows:
            self._insert(what)
        elif self.counts_conflicts:
            self.conflicts.append(what)
        else:
            return False
        return True

    def copy(self, publisher: Server, table: str) -> None:
        """What an initial copy brings."""
        for row in sorted(publisher.synced.rows - self.data.rows, key=str):
            if row.table == table:
                self._insert(row)

    def on_stream(self, name: str, *, errors: int = 0, **changes: Any) -> None:
        """Change what a subscription says; errors are added up."""
        found = self.data.subscription(name)
        assert found is not None
        changed = replace(found, errors=found.errors + errors, **changes)
        self.alter(subscriptions=put(self.data.subscriptions, name, changed))
        self.commit(synchronous=False)

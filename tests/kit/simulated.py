"""A world without servers: two databases, poolers and time, as crashes may leave them.

Owns what is true of the simulated world as a whole, and that time passes. A server is
in `simulated_server.py`; what our code asks of it is answered in `simulated_sql.py`;
who acts, and in which order, is in `simulated_actors.py`. Only servers and poolers are
made up here; every decision is made by the code that is tried.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bluegreen.backups.proof import BackupProof
from bluegreen.model.side import Side
from tests.kit.simulated_data import (
    TABLES,
    Beat,
    Change,
    Subscription,
    stream_from,
)
from tests.kit.simulated_server import Server

BACKUP = BackupProof(
    Path("/b"), Path("/b.toc"), Side.BLUE, (), 2, 1, "00", "0/0", "", "18", "18"
).as_result()
"""A proof of blue's backup; its files are not looked at."""

FLUSH_EVERY_S = 0.6
"""The WAL writer takes asynchronous commits to disk after three of its delays."""

GIVEN_UP_AFTER_S = 30.0
"""A server ends the session of a client that its keepalives do not reach."""


@dataclass
class Pooler:
    """A PgBouncer: its file, what it read of it, and whether it holds clients back.

    Attributes:
        busy: a client's transaction is open through it.
        paused_by: who held its clients back last.
    """

    id: str
    file: Side = Side.BLUE
    names: Side = Side.BLUE
    paused: bool = False
    up: bool = True
    busy: bool = False
    paused_by: Any = None

    def crash(self) -> None:
        self.up = self.paused = self.busy = False

    def start(self) -> None:
        if not self.up:
            self.up, self.names = True, self.file


class World:
    """Both servers, the poolers, the guards and the time.

    Attributes:
        acknowledged: rows whose COMMIT a client saw.
        pauses: by run, when both sides knew of the last pause that it announced.
    """

    def __init__(self, poolers: int = 1) -> None:
        self.now = 0.0
        self.servers = {side: Server(side, self) for side in Side}
        self.poolers = [Pooler(f"p{n}") for n in range(poolers)]
        self.actors: list[Any] = []
        self.guards: list[Any] = []
        self.acknowledged: set[Change] = set()
        self.destroyed: list[Side] = []
        self.pauses: dict[str, int] = {}
        self._counter = 0
        self._flushed = 0.0

    def followed_by(self, poolers: int) -> World:
        """A world that goes on from here, with nobody in it and servers as new."""
        world = World(poolers)
        world.now, world._counter = self.now, self._counter
        world.acknowledged = set(self.acknowledged)
        return world

    def number(self) -> int:
        """One that nothing else has, and that only grows."""
        self._counter += 1
        return self._counter

    def newest_pause_but(self, run: str) -> int:
        """When another run announced a pause newer than this one's last; 0 for none."""
        own = self.pauses.get(run, 0)
        others = [at for one, at in self.pauses.items() if one != run and at > own]
        return max(others, default=0)

    @property
    def is_move_open(self) -> bool:
        """Whether the newest pause has not ended yet, by the longer journal."""
        journal = max((one.data.journal for one in self.servers.values()), key=len)
        ends = ("pausing", "committed", "moved", "backed_out")
        return next((r[2] for r in reversed(journal) if r[2] in ends), "") == "pausing"

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

    @property
    def epoch(self) -> int:
        """How many moves were committed."""
        return max((_epoch(row) for row in self.records()), default=0)

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

    def send_heartbeat(self, publisher: Side) -> bool:
        """The next one, in the epoch that the side knows; as `write_beat` does it."""
        server = self.servers[publisher]
        epoch = _epoch(server.data.journal[-1]) if server.data.journal else 0
        told = [b.number for b in server.data.beats if _is_of(b, publisher, epoch)]
        number = max(told, default=0) + 1
        position = len(server.data.wal)
        done = server.beat(
            Beat(str(publisher), epoch, number, position, self.now, self.number())
        )
        server.commit(synchronous=True)
        return done


def _epoch(row: tuple[Any, ...]) -> int:
    return int(row[3])


def _is_of(beat: Beat, publisher: Side, epoch: int) -> bool:
    return (beat.publisher, beat.epoch) == (str(publisher), epoch)


def replicated_world(*, poolers: int, armed: bool) -> World:
    """Green follows blue; with `armed`, what a move makes ready stands already."""
    world = World(poolers)
    blue, green = world.servers[Side.BLUE], world.servers[Side.GREEN]
    forward, back = (stream_from(side) for side in Side)
    lives = {
        str(side): {"system": str(number), "timeline": 1, "identity": server.identity}
        for number, (side, server) in enumerate(world.servers.items(), start=1)
    }
    journal = (
        _row(1, world, "run_started", "", {"green": green.identity}),
        _row(2, world, "result", "backup/take_backup", BACKUP),
        _row(3, world, "watched", "", {"monitor": "servers", "sides": lives}),
    )
    for server in (blue, green):
        server.alter(journal=journal)
    everything = frozenset(TABLES)
    published = tuple((table, n) for n, table in enumerate(TABLES, start=1))
    blue.alter(slots=((forward, 0),), publications=((forward, published),))
    streams = ((forward, Subscription(True, 0)),)
    green.alter(subscriptions=streams, made=everything, shut=True)
    if armed:
        streams = ((back, Subscription(False, 0)),)
        blue.alter(made=everything, subscriptions=streams)
        green.alter(slots=((back, 0),), publications=((back, published),))
    for server in (blue, green):
        server.commit(synchronous=True)
    return world


def _row(
    seq: int, world: World, kind: str, action: str, body: dict[str, Any]
) -> tuple[Any, ...]:
    return (seq, world.time, kind, 0, "r0", action, body, "ann@sim 1", "")

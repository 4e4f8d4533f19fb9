"""The stream from blue stands still while green's schema changes.

Owns stopping and starting it around migrations. An apply worker that waits behind a
long lock lets blue's wal_sender_timeout end the connection again and again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from bluegreen.model.body import Body
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, Satisfied, Verdict
from bluegreen.postgres.replication.publication import subscribed_tables
from bluegreen.postgres.replication.resubscribe import start_stream_over
from bluegreen.postgres.replication.stream import (
    ReplicationStream,
    read_subscription,
    stop_stream,
)
from bluegreen.steps.action import Action, Result
from bluegreen.steps.world import World

STREAM_STOPS = timedelta(seconds=30)
"""The apply worker ends within 20 ms; half a minute means that green is in trouble."""

Tables = frozenset[tuple[str, str]]
Pending = Callable[[World], int]
"""How many migrations are left to apply."""


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """How the stream stands.

    Attributes:
        pending: migrations that are left to apply.
        runs: green's subscription is there and enabled.
        stopped: tables of the stream that we stopped and did not start again; None
            where it was not stopped by us.
    """

    pending: int
    runs: bool
    stopped: Tables | None


@dataclass(frozen=True, slots=True)
class StreamNote(Body):
    """A note of the stream that is stopped, or was started again.

    Attributes:
        stream: `stopped` or `started`; None in a note of something else.
        tables: that it fed when it was stopped.
        replaced: those that a migration replaced meanwhile.
    """

    stream: str | None = None
    tables: tuple[tuple[str, str], ...] | None = None
    replaced: tuple[str, ...] | None = None


class StopStream(Action[StreamFacts]):
    """Nothing is applied on green while its schema changes.

    Crash: the stream may stay stopped, and blue keeps WAL for it, until the next run.
    """

    title = "the stream rests while green's schema changes"

    def __init__(self, step_id: str, pending: Pending) -> None:
        super().__init__(step_id)
        self.pending = pending

    def observe(self, world: World) -> StreamFacts:
        """What is left to apply, and the subscription."""
        return read_stream(world, self.id, self.pending(world))

    def judge(self, facts: StreamFacts) -> Verdict:
        """Only for migrations is it worth stopping."""
        if not facts.pending:
            return Satisfied("no migration is left to apply")
        if facts.runs:
            return Needed(f"{facts.pending} migrations are to be applied")
        return Satisfied("nothing is applied")

    def act(self, world: World, facts: StreamFacts) -> Result:
        """Remember what it feeds, then stop it."""
        name = ReplicationStream(world.name, Side.BLUE).name
        listed = tuple(sorted(subscribed_tables(world.green, name)))
        note = StreamNote("stopped", tables=listed).as_body()
        world.journal.append(Kind.NOTE, action=self.id, body=note)
        stop_stream(world.green, name, clock=world.clock, deadline=STREAM_STOPS)
        return {"tables": len(listed)}

    def undo(self, world: World, facts: StreamFacts) -> None:
        """Start it again."""
        start_again(world, self.id)


class StartStream(Action[StreamFacts]):
    """The stream runs again, tables that a migration replaced included.

    Crash: the next run starts it. Changes to a replaced table wait for a lock of ours
    until REFRESH took it up; a kill in these milliseconds lets go of the lock, and rows
    that were passed by then are found by `validate`.
    """

    title = "the stream runs again"
    no_undo = "it ran before"

    def __init__(self, step_id: str, pending: Pending) -> None:
        super().__init__(step_id)
        self.pending = pending
        self.stopper = f"{step_id}/{StopStream.name()}"

    def observe(self, world: World) -> StreamFacts:
        """The subscription, and whether we stopped it."""
        return read_stream(world, self.stopper, 0)

    def judge(self, facts: StreamFacts) -> Verdict:
        """Only what we stopped is started."""
        if facts.stopped is None:
            return Satisfied("it was not stopped")
        return Needed("the stream from blue was stopped for a migration")

    def act(self, world: World, facts: StreamFacts) -> Result:
        """Start it over the tables that it fed before."""
        return {"replaced": start_again(world, self.stopper)}


def read_stream(world: World, stopper: str, pending: int) -> StreamFacts:
    """Look at the subscription and the journal."""
    now = read_subscription(world.green, ReplicationStream(world.name, Side.BLUE).name)
    return StreamFacts(
        pending,
        now is not None and now.enabled,
        stopped_by(stopper, world.journal.records()),
    )


def start_again(world: World, stopper: str) -> list[str]:
    """Start a stream that was stopped for migrations; returns replaced tables."""
    before = stopped_by(stopper, world.journal.records())
    if before is None:
        return []
    name = ReplicationStream(world.name, Side.BLUE).name
    replaced = []
    if read_subscription(world.green, name) is not None:
        replaced = start_stream_over(world.green, name, before)
    note = StreamNote("started", replaced=tuple(replaced)).as_body()
    world.journal.append(Kind.NOTE, action=stopper, body=note)
    return replaced


@contextmanager
def started_on_failure(world: World, step_id: str) -> Iterator[None]:
    """Start the stream again where what is done inside gives way.

    A run that stops in the night must not let blue keep WAL until the morning.
    """
    done = False
    try:
        yield
        done = True
    finally:
        if not done:
            start_again(world, f"{step_id}/{StopStream.name()}")


def stopped_by(action: str, records: Sequence[Record]) -> Tables | None:
    """Tables of a stream that an action stopped and did not start again. Pure.

    A move of traffic in between made the stream again, so older notes count no more.
    """
    for record in reversed(records):
        if record.kind is Kind.COMMITTED:
            return None
        if record.kind is not Kind.NOTE or record.action != action:
            continue
        note = StreamNote.from_body(record.body)
        if note.stream is not None:
            return None if note.stream == "started" else frozenset(note.tables or ())
    return None

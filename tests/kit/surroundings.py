"""What the surroundings of a move may do between two of its looks.

Owns the rules by which a side goes back in time, and by which people, jobs and streams
change what was looked at. None of it is done by us, and of none of it are we told.

What no look can tell is left out, for nothing that is promised rests on it:

- the side that serves goes back behind its last record and heartbeat only, on the same
  timeline, so that nothing on the other side is newer;
- a trigger is disabled, or a table made, while the side is shut in a pause.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from bluegreen.model.history import fold
from bluegreen.model.side import Side
from bluegreen.postgres.journal.table import _record
from tests.kit.operators import SIDES, Operators
from tests.kit.promises import what_stands
from tests.kit.simulated_data import NEW, TABLES, Data, put, stream_from
from tests.kit.simulated_server import Server
from tests.kit.turns import WentBack

COMES_BACK_AFTER_S = 10.0
"""Another disk is there, and the server started on it, not before a pause is over."""

A_PROOF_ENDS_AFTER_S = 90_000.0
"""25 hours."""

MOMENTS = st.sampled_from([1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233])
ONE = st.sampled_from(TABLES)


def _calm(machine: Surroundings) -> bool:
    """Nobody acts on a side that went back, and nothing was destroyed."""
    world = machine.world
    aside = world.set_aside is not None or world.destroyed
    return machine.back is None and not aside


class Surroundings(Operators):
    """Rules in which nothing of ours has a hand."""

    @property
    def publisher(self) -> Server:
        return self.world.servers[self.world.serving]

    @property
    def subscriber(self) -> Server:
        return self.world.servers[self.world.serving.other]

    @property
    def stream(self) -> str:
        return stream_from(self.world.serving)

    def changed(self, server: Server, *, unlike: bool = True) -> None:
        server.commit(synchronous=True)
        self.trouble += 1
        self.unlike = self.unlike or unlike

    # Time goes back.

    @precondition(_calm)
    @rule(side=SIDES, moments=MOMENTS, promoted=st.booleans())
    def a_side_goes_back(self, side: Side, moments: int, promoted: bool) -> None:
        """It comes back with an older disk, or with that of a standby that lagged."""
        server = self.world.servers[side]
        past = [one for one in server.past if one.journal]
        if not server.up or not past or self.counts_back() or self.is_told_to(server):
            return
        then = past[-min(moments, len(past))]
        told = self.is_told_by_journals(server, then)
        serves = side is self.world.serving
        knowable = told or promoted or not serves or self.is_told_by_beats(server, then)
        if not knowable or any(row[2] == "released" for row in self.world.records()):
            return
        server.crash(lose=False)
        self.world.advance(COMES_BACK_AFTER_S)
        newest = server.data
        if promoted:
            then = self.promoted(then)
        server.come_back(then)
        self.changed(server)
        for one in self.world.servers.values():
            one.counts_conflicts = False
        if told:
            server.stalled = True
            left = what_stands(self.world, side)
            self.back = WentBack(side, newest, left, self.living)
        else:
            lost = newest.journal[len(then.journal) :]
            self.missed = (side, lost[0]) if len(lost) == 1 else None
            self.take_for_lost(side, serves=serves)
        self.look_around()

    def is_told_to(self, server: Server) -> bool:
        """A tool has written a record here, and is about to write it over there."""
        other = self.world.servers[server.side.other]
        return len(server.data.journal) > len(other.data.journal) and bool(self.living)

    def counts_back(self) -> bool:
        """Once in a history."""
        return not all(one.counts_conflicts for one in self.world.servers.values())

    def promoted(self, then: Data) -> Data:
        """On a timeline of its own."""
        return replace(then, timeline=then.timeline + 1)

    def take_for_lost(self, side: Side, *, serves: bool) -> None:
        """What the side that served has lost nobody can bring back."""
        self.commits = {}
        serving = self.publisher
        if serves or serving.side is side:
            lost = self.world.acknowledged - serving.data.rows
            self.excused |= lost
        back = self.world.servers[side]
        back.opened_by_others = side is not serving.side and not back.data.shut

    def is_told_by_journals(self, server: Server, then: Data) -> bool:
        """Whether the other side has records that this one can only have lost."""
        there = self.world.servers[server.side.other].data.journal[len(then.journal) :]
        lost = server.data.journal[len(then.journal) :]
        if not lost or len(there) != 1 or lost[0] not in there:
            return len(there) > 1 and lost[:1] == there[:1]
        ends = lost[0][2] in {"committed", "backed_out"}
        first_on_blue = ends and lost[0][6].get("to") == str(Side.BLUE)
        return server.side is Side.GREEN and not first_on_blue

    def is_told_by_beats(self, server: Server, then: Data) -> bool:
        """Whether the other side has a heartbeat that this one does not know."""
        there = self.world.servers[server.side.other].data.beats
        ours = [b for b in there if b.publisher == str(server.side)]
        newest = max((b.epoch, b.number) for b in ours) if ours else (0, 0)
        known = [b.name[1:] for b in then.beats if b.publisher == str(server.side)]
        return newest[0] == self.world.epoch and newest > max(known, default=(0, 0))

    @precondition(_calm)
    @rule()
    def heartbeats_are_sent(self) -> None:
        """By whoever monitors from outside of a move: two, as their gap is proof."""
        records = [_record(row) for row in max(self.journals(), key=len)]
        last = fold(records).last_move
        follows = self.subscriber.data.subscription(self.stream) is not None
        if self.publisher.answers and follows and (last is None or last.way_back_open):
            for _ in range(2):
                self.world.send_heartbeat(self.world.serving)

    def journals(self) -> list[tuple[Any, ...]]:
        return [one.data.journal for one in self.world.servers.values()]

    # Somebody changes what was looked at.

    @precondition(_calm)
    @rule()
    def a_partition_is_made(self) -> None:
        """By a job, on the side that serves, and written to."""
        publisher = self.publisher
        if publisher.answers and not publisher.data.shut:
            publisher.alter(tables=publisher.data.tables | {NEW})
            self.changed(publisher)
            self.write(publisher, NEW)

    @precondition(_calm)
    @rule(side=SIDES, table=ONE)
    def somebody_disables_a_trigger(self, side: Side, table: str) -> None:
        """ALTER TABLE … DISABLE TRIGGER ALL; it waits for who writes to the table."""
        server = self.world.servers[side]
        in_pause = server is self.publisher and server.data.shut
        free = table in server.data.fenced and table not in server.writers.values()
        if server.answers and free and not in_pause:
            server.touch(table, off=server.data.off | {table})
            self.changed(server, unlike=False)

    @precondition(_calm)
    @rule(side=SIDES, table=ONE)
    def somebody_enables_a_trigger(self, side: Side, table: str) -> None:
        """ALTER TABLE … ENABLE TRIGGER ALL, which shuts nothing."""
        server = self.world.servers[side]
        if server.answers and table in server.data.off:
            server.touch(table, off=server.data.off - {table})
            self.changed(server, unlike=False)

    @precondition(_calm)
    @rule()
    def somebody_opens_the_fence(self) -> None:
        """By its own procedure, on the side that does not serve."""
        if self.subscriber.answers and self.subscriber.data.shut:
            self.subscriber.alter(shut=False)
            self.subscriber.opened_by_others = True
            self.changed(self.subscriber, unlike=False)

    @precondition(_calm)
    @rule(table=ONE)
    def a_table_is_out_of_the_publication_for_a_while(self, table: str) -> None:
        """ALTER PUBLICATION … DROP TABLE, a client writes, ADD TABLE."""
        if self.can_publish() and self.is_published(table):
            self.a_table_leaves_the_publication_or_returns(table)
            self.write(self.publisher, table)
            self.a_table_leaves_the_publication_or_returns(table)

    @precondition(_calm)
    @rule(table=ONE)
    def a_table_leaves_the_publication_or_returns(self, table: str) -> None:
        """The two halves of it, for whoever looks in between."""
        if not self.can_publish():
            return
        publisher, tables = (
            self.publisher,
            self.publisher.data.published(self.stream) or {},
        )
        if table in tables:
            del tables[table]
        else:
            publisher.alter(oids=publisher.data.oids + 1)
            tables[table] = publisher.data.oids
        pairs = put(publisher.data.publications, self.stream, tuple(tables.items()))
        publisher.alter(publications=pairs)
        self.changed(publisher)

    def can_publish(self) -> bool:
        there = self.publisher.data.published(self.stream) is not None
        return self.publisher.answers and not self.publisher.data.shut and there

    def is_published(self, table: str) -> bool:
        return table in (self.publisher.data.published(self.stream) or {})

    @precondition(_calm)
    @rule(table=ONE)
    def a_table_is_copied_once_more(self, table: str) -> None:
        """Its subscription state is not `r`; at the next call its copy ends."""
        subscriber, found = (
            self.subscriber,
            self.subscriber.data.subscription(self.stream),
        )
        if not subscriber.answers or found is None or not found.enabled:
            return
        if table not in found.unready:
            subscriber.on_stream(self.stream, unready=found.unready | {table})
        elif not subscriber.stalled and self.publisher.answers:
            subscriber.apply()
            subscriber.copy(self.publisher, table)
            subscriber.on_stream(self.stream, unready=found.unready - {table})
        self.changed(subscriber)

    @precondition(_calm)
    @rule(table=ONE)
    def a_transaction_is_skipped(self, table: str) -> None:
        """It could not be applied, and somebody lets the stream pass it by."""
        if self.passes_by(table):
            found = self.subscriber.data.subscription(self.stream)
            assert found is not None
            self.subscriber.on_stream(self.stream, errors=1, version=found.version + 1)
            self.changed(self.subscriber)

    @precondition(_calm)
    @rule(table=ONE)
    def a_row_is_left_out_without_a_trace(self, table: str) -> None:
        """As streams have been seen to do; no proof from before is trusted so long."""
        if self.world.serving is Side.BLUE and self.passes_by(table):
            self.changed(self.subscriber)
            for actor in self.living:
                actor.drop_sessions()
            self.world.advance(A_PROOF_ENDS_AFTER_S)
            self.look_around()

    def passes_by(self, table: str) -> bool:
        """The stream goes on behind a row that it does not bring; False where it does
        not run."""
        publisher, subscriber = self.publisher, self.subscriber
        found = subscriber.data.subscription(self.stream)
        there = stream_from(publisher.side) in dict(publisher.data.slots)
        runs = found is not None and found.enabled and there and not subscriber.stalled
        if not runs or not publisher.answers or not subscriber.answers:
            return False
        publisher.commit(synchronous=True)
        subscriber.apply()
        self.write(publisher, table)
        found = subscriber.data.subscription(self.stream)
        assert found is not None
        behind = len(publisher.synced.wal) - max(
            found.origin, dict(publisher.data.slots)[self.stream]
        )
        if behind != 1:
            return False
        subscriber.on_stream(self.stream, origin=len(publisher.synced.wal))
        subscriber.commit(synchronous=True)
        publisher.confirm(self.stream, subscriber.synced.subscription(self.stream))
        return True

"""What holds in every history of the simulated world, at any moment.

What may happen is in `operators.py` and `surroundings.py`, how each history ends in
`endings.py`.
"""

from __future__ import annotations

from typing import Any

from hypothesis.stateful import invariant

from bluegreen.model.chain import broken_at
from bluegreen.model.side import Side
from bluegreen.postgres.journal.table import _record
from tests.kit.simulated import World
from tests.kit.simulated_actors import Actor
from tests.kit.simulated_data import NEW, TABLES, Change, Line, stream_from
from tests.kit.simulated_server import Server
from tests.kit.turns import Turns

SAYS_MORE = {"note"}
"""Kinds of records that whoever was overtaken may still add."""


class Promises(Turns):
    """What must hold in a history."""

    # What holds at any moment.

    @invariant()
    def all_promises_are_kept(self) -> None:
        self.one_side_takes_writes()
        self.no_acknowledged_write_is_lost_or_doubled()
        self.what_is_committed_stays_so()
        self.the_live_side_lives()
        self.whoever_had_a_turn_leaves_nobody_waiting()
        self.each_journal_is_a_chain_without_late_records()
        self.nothing_is_done_to_a_side_that_went_back()

    def each_journal_is_a_chain_without_late_records(self) -> None:
        """Whoever wrote, and whatever was cut off: the check cries at nothing."""
        for side, server in self.world.servers.items():
            journal = server.data.journal
            if self._chained.get(side) is journal:
                continue
            self._chained[side] = journal
            told = [_record(row) for row in journal]
            assert broken_at(told) is None, f"{side}'s chain is broken"
            require_no_late_record(journal)

    def one_side_takes_writes(self) -> None:
        sides = [s for s in self.world.servers.values() if takes_writes(s)]
        aside = {self.world.set_aside, self.back and self.back.side}
        assert len([s for s in sides if s.side not in aside]) <= 1, (
            "both sides take writes"
        )

    def no_acknowledged_write_is_lost_or_doubled(self) -> None:
        serving = self.world.servers[self.world.serving]
        if self.back is None:
            lost = self.world.acknowledged - serving.synced.rows - self.excused
            assert not lost, f"{serving.side} serves and lacks {lost}"
        for server in self.world.servers.values():
            assert not server.conflicts, f"{server.side} was sent rows twice"

    def what_is_committed_stays_so(self) -> None:
        aside = self.world.set_aside
        found = {
            row[0]: row
            for server in self.world.servers.values()
            if server.side is not aside
            for row in (*server.data.journal, *self.away)
            if row[2] == "committed"
        }
        if aside is None:
            for number, row in self.commits.items():
                assert found.get(number) == row, f"commit record {number} is gone"
        self.commits = found

    @property
    def away(self) -> tuple[Any, ...]:
        """The journal of a disk that may come back."""
        return self.back.newest.journal if self.back is not None else ()

    def the_live_side_lives(self) -> None:
        assert self.world.serving not in self.world.destroyed
        named = {pooler.names for pooler in self.world.poolers}
        assert not named & set(self.world.destroyed)

    def nothing_is_done_to_a_side_that_went_back(self) -> None:
        if self.back is not None:
            now = what_stands(self.world, self.back.side)
            if self.back.before:
                self.back.left = now
                self.back.before = [a for a in self.back.before if a.alive]
            assert now == self.back.left, f"{self.back.left} became {now}"

    def whoever_had_a_turn_leaves_nobody_waiting(self) -> None:
        for actor in self.world.actors:
            if actor.ended and actor not in self.seen:
                self.seen.add(actor)
                self.require_open(actor)
                self.require_let_go(actor)

    def require_let_go(self, actor: Actor) -> None:
        """However it ended, nobody waits for one that is gone."""
        hindered = actor.dead or actor.cut or self.living or self.is_broken()
        if hindered or self.back is not None:
            return
        held = [p.id for p in self.world.poolers if p.paused and p.paused_by is actor]
        assert not held, f"{actor.name} has ended and holds {held}: {actor.error}"

    def require_open(self, actor: Actor) -> None:
        """Unless it was hindered, or somebody else is in the middle of a move."""
        hindered = self.began.get(actor, -1) != self.trouble or actor.dead
        hindered = hindered or actor.gave_up
        # Whoever only wants to know whether blue may go settles nothing.
        hindered = hindered or actor.name.startswith("decommission")
        if hindered or actor.error is not None or self.living or self.is_broken():
            return
        for server in self.world.servers.values():
            server.end_writers()
            server.go_on()
        self.require_served()
        if not actor.name.startswith("guard"):
            self.require_shut()

    def is_broken(self) -> bool:
        world = self.world
        servers_up = all(s.answers for s in world.servers.values())
        return not servers_up or not all(p.up for p in world.poolers)

    def require_served(self) -> None:
        world = self.world
        serving = world.serving
        assert not world.servers[serving].data.closed, f"{serving} is fenced"
        for pooler in world.poolers:
            assert not pooler.paused, f"{pooler.id} is paused"
            assert pooler.names is serving, f"{pooler.id} names {pooler.names}"

    def require_shut(self) -> None:
        """Whoever ended well has closed what somebody else had opened."""
        world = self.world
        other = world.servers[world.serving.other]
        if world.epoch and not other.gone and world.set_aside is None:
            released = any(row[2] == "released" for row in world.records())
            shut = set(TABLES) <= other.data.closed
            assert shut or released, f"{other.side} does not serve and is open"

    def missing_on(self, side: Side) -> set[Change]:
        """Acknowledged rows that are not there, and will not come by the stream."""
        name, publisher = stream_from(side.other), self.world.servers[side.other]
        server = self.world.servers[side]
        found = server.data.subscription(name)
        start = dict(publisher.data.slots).get(name)
        coming: set[Change] = set()
        if found is not None and start is not None:
            lines = publisher.data.wal[max(start, found.origin) :]
            coming = {row for line in lines if (row := sent_row(line)) is not None}
            copied = {r for r in publisher.data.rows if r.table in found.unready}
            coming |= copied
        known = {row for row in self.world.acknowledged if row.table != NEW}
        return known - self.excused - server.data.rows - coming


def sent_row(line: Line) -> Change | None:
    """The row that a line of WAL brings to the other side, if it does."""
    return line.what if line.sent and isinstance(line.what, Change) else None


def travelling(server: Server) -> set[Change]:
    return {row for row in server.data.rows if row.table != NEW}


def takes_writes(server: Server) -> bool:
    """Whether any of its tables does; a side that is down may be up in a moment.

    Not where somebody else has seen to it.
    """
    if server.gone or server.opened_by_others:
        return False
    return bool(set(TABLES) - server.data.off - server.data.closed) or (
        not server.data.shut
    )


def what_stands(world: World, back: Side) -> tuple[Any, ...]:
    """Fences, slots, subscriptions and publications: what could be opened, enabled or
    dropped.

    A tool that backs out before its commit point may open the side that serves, where
    that is the other one.
    """
    return tuple(
        (
            one.data.shut if one.side is back else None,
            one.data.made,
            one.data.off,
            frozenset(name for name, _ in one.data.slots),
            frozenset((name, s.enabled) for name, s in one.data.subscriptions),
            one.data.publications,
        )
        for one in world.servers.values()
    )


def require_no_late_record(journal: tuple[tuple[Any, ...], ...]) -> None:
    """Once another run has announced a pause, an earlier one says no more."""
    newest, overtaken = "", set()
    for row in journal:
        kind, who = row[2], row[4]
        if kind == "pausing" and newest and who != newest:
            overtaken.add(newest)
        newest = who if kind == "pausing" else newest
        if who in overtaken and who != newest and kind not in SAYS_MORE:
            raise AssertionError(f"a late record of {who}: {row}")

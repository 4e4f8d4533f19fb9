"""Any history of operators, crashes, cuts and clients keeps the promises.

Our own decisions run over the simulated world of `tests/kit/simulated.py`, held or
killed between any two effects. HISTORIES says how many histories are tried.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bluegreen.engine.status import Status
from bluegreen.model.chain import broken_at
from bluegreen.model.history import State, fold
from bluegreen.model.record import Record
from bluegreen.model.side import Side
from bluegreen.postgres.journal.table import _record
from tests.kit.simulated import TABLES, Change, Data, Server, World, replicated_world
from tests.kit.simulated_actors import Actor
from tests.kit.simulated_verbs import (
    decommission,
    rollback,
    run,
    settle_only,
    stand_in,
    status,
)

HISTORIES = int(os.environ.get("HISTORIES", "2000"))
PARTS = 4
VERBS = {"run": run, "rollback": rollback, "decommission": decommission}
MOST_TOOLS = 2
ENOUGH = 100_000
"""Effects that no verb comes near."""

PASTS = (("armed",), (), ("run",), ("armed", "run", "rollback"), ("run",))

SIDES = st.sampled_from(list(Side))
WHICH = st.integers(0, 3)
EFFECTS = st.sampled_from([1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144])
SECONDS = st.sampled_from([0.3, 2.5, 30.0, 90_000.0])


class Histories(RuleBasedStateMachine):
    """What may happen, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.trouble = 0
        self.began: dict[Actor, int] = {}
        self.seen: set[Actor] = set()
        self.commits: dict[int, tuple[Any, ...]] = {}

    @initialize(
        poolers=st.integers(1, 2),
        past=st.sampled_from(PASTS),
        verb=st.sampled_from(["run", "rollback"]),
        effects=st.one_of(st.integers(80, 220), st.integers(0, 400)),
        held=st.sampled_from(["", "", "", *TABLES]),
        written=st.sampled_from(["", *TABLES]),
        killed=st.sampled_from([False, False, True]),
    )
    def begin(
        self,
        poolers: int,
        past: tuple[str, ...],
        verb: str,
        effects: int,
        held: str,
        written: str,
        killed: bool,
    ) -> None:
        """Most histories begin in the middle of a move, half of those with a kill."""
        self.world = world_with(past, poolers)
        if held:
            self.a_long_transaction_begins(self.world.serving, held)
        actor = self.start(verb)
        self.give_turn(actor, effects)
        if written:
            self.a_client_writes_around_the_pooler(self.world.serving, written)
        if killed:
            actor.kill()
            self.look_around()

    # Operators, and what becomes of their processes.

    @property
    def living(self) -> list[Actor]:
        return [actor for actor in self.world.actors if actor.alive]

    @property
    def tools(self) -> list[Actor]:
        return [a for a in self.living if not a.name.startswith("guard")]

    def start(self, verb: str, *, exchanged: bool = False) -> Actor:
        def work(actor: Actor) -> None:
            VERBS[verb](actor, exchanged=exchanged)

        actor = Actor(self.world, f"{verb} {len(self.world.actors)}", work)
        self.began[actor] = self.trouble
        return actor

    def give_turn(self, actor: Actor, effects: int) -> None:
        actor.turn(effects)
        self.look_around()

    def look_around(self) -> None:
        for guard in self.world.guards:
            guard.look()
            if guard.acting is not None:
                self.began.setdefault(guard.acting, self.trouble)

    def to_the_end(self, actor: Actor) -> None:
        """Run a process to its end, and with it the guards that it waits for."""
        while actor.alive:
            self.give_turn(actor, 200)
            for one in self.living:
                if one.name == f"guard of {actor.name}":
                    self.give_turn(one, 200)

    @precondition(lambda self: len(self.tools) < MOST_TOOLS)
    @rule(verb=st.sampled_from(list(VERBS)), effects=EFFECTS)
    def an_operator_begins(self, verb: str, effects: int) -> None:
        self.give_turn(self.start(verb), effects)

    @precondition(lambda self: len(self.tools) < MOST_TOOLS)
    @rule(verb=st.sampled_from(list(VERBS)))
    def an_operator_goes_through(self, verb: str) -> None:
        self.to_the_end(self.start(verb))

    @rule(verb=st.sampled_from(list(VERBS)))
    def an_operator_mixes_up_the_sides(self, verb: str) -> None:
        """Nothing may be touched, whatever stands half way."""
        before = [server.data for server in self.world.servers.values()]
        actor = self.start(verb, exchanged=True)
        actor.turn(ENOUGH)
        assert not actor.alive
        assert [server.data for server in self.world.servers.values()] == before

    @precondition(lambda self: self.living)
    @rule(which=WHICH, effects=EFFECTS)
    def a_process_goes_on(self, which: int, effects: int) -> None:
        self.give_turn(self.living[which % len(self.living)], effects)

    @precondition(lambda self: self.living)
    @rule(which=WHICH)
    def a_process_goes_on_to_its_end(self, which: int) -> None:
        self.to_the_end(self.living[which % len(self.living)])

    @precondition(lambda self: self.living)
    @rule(which=WHICH)
    def a_process_is_killed(self, which: int) -> None:
        actor = self.living[which % len(self.living)]
        actor.kill()
        # First stopped, then killed: a second fault, and its guard was there before.
        acted = any(g.tool is actor and g.acting for g in self.world.guards)
        if acted or actor.name.startswith("guard"):
            self.trouble += 1
        self.look_around()

    @precondition(lambda self: self.living)
    @rule(which=WHICH)
    def servers_give_a_process_up(self, which: int) -> None:
        """It was stopped for long, or its machine was not heard of."""
        self.trouble += 1
        self.living[which % len(self.living)].drop_sessions()

    @precondition(lambda self: self.living)
    @rule(which=WHICH, side=SIDES)
    def the_network_is_cut(self, which: int, side: Side) -> None:
        self.trouble += 1
        self.living[which % len(self.living)].cut.add(side)

    @precondition(lambda self: any(actor.cut for actor in self.living))
    @rule()
    def the_network_heals(self) -> None:
        for actor in self.world.actors:
            actor.cut.clear()

    @rule()
    def status_is_asked_for(self) -> None:
        """It says which side serves only if that is so, and it changes nothing."""
        before = [server.data for server in self.world.servers.values()]
        found: list[Status] = []
        actor = Actor(self.world, "status", lambda a: status(a, found))
        actor.turn(ENOUGH)
        assert [server.data for server in self.world.servers.values()] == before
        told = found[0].serving
        if told is not None:
            assert told is self.world.serving
            assert {p.names for p in self.world.poolers} == {told}
            assert not any(pooler.paused for pooler in self.world.poolers)
            assert not self.world.servers[told].data.closed

    # Clients.

    @rule(which=WHICH, table=st.sampled_from(TABLES))
    def a_client_writes(self, which: int, table: str) -> None:
        pooler = self.world.poolers[which % len(self.world.poolers)]
        if pooler.up and not pooler.paused:
            self.write(self.world.servers[pooler.names], table)

    @rule(side=SIDES, table=st.sampled_from(TABLES))
    def a_client_writes_around_the_pooler(self, side: Side, table: str) -> None:
        self.write(self.world.servers[side], table)

    def write(self, server: Server, table: str) -> None:
        if not server.answers or server.side is self.world.set_aside:
            return
        row = server.write(table)
        if row is not None and server.answers:
            self.world.acknowledged.add(row)

    @rule(side=SIDES, table=st.sampled_from(TABLES))
    def a_long_transaction_begins(self, side: Side, table: str) -> None:
        server = self.world.servers[side]
        if server.answers and table not in server.data.closed:
            server.writers[table] = table

    @rule(side=SIDES, table=st.sampled_from(TABLES))
    def a_long_transaction_ends(self, side: Side, table: str) -> None:
        server = self.world.servers[side]
        if server.writers.pop(table, None):
            assert table not in server.data.closed, "the fence went over a writer"
            self.write(server, table)
            server.go_on()

    @rule(which=WHICH, busy=st.booleans())
    def a_pooled_transaction_stays_open(self, which: int, busy: bool) -> None:
        pooler = self.world.poolers[which % len(self.world.poolers)]
        pooler.busy = busy and pooler.up and not pooler.paused

    # What breaks, and comes back.

    @rule(side=SIDES, lose=st.booleans(), stays_down=st.booleans())
    def a_server_crashes(self, side: Side, lose: bool, stays_down: bool) -> None:
        self.trouble += 1
        self.world.servers[side].crash(lose=lose)
        if not stays_down:
            self.world.servers[side].start()

    @rule(side=SIDES)
    def a_server_will_die_without_an_answer(self, side: Side) -> None:
        """Right after its next synchronous commit."""
        self.trouble += 1
        self.world.servers[side].says_nothing = True

    @precondition(lambda self: not all(s.up for s in self.world.servers.values()))
    @rule()
    def servers_start_again(self) -> None:
        for server in self.world.servers.values():
            server.start()

    @rule(which=WHICH)
    def a_pooler_dies_and_starts_again(self, which: int) -> None:
        pooler = self.world.poolers[which % len(self.world.poolers)]
        self.trouble += 1
        pooler.crash()
        pooler.start()

    @rule(side=SIDES, stalled=st.booleans())
    def apply_is_held_up(self, side: Side, stalled: bool) -> None:
        self.world.servers[side].stalled = stalled

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: float) -> None:
        self.world.advance(seconds)
        self.look_around()

    # What holds at any moment.

    @invariant()
    def all_promises_are_kept(self) -> None:
        self.one_side_takes_writes()
        self.no_acknowledged_write_is_lost_or_doubled()
        self.what_is_committed_stays_so()
        self.the_live_side_lives()
        self.whoever_had_a_turn_leaves_nobody_waiting()
        self.each_copy_of_the_journal_is_a_chain()

    def each_copy_of_the_journal_is_a_chain(self) -> None:
        """Whoever wrote, and whatever was cut off: the check cries at nothing."""
        for side, server in self.world.servers.items():
            told = [_record(row) for row in server.data.journal]
            assert broken_at(told) is None, f"{side}'s chain is broken"

    def one_side_takes_writes(self) -> None:
        sides = [s for s in self.world.servers.values() if takes_writes(s)]
        sides = [s for s in sides if s.side is not self.world.set_aside]
        assert len(sides) <= 1, "both sides take writes"

    def no_acknowledged_write_is_lost_or_doubled(self) -> None:
        serving = self.world.servers[self.world.serving]
        lost = self.world.acknowledged - serving.synced.rows
        assert not lost, f"{serving.side} serves and lacks {lost}"
        for server in self.world.servers.values():
            assert not server.conflicts, f"{server.side} was sent rows twice"

    def what_is_committed_stays_so(self) -> None:
        aside = self.world.set_aside
        found = {
            row[0]: row
            for server in self.world.servers.values()
            if server.side is not aside
            for row in server.data.journal
            if row[2] == "committed"
        }
        if aside is None:
            for number, row in self.commits.items():
                assert found.get(number) == row, f"commit record {number} is gone"
        self.commits = found

    def the_live_side_lives(self) -> None:
        assert self.world.serving not in self.world.destroyed
        named = {pooler.names for pooler in self.world.poolers}
        assert not named & set(self.world.destroyed)

    def whoever_had_a_turn_leaves_nobody_waiting(self) -> None:
        for actor in self.world.actors:
            if actor.ended and actor not in self.seen:
                self.seen.add(actor)
                self.require_open(actor)

    def require_open(self, actor: Actor) -> None:
        """Unless it was hindered, or somebody else is in the middle of a move."""
        hindered = self.began.get(actor, -1) != self.trouble or actor.dead
        # Whoever only wants to know whether blue may go settles nothing.
        hindered = hindered or actor.name.startswith("decommission")
        if hindered or actor.error is not None or self.living or self.is_broken():
            return
        for server in self.world.servers.values():
            server.writers.clear()
            server.go_on()
        self.require_served()

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

    def teardown(self) -> None:
        try:
            self.come_to_rest()
        finally:
            for actor in self.world.actors:
                actor.kill()

    def come_to_rest(self) -> None:
        """All is fixed, and one run begins: everything must fall into place."""
        world = self.world
        for actor in self.tools:
            actor.kill()
        for server in world.servers.values():
            server.start()
            server.writers.clear()
            server.says_nothing = server.stalled = False
        for pooler in world.poolers:
            pooler.start()
            pooler.busy = False
        for actor in world.actors:
            actor.cut.clear()
        self.look_around()
        for actor in self.living:
            self.to_the_end(actor)
        world.advance(60)
        if not self.trouble:
            self.require_served()
        if world.set_aside is not None or world.destroyed:
            return
        before = world.serving
        last = Actor(world, "last", settle_only)
        self.to_the_end(last)
        if last.error is not None:
            raise AssertionError("nothing hinders it") from last.error
        assert world.serving is before, "the commit record does not decide"
        self.require_served()
        self.require_followed()

    def require_followed(self) -> None:
        """Both sides hold the same, and only one of them takes writes."""
        self.world.advance(60)
        blue, green = self.world.servers.values()
        assert not takes_writes(self.world.servers[self.world.serving.other])
        if any(row[2] == "released" for row in blue.data.journal):
            return
        assert blue.data.rows == green.data.rows, "one side does not follow"
        self.one_side_takes_writes()
        self.no_acknowledged_write_is_lost_or_doubled()


@lru_cache
def after(past: tuple[str, ...]) -> tuple[World, dict[Side, Data]]:
    """A calm past, lived once."""
    machine = Histories()
    machine.world = world = replicated_world(poolers=1, armed="armed" in past)
    for verb in past:
        machine.a_client_writes(0, "a")
        if verb in VERBS:
            machine.to_the_end(machine.start(verb))
    world.advance(60)
    return world, {side: server.data for side, server in world.servers.items()}


def world_with(past: tuple[str, ...], poolers: int) -> World:
    """A world of its own with that past."""
    lived, data = after(past)
    world = World(poolers)
    world.now = lived.now
    world.acknowledged = set(lived.acknowledged)
    for side, server in world.servers.items():
        server.data = server.synced = data[side]
    for pooler in world.poolers:
        pooler.file = pooler.names = world.serving
    return world


def takes_writes(server: Server) -> bool:
    """Whether any of its tables does; a side that is down may be up in a moment."""
    return not server.gone and bool(set(TABLES) - server.data.closed)


def try_histories(count: int, *phases: Phase) -> None:
    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=count,
            stateful_step_count=12,
            deadline=None,
            database=None,
            print_blob=True,
            report_multiple_bugs=False,
            phases=phases or (Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.timeout(max(300, HISTORIES // 4))
@pytest.mark.parametrize("part", range(PARTS))
def test_every_history_keeps_the_promises(
    monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    """In parts, which workers may share; the histories of each are its own."""
    stand_in(monkeypatch)
    try_histories(HISTORIES // PARTS)


def serves_for_ever(records: Iterable[Record]) -> State:
    """What a fold that overlooks the commit record would say."""
    return replace(fold(records), serving=Side.BLUE)


@pytest.mark.parametrize(
    ("decision", "broken"),
    [
        ("move.settle.fold", serves_for_ever),
        ("move.settle.open_fence", lambda _: None),
        ("move.way_back.advance_origin", lambda *_: 0),
        ("move.pause.set_sequences", lambda *_, **__: 0),
        ("release.due._not_due", lambda _: None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_broken_decision_is_found(
    monkeypatch: pytest.MonkeyPatch, decision: str, broken: Callable[..., object]
) -> None:
    stand_in(monkeypatch)
    for past in PASTS:
        after(past)
    monkeypatch.setattr(f"bluegreen.steps.{decision}", broken)
    with pytest.raises(AssertionError):
        try_histories(2000, Phase.generate)


def test_a_tool_that_stood_still_before_the_pause_holds_nobody_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its guard has come and gone, so nobody would let the clients go."""
    stand_in(monkeypatch)
    told = set()
    for effects in range(80, 260):
        machine = Histories()
        machine.world = world_with(("armed",), 1)
        tool = machine.start("run")
        machine.give_turn(tool, effects)
        machine.time_passes(2.6)
        for one in machine.living:
            if one is not tool:
                machine.to_the_end(one)
        machine.to_the_end(tool)
        told.add(str(tool.error))
        machine.require_served()
    assert (
        "error BG-5001: the tool stood still right before the pause\n"
        "  seen:    0:00:00.600000 over the time that the guard waits\n"
        "  wanted:  a pause that begins at once, while the guard monitors\n"
        "  traffic: blue (backed out, nothing has moved)\n"
        "  hint:    was the tool stopped, or the machine suspended? Run again"
    ) in told


def test_a_guard_that_dies_too_leaves_all_to_the_next_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The tool at any effect of its pause, and its guard at any of its own."""
    stand_in(monkeypatch)
    for effects in range(110, 260, 6):
        for guards in range(0, 60, 5):
            machine = Histories()
            machine.world = world_with(("armed",), 1)
            tool = machine.start("run")
            machine.give_turn(tool, effects)
            tool.kill()
            machine.look_around()
            for guard in machine.living:
                machine.give_turn(guard, guards)
                guard.kill()
                machine.trouble += 1
            machine.all_promises_are_kept()
            machine.teardown()


@pytest.mark.parametrize("answered", [True, False])
@pytest.mark.parametrize("side", list(Side))
def test_a_server_that_crashes_at_any_effect_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, side: Side, answered: bool
) -> None:
    """Down and up again at once, with all gone that was not flushed."""
    stand_in(monkeypatch)
    for effects in range(0, 190, 2):
        machine = Histories()
        machine.world = world_with(("armed",), 1)
        tool = machine.start("run")
        machine.give_turn(tool, 110)
        machine.a_client_writes_around_the_pooler(machine.world.serving, "b")
        machine.give_turn(tool, effects)
        machine.a_client_writes_around_the_pooler(machine.world.serving, "a")
        if answered:
            machine.a_server_crashes(side, lose=True, stays_down=False)
        else:
            machine.a_server_will_die_without_an_answer(side)
            machine.give_turn(tool, 30)
            machine.world.servers[side].start()
        machine.to_the_end(tool)
        machine.all_promises_are_kept()
        machine.teardown()


def test_a_calm_history_goes_there_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    machine = Histories()
    machine.world = replicated_world(poolers=2, armed=False)
    for verb, serving in [("run", Side.GREEN), ("rollback", Side.BLUE)] * 2:
        machine.a_client_writes(0, "a")
        actor = machine.start(verb)
        machine.to_the_end(actor)
        assert actor.error is None, actor.error
        assert machine.world.serving is serving
        machine.a_client_writes(1, "b")
        machine.status_is_asked_for()
    assert machine.world.acknowledged == {
        *(Change("a", n) for n in range(1, 9, 2)),
        *(Change("b", n) for n in range(2, 9, 2)),
    }
    machine.to_the_end(machine.start("run"))
    machine.time_passes(90_000)
    machine.to_the_end(machine.start("decommission"))
    assert machine.world.destroyed == [Side.BLUE]
    machine.the_live_side_lives()

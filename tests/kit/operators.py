"""What operators, clients, crashes and cuts may do in a history, in any order."""

from __future__ import annotations

from functools import lru_cache

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from bluegreen.engine.status import Status
from bluegreen.model.side import Side
from tests.kit.endings import Endings
from tests.kit.simulated import World, replicated_world
from tests.kit.simulated_actors import ENOUGH, Actor
from tests.kit.simulated_data import NEW, TABLES, Data
from tests.kit.simulated_server import Server
from tests.kit.simulated_verbs import status
from tests.kit.turns import VERBS

MOST_TOOLS = 2
SIDES = st.sampled_from(list(Side))
ANY_VERB = st.sampled_from(list(VERBS))
WHICH = st.integers(0, 3)
EFFECTS = st.sampled_from([1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144])
SECONDS = st.sampled_from([0.3, 2.5, 30.0, 90_000.0])
SLEEPS_S = 5.0
"""Longer than a pause, with what its guard takes to end it."""


class Operators(Endings):
    """What people and their machines do."""

    def stop(self, actor: Actor) -> None:
        """For so long that servers give it up, and its guard is done."""
        self.trouble += 1
        self.asleep.add(actor)
        actor.drop_sessions()
        self.world.advance(SLEEPS_S)
        self.look_around()
        for one in self.living:
            if one is not actor:
                self.to_the_end(one)

    @precondition(lambda self: len(self.tools) < MOST_TOOLS)
    @rule(verb=ANY_VERB, effects=EFFECTS)
    def an_operator_begins(self, verb: str, effects: int) -> None:
        self.give_turn(self.start(verb), effects)

    @precondition(lambda self: len(self.tools) < MOST_TOOLS)
    @rule(verb=ANY_VERB)
    def an_operator_goes_through(self, verb: str) -> None:
        self.to_the_end(self.start(verb))

    @rule(verb=ANY_VERB)
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
        if told is None:
            return
        # Only both together can tell that one went back.
        away = not all(server.answers for server in self.world.servers.values())
        assert self.back is None or away, "a side went back and status does not say so"
        assert not (away and found[0].way_back.startswith("open"))
        assert told is self.world.serving
        assert {p.names for p in self.world.poolers} == {told}
        assert not any(pooler.paused for pooler in self.world.poolers)
        assert not self.world.servers[told].data.closed
        if found[0].way_back.startswith("open"):
            missing = self.missing_on(Side.BLUE)
            assert not missing, f"the way back is told open and blue lacks {missing}"
            strays = self.world.servers[Side.BLUE].strays
            assert not strays, f"the way back is told open and only blue has {strays}"

    # Clients.

    @rule(which=WHICH, table=st.sampled_from(TABLES))
    def a_client_writes(self, which: int, table: str) -> None:
        pooler = self.world.poolers[which % len(self.world.poolers)]
        if pooler.up and not pooler.paused:
            self.write(self.world.servers[pooler.names], table)

    @rule(side=SIDES, table=st.sampled_from((*TABLES, NEW)))
    def a_client_writes_around_the_pooler(self, side: Side, table: str) -> None:
        self.write(self.world.servers[side], table)

    def write(self, server: Server, table: str, *, begun: bool = False) -> None:
        if not server.answers or server.side is self.world.set_aside:
            return
        # What keeps clients off a side that went back is the operator's hand.
        if self.back is not None and self.back.side is server.side:
            return
        if server.side is not self.world.serving and server.is_stray(table):
            self.write_stray(server, table)
            return
        row = server.write(table, begun=begun)
        if row is not None and server.answers:
            self.excused.discard(row)
            self.world.acknowledged.add(row)

    def write_stray(self, server: Server, table: str) -> None:
        data = server.data
        if table in data.tables and table not in data.closed:
            self.unlike = True
            server.write_stray(table)

    @rule(side=SIDES, table=st.sampled_from(TABLES))
    def a_long_transaction_begins(self, side: Side, table: str) -> None:
        server = self.world.servers[side]
        stray = side is not self.world.serving and server.is_stray(table)
        if server.answers and table not in server.data.closed and not stray:
            server.writers[table] = table
            if table not in server.data.fenced:
                server.ungated.add(table)

    @rule(side=SIDES, table=st.sampled_from(TABLES))
    def a_long_transaction_ends(self, side: Side, table: str) -> None:
        server = self.world.servers[side]
        if server.writers.pop(table, None):
            gated = table not in server.ungated
            server.ungated.discard(table)
            closed = table in server.data.closed
            assert not (gated and closed), "the fence went over a writer"
            self.write(server, table, begun=True)
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


@lru_cache
def after(past: tuple[str, ...]) -> tuple[World, dict[Side, Data]]:
    """A calm past, lived once."""
    machine = Operators()
    machine.world = world = replicated_world(poolers=1, armed="armed" in past)
    for verb in past:
        machine.a_client_writes(0, "a")
        if verb in VERBS:
            actor = machine.start(verb)
            machine.to_the_end(actor)
            assert actor.error is None, actor.error
    world.advance(60)
    return world, {side: server.data for side, server in world.servers.items()}


def world_with(past: tuple[str, ...], poolers: int) -> World:
    """A world of its own with that past."""
    lived, data = after(past)
    world = lived.followed_by(poolers)
    for side, server in world.servers.items():
        server.data = server.synced = data[side]
        server.past.extend(lived.servers[side].past)
    for pooler in world.poolers:
        pooler.file = pooler.names = world.serving
    return world

"""Histories of the simulated world: how they begin, and all that may happen in them."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import initialize

from tests.kit.operators import SIDES, world_with
from tests.kit.simulated_actors import Actor
from tests.kit.simulated_data import NEW, TABLES
from tests.kit.surroundings import MOMENTS, ONE, Surroundings

PASTS = (("armed",), (), ("run",), ("armed", "run", "rollback"), ("run",))
POINTS = (
    "compare_rows/after_result",
    "pass_monitors/after_act",
    "switch_traffic/before_act",
    "move/ready",
    "move/paused",
    "move/fenced",
    "move/marked",
    "move/caught_up",
    "move/stream_stopped",
    "move/committed",
    "move/committed",
    "move/pointed",
    "move/resumed",
    "switch_traffic/after_act",
    "way_back/origin_advanced",
    "start_reverse_stream/after_act",
    "way_back/subscription_dropped",
    "certificate/recorded",
)
"""Where the first verb is held; some effects behind it as well."""

MOST_BEHIND = 60
SOME = 12
"""Effects."""

Event = Callable[["Histories"], None]

EVENTS: st.SearchStrategy[Event | None] = st.one_of(
    st.none(),
    st.builds(
        lambda side, moments, promoted: (
            lambda m: m.a_side_goes_back(side, moments, promoted)
        ),
        SIDES,
        MOMENTS,
        st.booleans(),
    ),
    st.just(lambda m: m.a_partition_is_made()),
    st.just(lambda m: m.somebody_opens_the_fence()),
    st.builds(
        lambda side, table: lambda m: m.somebody_disables_a_trigger(side, table),
        SIDES,
        ONE,
    ),
    st.builds(
        lambda what, table: lambda m: getattr(m, what)(table),
        st.sampled_from(
            [
                "a_table_is_out_of_the_publication_for_a_while",
                "a_table_is_copied_once_more",
                "a_transaction_is_skipped",
                "a_row_is_left_out_without_a_trace",
            ]
        ),
        ONE,
    ),
)
"""What happens in the middle of the first verb."""


class Histories(Surroundings):
    """What may happen, in any order, from the middle of a verb on."""

    @initialize(
        poolers=st.integers(1, 2),
        past=st.sampled_from(PASTS),
        verb=st.sampled_from(["run", "rollback"]),
        point=st.sampled_from(("", *POINTS)),
        effects=st.one_of(st.integers(0, 12), st.integers(0, 800)),
        held=st.sampled_from(["", "", "", *TABLES]),
        event=EVENTS,
        written=st.sampled_from(["", *TABLES, NEW]),
        fate=st.sampled_from(["", "goes on", "killed", "stopped"]),
        meanwhile=st.lists(st.sampled_from(["run", "rollback"]), max_size=2),
    )
    def begin(
        self,
        poolers: int,
        past: tuple[str, ...],
        verb: str,
        point: str,
        effects: int,
        held: str,
        event: Event | None,
        written: str,
        fate: str,
        meanwhile: list[str],
    ) -> None:
        """In the middle of a verb something happens, and it goes on, dies or sleeps."""
        self.world = world_with(past, poolers)
        if held:
            self.a_long_transaction_begins(self.world.serving, held)
        actor = self.start(verb)
        if point:
            actor.stop_at(point, effects % MOST_BEHIND)
            self.to_the_end(actor, unless=lambda: actor.has_come)
        else:
            self.give_turn(actor, effects)
        if event is not None:
            event(self)
        if written:
            self.a_client_writes_around_the_pooler(self.world.serving, written)
        self.meets_its_fate(actor, fate, meanwhile)

    def meets_its_fate(self, actor: Actor, fate: str, meanwhile: list[str]) -> None:
        """One that sleeps is overtaken by others before it wakes up."""
        if fate == "goes on":
            self.give_turn(actor, SOME)
            self.a_client_writes_around_the_pooler(self.world.serving, TABLES[0])
            self.to_the_end(actor)
        if fate == "killed":
            actor.kill()
            self.look_around()
        if fate == "stopped" and actor.alive:
            self.stop(actor)
            for verb in meanwhile:
                self.to_the_end(self.start(verb))
                self.all_promises_are_kept()

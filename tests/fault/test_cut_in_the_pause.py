"""What a cut network, a dead server and a late message can do inside the pause."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from bluegreen.engine import guard
from bluegreen.engine.journal import TwinJournal
from bluegreen.model.errors import BudgetError, LeaseRefused, TrafficUnknownError
from bluegreen.model.progress import Progress
from bluegreen.model.record import Kind
from bluegreen.model.side import Side
from bluegreen.postgres.database import Database
from bluegreen.postgres.fence.commit_point import commit_move
from bluegreen.postgres.fence.fence import close_fence, read_fence
from bluegreen.postgres.journal.table import read_records, server_time
from bluegreen.steps.switchover.recover import (
    RecoverSwitchover,
    claim_back_out,
    recover,
)
from bluegreen.steps.world import World
from tests.fault.matrix import Fields
from tests.fault.trial import Case, try_case
from tests.kit.arena import Arena, bring_about, move, replicate
from tests.kit.battlefield import Battlefield
from tests.kit.databases import recreate

WRAPPED = "\n           "
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def fields() -> Iterator[Fields]:
    with Fields() as made:
        yield made


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("fault", "seed"),
    [
        # Seeds that choose the longest cuts: 8 s.
        ("blue_black_hole", 2),
        ("green_black_hole", 2),
        ("green_killed", 1),
        ("green_disk_full", 1),
    ],
)
def test_a_side_that_falls_silent_in_the_pause_holds_nobody_up(
    fields: Fields, fault: str, seed: int
) -> None:
    here = fields.take()
    case = Case(Side.GREEN, "move/marked", fault)
    outcome = try_case(here, case, seed, fields.points[Side.GREEN])
    assert outcome.reached
    assert not outcome.wrong, outcome
    assert not outcome.set_aside


def kinds(here: Battlefield) -> list[str]:
    with here.connect(Side.GREEN) as session:
        found = session.execute("SELECT kind FROM bluegreen.journal ORDER BY seq")
        return [kind for (kind,) in found]


@pytest.mark.sampled(1)
@pytest.mark.parametrize("mode", ["black_hole", "reset"])
def test_a_lease_lost_while_the_move_is_made_ready_stops_it_before_the_pause(
    fields: Fields, mode: str
) -> None:
    here = fields.take()
    if kinds(here).count("committed") % 2:
        here.tool("rollback").require()
    before = kinds(here).count("pausing")
    tool = here.tool("run", hold="move/ready")
    assert tool.await_hold()
    here.ways[Side.BLUE].set(mode)
    tool.go_on()
    try:
        assert tool.ended() == 8, tool.said
    finally:
        here.calm()
    assert "error BG-8001: the lease is not held any more" in tool.said
    assert kinds(here).count("pausing") == before
    here.tool("run").require()


def paused(world: World) -> None:
    """As a tool leaves it that died between the fence and the commit point."""
    world.journal.append(Kind.PAUSING, action="move", body={"to": "green"})
    for pointer in world.pointers:
        pointer.pause(timedelta(seconds=2))
    close_fence(world.blue)


def ready(here: Arena) -> World:
    here.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY)")
    world = here.world()
    replicate(world)
    move(world, Side.GREEN)
    move(world, Side.BLUE)
    return world


def test_a_commit_that_arrives_late_comes_to_nothing(
    arena: Callable[..., Arena],
) -> None:
    world = ready(arena(16, 18))
    paused(world)
    draft = world.journal.draft(Kind.COMMITTED, action="move", body={"to": "green"})
    late = server_time(world.green)
    with pytest.raises(BudgetError) as caught:
        commit_move(world.green, draft, before=late)
    assert str(caught.value) == (
        "error BG-5001: the commit point reached green after the pause's budget\n"
        f"  seen:    later than {late:%H:%M:%S.%f} by green's clock\n"
        "  wanted:  a commit inside the budget\n"
        "  hint:    was the tool stopped, or the network slow? Run again"
    )
    assert read_fence(world.green).is_closed
    assert read_records(world.green)[-1].kind is Kind.PAUSING
    claim_back_out(world)
    recover(world)
    assert read_fence(world.blue).is_open


def test_one_side_alone_does_not_say_that_a_move_was_not_committed(
    arena: Callable[..., Arena],
) -> None:
    world = ready(arena(16, 18))
    paused(world)
    cut = replace(world, green=Database(Side.GREEN, "host=127.0.0.1 port=1"))
    journal = TwinJournal(cut.blue, cut.green, "r-cut")
    cut = replace(cut, journal=journal)
    for act in (claim_back_out, recover):
        with pytest.raises(TrafficUnknownError) as caught:
            act(cut)
        text = str(caught.value).replace(caught.value.seen.replace("\n", WRAPPED), "…")
        assert text == (
            "error BG-7001: it is not known whether the move to green was committed\n"
            "  seen:    …\n"
            "  wanted:  an answer of both sides: the journals decide\n"
            "  traffic: not confirmed; blue is fenced and refuses writes until then\n"
            "  hint:    bring green up or fix the network to it, then run `bluegreen "
            "run` again; if green is lost for good, make it again first, an empty "
            "database"
        )
        assert read_fence(world.blue).is_closed
    claim_back_out(world)
    recover(world)
    assert read_fence(world.blue).is_open


def test_a_back_out_while_green_is_away_says_that_its_stream_was_not_seen(
    arena: Callable[..., Arena],
) -> None:
    world = ready(arena(16, 18))
    paused(world)
    claim_back_out(world)
    cut = replace(world, green=Database(Side.GREEN, "host=127.0.0.1 port=1"))
    said: list[Progress] = []
    journal = TwinJournal(cut.blue, cut.green, "r-cut")
    recover(replace(cut, journal=journal, tell=said.append))
    assert read_fence(world.blue).is_open
    assert not world.pointers[0].observe().paused
    [told] = said
    assert told.what == "stream_unseen"
    assert told.text.startswith(
        "blue serves; whether green follows it could not be seen (green cannot be "
    )
    assert told.text.endswith(
        "Run again once both sides answer: a stream that is off keeps WAL on blue "
        "until then"
    )


def test_a_green_made_anew_in_place_of_one_that_was_lost_lets_blue_serve(
    arena: Callable[..., Arena],
) -> None:
    here = arena(16, 18)
    paused(ready(here))
    recreate(here.pair.green)
    world = here.world()
    assert read_fence(world.blue).is_closed
    bring_about(world, RecoverSwitchover("run"))
    assert read_fence(world.blue).is_open
    assert not world.pointers[0].observe().paused


def test_a_guard_leaves_the_fence_of_a_newer_move_alone(
    arena: Callable[..., Arena],
) -> None:
    here = arena(16, 18)
    world = ready(here)
    paused(world)
    claim_back_out(world)
    # Between this guard's look and its act another run begins to move traffic.
    stale = here.world()
    told = stale.journal.records()
    paused(world)
    stale = replace(stale, journal=Frozen(told))
    with pytest.raises(LeaseRefused) as caught:
        recover(stale)
    assert caught.value.problem == "another run has begun to move traffic meanwhile"
    assert read_fence(world.blue).is_closed
    claim_back_out(world)
    recover(world)


class Frozen:
    """A journal as it was read a moment ago."""

    def __init__(self, told: object) -> None:
        self._told = told

    def records(self) -> object:
        return self._told


def test_a_guard_steps_back_once_another_run_has_begun(
    arena: Callable[..., Arena],
) -> None:
    here = arena(16, 18)
    world = ready(here)
    run = world.journal.records()[-1].run
    paused(world)
    other = here.world()
    bring_about(other)
    guard.end_pause(here.world(), "the tool died", run)
    assert read_fence(world.blue).is_closed
    guard.end_pause(here.world(), "the tool died", other.journal.records()[-1].run)
    assert read_fence(world.blue).is_open

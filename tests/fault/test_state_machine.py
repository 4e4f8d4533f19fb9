"""Any history of operators, crashes, cuts and clients keeps the promises.

Our own decisions run over the simulated world of `tests/kit/simulated.py`, held or
killed between any two effects. HISTORIES says how many histories are tried; SEED=N
tries the same again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from bluegreen.model.finding import Finding
from bluegreen.model.history import State, fold
from bluegreen.model.record import Record
from bluegreen.model.side import Side
from tests.kit.histories import PASTS, Histories
from tests.kit.operators import after, world_with
from tests.kit.sampling import get_seed, size
from tests.kit.simulated import replicated_world
from tests.kit.simulated_data import Change
from tests.kit.simulated_stands import stand_in

pytestmark = pytest.mark.always

HISTORIES = int(os.environ.get("HISTORIES", size(sampled=600, whole=2000)))
PARTS = 4
MUTANT_HISTORIES, MUTANT_SEED = 6000, 15
"""A broken decision is found by one history in some hundred, and by the same each time:
as a matter of luck one of nine would be missed now and then."""

FOUND_SOONER = {"steps.monitors.follower.MonitorFollower.judge": 1}
"""Seeds of those that MUTANT_SEED finds late."""


def try_histories(count: int, *phases: Phase, seed_: int) -> None:
    run_state_machine_as_test(
        seed(seed_)(type("Part", (Histories,), {})),
        settings=settings(
            max_examples=count,
            derandomize=False,  # as it is by default in CI, where parts would be alike
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
    try_histories(HISTORIES // PARTS, seed_=PARTS * get_seed() + part)


def serves_for_ever(records: Iterable[Record]) -> State:
    """What a fold that overlooks the commit record would say."""
    return replace(fold(records), serving=Side.BLUE)


def whatever_was_begun(
    _: object, __: int, act: Callable[[], None], ___: object
) -> None:
    """What would come of a tool that does not ask who is newest."""
    act()


def says_nothing(*_: object) -> Iterator[Finding]:
    """What a monitor would say that sees nothing."""
    yield from ()


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("decision", "broken"),
    [
        ("steps.switchover.recover.fold", serves_for_ever),
        ("steps.switchover.recover.open_fence", lambda _: None),
        ("steps.switchover.recover._left_open", lambda _: []),
        ("steps.switchover.reverse_stream.advance_origin", lambda *_: 0),
        ("steps.switchover.pause.set_sequences", lambda *_, **__: 0),
        ("steps.switchover.traffic.while_newest", whatever_was_begun),
        ("steps.release.due._not_due", lambda _: None),
        ("steps.monitors.follower.MonitorFollower.judge", says_nothing),
        ("engine.journal.require_whole", lambda *_: None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_broken_decision_is_found(
    monkeypatch: pytest.MonkeyPatch,
    decision: str,
    broken: Callable[..., object],
) -> None:
    stand_in(monkeypatch)
    for past in PASTS:
        after(past)
    monkeypatch.setattr(f"bluegreen.{decision}", broken)
    seed_ = FOUND_SOONER.get(decision, MUTANT_SEED)
    with pytest.raises(AssertionError):
        try_histories(MUTANT_HISTORIES, Phase.generate, seed_=seed_)


BEGIN: dict[str, Any] = {
    "poolers": 1,
    "past": ("run",),
    "verb": "rollback",
    "point": "",
    "effects": 0,
    "held": "",
    "event": None,
    "written": "a",
    "fate": "",
    "meanwhile": [],
}


def run_through(machine: Histories) -> None:
    machine.to_the_end(machine.start("run"))


FOUND: dict[str, tuple[dict[str, Any], Callable[[Histories], object] | None]] = {
    "a trigger is disabled on the side that does not serve, and stays so": (
        {"event": lambda m: m.somebody_disables_a_trigger(Side.BLUE, "a")},
        run_through,
    ),
    "a transaction is skipped between the last monitor and the pause": (
        {
            "point": "switch_traffic/before_act",
            "effects": 12,
            "event": lambda m: m.a_transaction_is_skipped("a"),
            "fate": "goes on",
        },
        None,
    ),
    "servers end every session of a tool that is stopped behind its commit": (
        {
            "past": ("armed", "run", "rollback"),
            "verb": "run",
            "point": "move/stream_stopped",
            "effects": 1,
            "fate": "stopped",
            "meanwhile": ["run", "rollback"],
        },
        None,
    ),
    "a table is out of green's publication for a while": (
        {
            "event": lambda m: m.a_table_is_out_of_the_publication_for_a_while("a"),
            "fate": "killed",
        },
        lambda m: (m.heartbeats_are_sent(), m.status_is_asked_for()),
    ),
    "green goes back while the stream that is spent is taken apart": (
        {
            "point": "way_back/subscription_dropped",
            "event": lambda m: m.a_side_goes_back(Side.GREEN, 2, False),
            "fate": "goes on",
        },
        None,
    ),
    "blue loses one record, and a tool that lives writes the next one on green": (
        {
            "past": ("armed",),
            "verb": "run",
            "point": "way_back/subscription_dropped",
            "effects": 39,
            "event": lambda m: m.a_side_goes_back(Side.BLUE, 1, False),
            "written": "",
            "fate": "goes on",
        },
        None,
    ),
    "a table is out of the publication before the reverse stream starts": (
        {
            "past": ("armed",),
            "verb": "run",
            "point": "move/committed",
            "event": lambda m: m.a_table_is_out_of_the_publication_for_a_while("a"),
            "written": "",
            "fate": "stopped",
            "meanwhile": ["rollback"],
        },
        None,
    ),
    "green goes back before the marker of the way back is written": (
        {
            "past": ("armed",),
            "verb": "run",
            "point": "way_back/origin_advanced",
            "effects": 2,
            "event": lambda m: m.a_side_goes_back(Side.GREEN, 1, False),
            "written": "",
        },
        lambda m: m.a_process_goes_on_to_its_end(0),
    ),
    "the side with the commit record goes back before the other has it": (
        {"point": "move/committed", "written": "", "fate": "killed"},
        lambda m: (m.a_process_is_killed(0), m.a_side_goes_back(Side.BLUE, 5, False)),
    ),
}
"""What histories have found, each as short as it goes."""


@pytest.mark.parametrize("case", FOUND, ids=str)
def test_what_was_found_once_is_not_found_again(
    monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    stand_in(monkeypatch)
    begin, then = FOUND[case]
    machine = Histories()
    Histories.begin(machine, **{**BEGIN, **begin})
    machine.all_promises_are_kept()
    if then is not None:
        then(machine)
        machine.all_promises_are_kept()
    machine.teardown()


def test_a_tool_that_stood_still_before_the_pause_holds_nobody_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its guard has come and gone, so nobody would let the clients go."""
    stand_in(monkeypatch)
    told = set()
    for effects in range(300, 800, 10):
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
    for effects in range(390, 540, 6):
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
        machine.give_turn(tool, 390)
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


@pytest.mark.parametrize("effects", range(16, 50, 2))
def test_a_tool_whose_sessions_ended_asks_before_it_lets_clients_go(
    monkeypatch: pytest.MonkeyPatch, effects: int
) -> None:
    """It stood still in the middle of backing out, while another run came and went."""
    stand_in(monkeypatch)
    machine = Histories()
    begin = {"point": "move/paused", "effects": effects, "held": "a", "written": ""}
    then = {"fate": "stopped", "meanwhile": ["rollback"]}
    Histories.begin(machine, **{**BEGIN, **begin, **then})
    machine.all_promises_are_kept()
    for actor in machine.living:
        machine.to_the_end(actor)
    machine.all_promises_are_kept()
    machine.teardown()

"""The runner's order, its waits and its ends, without servers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bluegreen.engine.events import (
    ActionDone,
    ActionSatisfied,
    ActionStarted,
    ActionWaits,
    Event,
    RunEnded,
    StopAsked,
)
from bluegreen.engine.interrupt import Interrupt
from bluegreen.engine.runner import Runner, crash_text, told_once, with_traffic
from bluegreen.model.errors import (
    BudgetError,
    LeaseRefused,
    PlaybookRefused,
    ServerRefused,
    StepError,
)
from bluegreen.model.hazard import Hazard
from bluegreen.model.record import Kind
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, NotYet, Refused, Satisfied, Verdict
from bluegreen.pointers.pointer import PointerFacts
from bluegreen.steps.world import World
from tests.kit.small_steps import HandClock, OneJournal, Script, Told, quiet_world

GOOD, LACKS, WAITS = Satisfied("it holds"), Needed("it lacks"), NotYet("not yet", 0.5)


@dataclass
class Run:
    """One run and all that came of it."""

    world: World
    events: list[Event]
    ended: RunEnded | None = None

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(str(r.kind), r.action) for r in self.world.journal.records()]


def run(
    *actions: Any, world: World | None = None, before: Any = (), **words: Any
) -> Run:
    this = Run(world or quiet_world(), [])
    runner = Runner(this.world, run="r-1", tell=this.events.append, **words)
    this.ended = runner.run([Script(given=actions)], before=before)
    return this


def test_a_satisfied_action_is_left_alone() -> None:
    action = Told(GOOD)
    done = run(action)
    assert action.acts == 0
    assert done.told == [("run_started", "")]
    assert ActionSatisfied("told/told", "the wanted state", "it holds") in done.events


def test_a_needed_action_acts_between_intent_and_result_and_is_seen() -> None:
    points: list[str] = []
    action = Told(LACKS, GOOD)
    action.doing = lambda _: {"rows": 3}
    done = run(action, world=quiet_world(point=points.append))
    assert action.acts == 1
    assert done.told == [
        ("run_started", ""),
        ("intent", "told/told"),
        ("result", "told/told"),
    ]
    records = done.world.journal.records()
    assert (records[1].body, records[2].body) == ({"why": "it lacks"}, {"rows": 3})
    assert points == [
        "told/told/before_act",
        "told/told/after_act",
        "told/told/after_result",
    ]
    assert [type(e).__name__ for e in done.events] == [
        "RunStarted",
        "ActionStarted",
        "ActionDone",
        "RunEnded",
    ]
    assert done.ended is not None
    assert done.ended.acted == ("told/told",)


def test_an_act_that_did_not_help_is_an_error_and_not_repeated() -> None:
    action = Told(LACKS)
    with pytest.raises(StepError) as caught:
        run(action)
    assert action.acts == 1
    assert str(caught.value) == (
        "error BG-4001: told/told ran, but its goal is still not met\n"
        "  seen:    it lacks\n"
        "  wanted:  the wanted state\n"
        "  traffic: blue (nothing has moved)\n"
        "  hint:    is something else changing it too? Run again; if it comes "
        "back, this is a bug"
    )


def test_a_refusal_becomes_the_error_of_its_code() -> None:
    no = Refused(3004, "green is not empty", seen="3 tables", wanted="none", hint="?")
    later = Told(LACKS, GOOD, key="later")
    with pytest.raises(ServerRefused) as caught:
        run(Told(no), later)
    assert str(caught.value) == (
        "error BG-3004: green is not empty\n"
        "  seen:    3 tables\n  wanted:  none\n"
        "  traffic: blue (nothing has moved)\n  hint:    ?"
    )
    assert later.acts == 0


def test_it_waits_ever_slower_and_then_acts() -> None:
    clock = HandClock()
    action = Told(*[WAITS] * 9, LACKS, *[WAITS] * 2, GOOD)
    done = run(action, world=quiet_world(clock=clock))
    assert action.acts == 1
    assert clock.slept[:3] == pytest.approx([0.1, 0.15, 0.225])
    assert max(clock.slept) == clock.slept[8] == 1.0
    assert clock.slept[9] == pytest.approx(0.1), "a wait after the act begins again"
    waits = [e for e in done.events if isinstance(e, ActionWaits)]
    assert (waits[0].part, waits[0].seconds, waits[0].patience_s) == (0.5, 0.0, None)
    assert isinstance(done.events[-2], ActionDone)


def test_patience_ends() -> None:
    action = Told(WAITS)
    action.patience = timedelta(minutes=5)
    clock = HandClock()
    with pytest.raises(BudgetError) as caught:
        run(action, world=quiet_world(clock=clock))
    assert str(caught.value) == (
        "error BG-5002: told/told timed out after 5 min 0 s\n"
        "  seen:    not yet\n"
        "  wanted:  the wanted state\n"
        "  traffic: blue (nothing has moved)\n"
        "  hint:    run again to keep waiting"
    )
    assert 300 <= clock.now <= 301


def test_what_a_timer_waits_for_ends_the_run_well() -> None:
    action, after = Told(NotYet("the window is open until noon")), Told(LACKS, GOOD)
    action.waits_for_timer = True  # type: ignore[attr-defined]
    done = run(action, after)
    assert done.ended is not None
    assert done.ended.waiting == "the window is open until noon"
    assert after.acts == 0


def fails(error: Exception) -> Told:
    action = Told(LACKS)

    def doing(_: World) -> dict[str, object]:
        raise error

    action.doing = doing
    return action


def test_a_failure_is_remembered_by_code_and_problem_only() -> None:
    world = quiet_world()
    error = StepError(4004, "the migration failed", seen="password=hunter2")
    with pytest.raises(StepError) as caught:
        run(fails(error), world=world)
    assert caught.value is error
    last = world.journal.records()[-1]
    assert (last.kind, last.action) == (Kind.FAILED, "told/told")
    assert last.body == {"code": 4004, "problem": "the migration failed"}


class LostJournal(OneJournal):
    def append(self, kind, **words):  # type: ignore[no-untyped-def]
        if kind is Kind.FAILED:
            raise StepError(4006, "the connection to green broke")
        return super().append(kind, **words)


def test_a_journal_out_of_reach_does_not_hide_the_failure() -> None:
    error = StepError(4004, "the migration failed", seen="line 3")
    with pytest.raises(StepError) as caught:
        run(fails(error), world=quiet_world(journal=LostJournal()))
    assert caught.value is error
    assert error.seen == (
        "line 3\nthe journal could not be told: the connection to green broke"
    )


def test_a_bug_leaves_its_intent_and_goes_through() -> None:
    world = quiet_world()
    with pytest.raises(ZeroDivisionError):
        run(fails(ZeroDivisionError()), world=world)
    assert world.journal.records()[-1].kind is Kind.INTENT


def test_a_hazard_that_is_not_allowed_is_refused_before_anything() -> None:
    action = Told(LACKS, GOOD)
    action.hazards = frozenset({Hazard.MOVES_TRAFFIC})  # type: ignore[misc]
    world = quiet_world()
    with pytest.raises(PlaybookRefused) as caught:
        run(action, world=world, allow=[Hazard.STOPS_WRITES])
    assert (action.acts, caught.value.code) == (0, 2006)
    assert caught.value.wanted == "allow: [MOVES_TRAFFIC, STOPS_WRITES]"
    assert world.journal.records() == ()
    assert run(action, allow=[Hazard.MOVES_TRAFFIC]).ended
    assert action.acts == 1


def test_a_lost_lease_stops_before_the_intent() -> None:
    def lost() -> None:
        raise LeaseRefused(8001, "the lease is not held any more")

    action, world = Told(LACKS), quiet_world(require_lease=lost)
    with pytest.raises(LeaseRefused):
        run(action, world=world)
    assert action.acts == 0
    assert [r.kind for r in world.journal.records()] == [Kind.RUN_STARTED]


def green_serves() -> OneJournal:
    journal = OneJournal()
    journal.append(Kind.COMMITTED, action="cutover/move", body={"to": "green"})
    return journal


def test_what_lies_before_a_cutover_that_holds_is_not_looked_at() -> None:
    before, settle = Told(LACKS, key="copy"), Told(LACKS, GOOD, key="settle")
    move, after = Told(GOOD, key="move"), Told(LACKS, GOOD, key="hold")
    move.hazards = frozenset({Hazard.MOVES_TRAFFIC})  # type: ignore[misc]
    world = quiet_world(journal=green_serves())
    allow = [Hazard.MOVES_TRAFFIC]
    done = run(before, move, after, world=world, before=[settle], allow=allow)
    assert (before.acts, settle.acts, after.acts) == (0, 1, 1)
    assert done.ended is not None
    assert done.ended.acted == ("settle/told", "hold/told")


def test_after_a_rollback_everything_is_looked_at_again() -> None:
    journal = green_serves()
    journal.append(Kind.COMMITTED, action="rollback/move", body={"to": "blue"})
    action = Told(LACKS, GOOD)
    run(action, world=quiet_world(journal=journal))
    assert action.acts == 1


def asked_when(interrupt: Interrupt) -> Callable[[], None]:
    def ask() -> None:
        interrupt.asked = True

    return ask


def test_a_stop_between_two_actions() -> None:
    interrupt, world = Interrupt(), quiet_world()
    first, second = Told(LACKS, GOOD, key="first"), Told(LACKS, key="second")

    def doing(_: World) -> dict[str, object]:
        interrupt.asked = True
        return {}

    first.doing = doing
    events: list[Event] = []
    runner = Runner(world, run="r-1", interrupt=interrupt, tell=events.append)
    with pytest.raises(StepError) as caught:
        runner.run([Script(given=(first, second))])
    assert str(caught.value) == (
        "error BG-4007: interrupted before the wanted state\n"
        "  seen:    nothing was half way\n"
        "  traffic: blue (nothing has moved)\n"
        "  hint:    run again; it goes on from here"
    )
    assert world.journal.records()[-1].kind is Kind.RESULT, "the act was not cut short"
    assert events[-1] == StopAsked()


def test_a_stop_while_waiting() -> None:
    interrupt = Interrupt()
    clock = HandClock(at_each_sleep=asked_when(interrupt))
    with pytest.raises(StepError) as caught:
        run(Told(WAITS), world=quiet_world(clock=clock), interrupt=interrupt)
    assert caught.value.problem == "interrupted while waiting for: the wanted state"
    assert len(clock.slept) == 1


@pytest.mark.parametrize("critical", [False, True])
def test_a_stop_ends_a_wait_inside_of_an_act_unless_traffic_is_half_way(
    critical: bool,
) -> None:
    interrupt = Interrupt()
    clock = HandClock(at_each_sleep=asked_when(interrupt))
    action = Told(LACKS, GOOD)
    action.critical = critical  # type: ignore[misc]
    ends: list[str] = []

    def doing(world: World) -> dict[str, object]:
        world.clock.sleep(600)
        ends.append("the act")
        return {}

    action.doing = doing
    world = quiet_world(clock=clock)
    if critical:
        run(action, world=world, interrupt=interrupt)
        assert ends == ["the act"]
        assert sum(clock.slept) == 600
        return
    with pytest.raises(StepError) as caught:
        run(action, world=world, interrupt=interrupt)
    assert "interrupted in the middle of told/told" in str(caught.value)
    assert sum(clock.slept) <= 1
    assert (Kind.FAILED, "told/told") in [
        (one.kind, one.action) for one in world.journal.records()
    ]


def test_a_second_stop_in_an_act_says_what_is_left() -> None:
    world = quiet_world()
    action = Told(LACKS)

    def doing(_: World) -> dict[str, object]:
        raise KeyboardInterrupt

    action.doing = doing
    with pytest.raises(StepError) as caught:
        run(action, world=world)
    assert str(caught.value) == (
        "error BG-4007: interrupted in the middle of told/told\n"
        "  seen:    nothing is left.\n"
        "  traffic: blue (nothing has moved)\n"
        "  hint:    run again; it goes on from here"
    )
    assert world.journal.records()[-1].body["code"] == 4007


def test_a_stop_while_looking() -> None:
    class Looks(Told):
        def observe(self, world: World) -> Verdict:
            raise KeyboardInterrupt

    with pytest.raises(StepError) as caught:
        run(Looks(GOOD))
    assert caught.value.code == 4007


class NoPointer:
    """A pointer that names what it is given."""

    id = "main"

    def __init__(self, names: Side | None) -> None:
        self._names = names

    def observe(self) -> PointerFacts:
        return PointerFacts(self._names, paused=False, seen="10.0.0.1")


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (Side.BLUE, "blue (nothing has moved)"),
        (
            Side.GREEN,
            "not confirmed: the journal says blue, pointer 'main' names green",
        ),
        (
            None,
            "not confirmed: the journal says blue, pointer 'main' names neither side",
        ),
    ],
)
def test_the_traffic_line_asks_the_pointers(names: Side | None, line: str) -> None:
    with pytest.raises(StepError) as caught:
        run(Told(LACKS), world=quiet_world(pointers=(NoPointer(names),)))
    assert caught.value.traffic == line


def test_the_traffic_line_after_a_cutover() -> None:
    with pytest.raises(StepError) as caught:
        run(Told(LACKS), world=quiet_world(journal=green_serves()))
    assert caught.value.traffic == "green (since 2026-05-04 01:02:03 UTC)"


def test_a_move_left_open_is_not_confirmed() -> None:
    journal = OneJournal()
    journal.append(Kind.PAUSING, action="cutover/move", body={"to": "green"})
    with pytest.raises(StepError) as caught:
        run(Told(LACKS), world=quiet_world(journal=journal))
    assert caught.value.traffic.startswith("not confirmed: a move was begun")


def test_a_docstring_without_a_crash_part_is_said() -> None:
    class Silent(Told):
        """Says nothing."""

    assert crash_text(Silent(GOOD)) == "it says nothing of a stop half way"


def test_the_start_of_an_act_is_told_before_it() -> None:
    events: list[Event] = []
    action = Told(LACKS, GOOD)
    action.doing = lambda _: {"seen": len(events)}
    world = quiet_world()
    Runner(world, run="r-1", tell=events.append).run([Script(given=(action,))])
    assert isinstance(events[1], ActionStarted)
    assert world.journal.records()[-1].body == {"seen": 2}


def test_a_playbooks_text_is_told_once_until_it_changes() -> None:
    about = {"verb": "run", "file": "/a/p.yml", "text": "version: 1"}
    journal = OneJournal()
    told = []
    for change in ({}, {}, {"text": "version: 2"}, {}, {"file": "/b/p.yml"}, {}):
        about |= change
        told.append("text" in told_once(about, journal.records()))
        journal.append(Kind.RUN_STARTED, body=told_once(about, journal.records()))
    assert told == [True, False, True, False, True, False]
    last = journal.records()[-1].body
    assert last == {"verb": "run", "file": "/b/p.yml"}


def test_the_end_tells_this_runs_own_move_and_the_way_back() -> None:
    journal = OneJournal()
    about = {"file": "/etc/my shop.yml"}

    def end(run: str = "r-1") -> RunEnded:
        return with_traffic(RunEnded(run, 1.0, ()), journal.records(), about)

    assert (end().serving, end().pause_ms, end().rollback) == ("blue", None, "")
    journal.append(Kind.COMMITTED, body={"to": "green"})
    moved = {"to": "green", "pause_ms": 38.4, "client_errors": ["57P01"]}
    journal.append(Kind.MOVED, body=moved)
    assert (end().serving, end().pause_ms) == ("green", 38.4)
    assert end().client_errors == ("57P01",)
    assert end().rollback == ""
    assert end("r-2").pause_ms is None

    journal.append(Kind.WAY_BACK_OPEN, body={"marker_s": 0.1})
    assert end("r-2").rollback == "bluegreen rollback '/etc/my shop.yml'"
    assert end().rollback_until is None
    until = datetime(2026, 5, 5, tzinfo=UTC)
    journal.append(Kind.WINDOW_OPENED, body={"until": until.isoformat()})
    assert end().rollback_until == until
    over = {"until": datetime(2026, 5, 4, tzinfo=UTC).isoformat()}
    journal.append(Kind.WINDOW_OPENED, body=over)
    assert (end().rollback != "", end().rollback_until) == (True, None)
    journal.append(Kind.ABANDONED, body={"serving": "green", "kept_bytes": 0})
    assert (end().rollback, end().rollback_until) == ("", None)
    journal.append(Kind.COMMITTED, body={"to": "blue"})
    assert (end().rollback, end().rollback_until) == ("", None)

"""The plan without servers: verdicts, digest, hazards."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bluegreen.engine.plan import (
    Plan,
    PlannedAction,
    PlannedVerdict,
    Unseen,
    digest_of,
    plan,
    require_allowed,
)
from bluegreen.model.errors import PlaybookRefused, ServerRefused, StepError
from bluegreen.model.hazard import Hazard
from bluegreen.model.record import Kind
from bluegreen.model.verdict import Needed, NotYet, Refused, Satisfied, Verdict
from bluegreen.steps.world import World
from tests.kit.small_steps import OneJournal, Script, Told, quiet_world

GOOD, LACKS = Satisfied("it holds"), Needed("it lacks")


class Blind(Told):
    """Cannot look yet.

    Crash: nothing is left.
    """

    error: Exception = StepError(4010, "green refused a statement (42P01)")

    def observe(self, world: World) -> Verdict:
        raise self.error


def make(*actions: Any, world: World | None = None, **words: Any) -> Plan:
    return plan([Script(given=actions)], world or quiet_world(), **words)


def risky(action: Told, *hazards: Hazard) -> Told:
    action.hazards = frozenset(hazards)  # type: ignore[misc]
    return action


def test_every_verdict_has_its_kind() -> None:
    refused = Refused(3004, "green is not empty")
    made = make(
        Told(GOOD), Told(LACKS), Told(NotYet("wait")), Told(refused), Blind(GOOD)
    )
    assert [one.kind for one in made.actions] == [
        "satisfied",
        "needed",
        "not_yet",
        "refused",
        "unseen",
    ]
    assert made.actions[4].verdict.why == (
        "known once replication has started; today green refused a statement (42P01)"
    )
    assert made.refused is made.actions[3]
    assert make(Told(GOOD)).refused is None


def test_a_plan_acts_and_writes_nothing() -> None:
    action, world = Told(LACKS), quiet_world()
    make(action, world=world)
    assert action.acts == 0
    assert world.journal.records() == ()


@pytest.mark.parametrize(
    "error",
    [
        StepError(4006, "the connection to green broke"),
        ServerRefused(3001, "green cannot be reached"),
    ],
)
def test_a_server_that_is_away_is_not_taken_for_not_there_yet(error: Exception) -> None:
    blind = Blind(GOOD)
    blind.error = error
    with pytest.raises(type(error)):
        make(blind)


def test_the_digest_names_playbook_actions_and_verdicts() -> None:
    one = make(Told(GOOD), Told(LACKS)).digest
    assert len(one) == 12
    assert make(Told(GOOD), Told(Needed("other words"))).digest == one
    assert make(Told(GOOD), Told(GOOD)).digest != one
    assert make(Told(GOOD), Told(LACKS, key="other")).digest != one
    assert make(Told(GOOD), Told(LACKS), playbook_digest="x").digest != one


@pytest.mark.parametrize("now", [LACKS, NotYet("x"), Unseen("y")], ids=repr)
def test_what_a_run_makes_visible_is_no_other_plan(now: PlannedVerdict) -> None:
    """The first look at a new pair cannot see the stream; the run's own can."""
    ahead = PlannedAction("a/b", "t", now)
    assert digest_of("x", [ahead]) == digest_of("x", [replace(ahead, verdict=LACKS)])
    assert digest_of("x", [ahead]) != digest_of("x", [replace(ahead, verdict=GOOD)])


def test_an_approval_that_was_given_is_no_other_plan() -> None:
    waits = PlannedAction("a/b", "t", NotYet("x"), waits_for_person=True)
    given = replace(waits, verdict=GOOD)
    assert digest_of("x", [waits]) == digest_of("x", [given])


def test_another_plan_is_refused() -> None:
    made = make(Told(GOOD))
    made.require_digest(made.digest)
    with pytest.raises(PlaybookRefused) as caught:
        made.require_digest("0123456789ab")
    assert str(caught.value) == (
        "error BG-2007: the plan is out of date: the servers or the playbook changed "
        f"since plan 0123456789ab (now {made.digest})\n"
        "  hint:    read `bluegreen plan` again, then run with the new digest"
    )


def test_a_hazard_ahead_must_be_allowed_by_name() -> None:
    actions = (
        risky(Told(LACKS), Hazard.STOPS_WRITES, Hazard.MOVES_TRAFFIC),
        risky(Blind(GOOD), Hazard.LOADS_BLUE),
        Told(GOOD),
    )
    allow = (Hazard.STOPS_WRITES,)
    made = make(*actions, allow=allow)
    assert made.not_allowed == (Hazard.LOADS_BLUE, Hazard.MOVES_TRAFFIC)
    with pytest.raises(PlaybookRefused) as caught:
        require_allowed(actions, allow)
    assert str(caught.value) == (
        "error BG-2006: the playbook does not allow LOADS_BLUE, MOVES_TRAFFIC\n"
        "  seen:    LOADS_BLUE: blue is read from end to end\n"
        "           MOVES_TRAFFIC: clients are sent to the other side\n"
        "  wanted:  allow: [LOADS_BLUE, MOVES_TRAFFIC, STOPS_WRITES]\n"
        "  hint:    if that is meant, put this line into the playbook"
    )
    everything = (Hazard.STOPS_WRITES, Hazard.LOADS_BLUE, Hazard.MOVES_TRAFFIC)
    require_allowed(actions, everything)
    assert make(*actions, allow=everything).not_allowed == ()


def test_a_hazard_counts_though_its_action_is_satisfied_now() -> None:
    made = make(risky(Told(GOOD), Hazard.DELETES_DATA))
    assert made.not_allowed == (Hazard.DELETES_DATA,)


def test_what_lies_before_a_cutover_that_holds_is_passed_unseen() -> None:
    journal = OneJournal()
    journal.append(Kind.COMMITTED, action="cutover/move", body={"to": "green"})
    copy = risky(Blind(GOOD, key="copy"), Hazard.LOADS_BLUE)
    copy.error = AssertionError("it was looked at")
    move = risky(Told(GOOD, key="cutover"), Hazard.MOVES_TRAFFIC)
    settle = Told(GOOD, key="settle")
    made = make(
        copy,
        move,
        Told(LACKS),
        world=quiet_world(journal=journal),
        before=[settle],
        allow=[Hazard.MOVES_TRAFFIC],
    )
    assert [one.kind for one in made.actions] == [
        "satisfied",
        "passed",
        "satisfied",
        "needed",
    ]
    assert made.not_allowed == ()

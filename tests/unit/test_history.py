"""What a story means: each kind of record, and the fold as a whole."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bluegreen.model.history import Approval, Failure, Move, State, fold
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side

T0 = datetime(2026, 5, 4, 1, 2, 3, tzinfo=UTC)


def story(
    *told: tuple[Kind, dict[str, object]] | Kind, run: str = "r-1"
) -> list[Record]:
    """Records with numbers, times and epochs as the journal would give them."""
    records: list[Record] = []
    epoch = 0
    for seq, one in enumerate(told, start=1):
        kind, body = one if isinstance(one, tuple) else (one, {})
        epoch += kind is Kind.COMMITTED
        action = str(body.pop("action", "")) if body else ""
        records.append(
            Record(seq, T0 + timedelta(seconds=seq), kind, epoch, run, action, body)
        )
    return records


PAUSING = (Kind.PAUSING, {"to": "green", "action": "cutover/move"})
COMMITTED = (Kind.COMMITTED, {"to": "green", "action": "cutover/move"})
BACK_PAUSING = (Kind.PAUSING, {"to": "blue", "action": "rollback/move"})
BACK = (Kind.COMMITTED, {"to": "blue", "action": "rollback/move"})


def told(*parts: tuple[Kind, dict[str, object]] | Kind) -> State:
    return fold(
        story(*[(p[0], dict(p[1])) if isinstance(p, tuple) else p for p in parts])
    )


def test_no_story_means_that_blue_serves_and_nothing_moved() -> None:
    assert fold([]) == State()
    assert State().serving is Side.BLUE
    assert State().unfinished_move is None


def test_a_pause_opens_a_move() -> None:
    state = told(PAUSING)
    assert state.open_move == Move(
        Side.GREEN, "cutover/move", "r-1", T0 + timedelta(seconds=1)
    )
    assert state.serving is Side.BLUE
    assert state.unfinished_move == state.open_move


def test_backing_out_closes_it_and_blue_serves() -> None:
    state = told(PAUSING, Kind.BACKED_OUT)
    assert (state.open_move, state.last_move, state.serving) == (None, None, Side.BLUE)


def test_the_commit_point_decides_which_side_serves() -> None:
    state = told(PAUSING, COMMITTED)
    assert state.serving is Side.GREEN
    assert state.epoch == 1
    assert state.open_move is None
    assert state.last_move == Move(
        Side.GREEN,
        "cutover/move",
        "r-1",
        T0 + timedelta(seconds=1),
        epoch=1,
        committed=T0 + timedelta(seconds=2),
    )


def test_a_commit_point_without_a_pause_still_decides() -> None:
    """The pause was told to blue alone, and blue is lost."""
    state = told(COMMITTED)
    assert state.serving is Side.GREEN
    assert state.last_move is not None
    assert state.last_move.begun == state.last_move.committed


def test_a_committed_move_is_unfinished_until_it_moved() -> None:
    assert told(PAUSING, COMMITTED).unfinished_move is not None
    assert told(PAUSING, COMMITTED, Kind.MOVED).unfinished_move is None


def test_the_way_back_is_told_of_the_last_move() -> None:
    state = told(PAUSING, COMMITTED, Kind.MOVED, Kind.WAY_BACK_OPEN)
    assert state.last_move is not None
    assert state.last_move.way_back_open
    back = told(PAUSING, COMMITTED, Kind.MOVED, Kind.WAY_BACK_OPEN, BACK_PAUSING, BACK)
    assert back.last_move is not None
    assert back.last_move.to_side is Side.BLUE
    assert not back.last_move.moved
    assert not back.last_move.way_back_open
    assert back.serving is Side.BLUE
    assert back.epoch == 2


@pytest.mark.parametrize("kind", [Kind.MOVED, Kind.WAY_BACK_OPEN])
def test_a_word_about_no_move_changes_nothing(kind: Kind) -> None:
    assert told(kind) == State(seq=1)


@pytest.mark.parametrize("kind", [Kind.PAUSING, Kind.COMMITTED])
def test_a_move_to_nowhere_is_an_error_and_no_guess(kind: Kind) -> None:
    with pytest.raises(KeyError, match="to"):
        told(kind)
    with pytest.raises(ValueError, match="red"):
        told((kind, {"to": "red"}))


def test_the_window_is_one_absolute_time_and_ends_with_the_next_move() -> None:
    until = (Kind.WINDOW_OPENED, {"until": "2026-05-05T01:02:03+00:00"})
    state = told(PAUSING, COMMITTED, until)
    assert state.window_end == T0 + timedelta(days=1)
    assert told(PAUSING, COMMITTED, until, BACK_PAUSING, BACK).window_end is None
    assert told(PAUSING, COMMITTED, until, BACK_PAUSING).window_end is not None


def test_release_stays() -> None:
    assert told(Kind.RELEASED, Kind.NOTE).released
    assert not told(Kind.NOTE).released


def test_an_approval_counts_for_one_attempt_only() -> None:
    yes = (Kind.APPROVED, {"step": "approve", "by": "ann"})
    assert told(yes).approvals == {
        "approve": Approval("approve", "ann", T0 + timedelta(seconds=1))
    }
    assert told(yes, PAUSING).approvals
    for end in (Kind.BACKED_OUT, Kind.FAILED, Kind.RUN_STARTED):
        assert told(yes, PAUSING, end).approvals == {}
    assert told(yes, PAUSING, COMMITTED).approvals == {}
    assert list(told(yes, PAUSING, COMMITTED, yes).approvals) == ["approve"]


def test_an_epoch_that_rises_without_a_move_ends_approvals_too() -> None:
    yes = (Kind.APPROVED, {"step": "approve", "by": "ann"})
    first, note = story((yes[0], dict(yes[1])), Kind.NOTE)
    state = fold([first, replace(note, epoch=4)])
    assert (state.epoch, state.approvals) == (4, {})


def test_an_intent_is_open_until_a_result_or_a_failure() -> None:
    intent = (Kind.INTENT, {"action": "a/b"})
    assert list(told(intent).intents) == ["a/b"]
    assert told(intent, (Kind.RESULT, {"action": "a/b"})).intents == {}
    assert told(intent, (Kind.FAILED, {"action": "a/b"})).intents == {}
    other = told(intent, (Kind.RESULT, {"action": "a/c"}))
    assert list(other.intents) == ["a/b"]


def test_the_last_result_of_each_action_is_kept() -> None:
    state = told(
        (Kind.RESULT, {"action": "a/b", "rows": 1}),
        (Kind.RESULT, {"action": "a/c", "rows": 2}),
        (Kind.RESULT, {"action": "a/b", "rows": 3}),
    )
    assert {k: r.body["rows"] for k, r in state.results.items()} == {"a/b": 3, "a/c": 2}


def test_failures_are_kept_in_order() -> None:
    state = told((Kind.FAILED, {"action": "a/b", "code": 4001, "problem": "no"}))
    assert state.failures == (
        Failure("a/b", "r-1", T0 + timedelta(seconds=1), 4001, "no"),
    )


def test_runs_are_kept_in_order() -> None:
    assert told(Kind.RUN_STARTED, Kind.RUN_STARTED).runs == ("r-1", "r-1")


def test_every_kind_has_a_meaning() -> None:
    for kind in Kind:
        body = {"to": "green", "step": "s", "until": "2026-05-05T00:00:00+00:00"}
        assert fold([Record(1, T0, kind, 0, "r-1", "a/b", body)]).seq == 1


def build(told: list[tuple[Kind, str, str, str]]) -> list[Record]:
    epoch, records = 0, []
    for seq, (kind, to, step, action) in enumerate(told, start=1):
        epoch += kind is Kind.COMMITTED
        body = {"to": to, "step": step, "code": 4001, "until": T0.isoformat()}
        records.append(Record(seq, T0, kind, epoch, "r-1", action, body, "w"))
    return records


stories = st.lists(
    st.tuples(
        st.sampled_from(list(Kind)),
        st.sampled_from(["blue", "green"]),
        st.sampled_from(["approve", "second"]),
        st.sampled_from(["a/b", "c/d"]),
    ),
    max_size=20,
).map(build)
# A machine that is busy with servers must not fail a test of pure code.
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@calm
@given(stories, st.integers(0, 30))
def test_folding_in_two_parts_is_folding_whole(records: list[Record], cut: int) -> None:
    assert fold(records[cut:], fold(records[:cut])) == fold(records)


@calm
@given(stories)
def test_the_fold_keeps_what_must_always_hold(records: list[Record]) -> None:
    state = fold(records)
    commits = [r for r in records if r.kind is Kind.COMMITTED]
    assert state.epoch == len(commits)
    assert state.serving == (Side(commits[-1].body["to"]) if commits else Side.BLUE)
    assert (state.last_move is None) == (not commits)
    assert fold(list(records)) == state
    assert state.seq == len(records)

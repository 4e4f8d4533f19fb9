"""Which value a sequence gets: by its name, by the columns it feeds, and never back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bluegreen.postgres.replication.sequence_facts import SequenceRange
from bluegreen.postgres.replication.sequence_values import pair_up, values_for
from bluegreen.postgres.replication.sequences import SequenceValue

MOST = 2**63 - 1
ID = frozenset({"shop.orders.id"})
LINES = frozenset({"shop.lines.id"})


def sequence(name: str = "a", **words: Any) -> SequenceRange:
    plain = SequenceRange("shop", name, "bigint", 1, MOST, 1, False, 1, 35, True)
    return replace(plain, **words)


def new(name: str = "a", **words: Any) -> SequenceRange:
    """As the copy or a migration makes one."""
    return sequence(name, **{"last": 1, "called": False, **words})


def given(
    here: list[SequenceRange],
    there: list[SequenceRange],
    left: dict[tuple[str, str], tuple[int, bool]] | None = None,
) -> dict[str, tuple[int, bool]]:
    stand = [SequenceValue(one.schema, one.name, one.last, one.called) for one in here]
    found = values_for(pair_up(here, there, left), stand)
    return {one.name: (one.last, one.called) for one in found}


@pytest.mark.parametrize(
    ("here", "there", "wanted"),
    [
        ([sequence()], [new()], {"a": (35, True)}),
        ([sequence(last=7, called=False)], [new()], {"a": (7, False)}),
        # Set below its start, and copied as it is.
        ([sequence(last=5, start=100)], [new(last=100, start=100)], {"a": (5, True)}),
        # Serial to identity, renamed, moved to another schema.
        (
            [sequence(columns=ID)],
            [new(), new("b", columns=ID)],
            {"a": (35, True), "b": (35, True)},
        ),
        ([sequence(columns=ID)], [new("b", columns=ID)], {"b": (35, True)}),
        (
            [sequence(columns=ID)],
            [new(schema="sales", columns=ID)],
            {"a": (35, True)},
        ),
        # A migration counted the rows of its day; five came since.
        ([sequence(columns=ID)], [sequence("b", last=30, columns=ID)], {"b": (35, 1)}),
        # One that was shared is split, and two become one.
        (
            [sequence(columns=ID | LINES)],
            [new("b", columns=ID), new("c", columns=LINES)],
            {"b": (35, True), "c": (35, True)},
        ),
        (
            [sequence("b", columns=ID), sequence("c", last=90, columns=LINES)],
            [new(columns=ID | LINES)],
            {"a": (90, True)},
        ),
        # Set further by a migration: not set back, whichever way it was made.
        ([sequence(last=7)], [new(last=1_000_000)], {}),
        ([sequence(last=7)], [new(last=1000, start=1000)], {}),
        ([sequence(last=7)], [sequence(last=1_000_000)], {}),
        ([sequence(last=7)], [new(last=1000, start=1000, least=1000)], {}),
        ([sequence(last=7, start=1000)], [new(last=1000, start=1000, least=1000)], {}),
        # Two that changed places: each is ahead of both.
        (
            [sequence(columns=ID), sequence("b", last=90, columns=LINES)],
            [new(columns=LINES), new("b", columns=ID)],
            {"a": (90, True), "b": (90, True)},
        ),
        # Downwards.
        (
            [sequence(step=-1, last=-35, columns=ID)],
            [new("b", step=-1, last=-1, columns=ID)],
            {"b": (-35, True)},
        ),
        ([sequence(step=-1, last=-35)], [sequence(step=-1, last=-900)], {}),
        # The value that is the next one against the one that was given out.
        ([sequence(last=35)], [sequence(last=36, called=False)], {}),
        ([sequence(last=35)], [sequence(last=35, called=False)], {"a": (35, True)}),
        # One that goes round has no further end.
        ([sequence(cycles=True)], [sequence(last=90, cycles=True)], {"a": (35, True)}),
        # New on this side, or gone.
        ([sequence()], [new("b")], {}),
        ([sequence("b")], [], {}),
    ],
)
def test_what_each_gets(
    here: list[SequenceRange],
    there: list[SequenceRange],
    wanted: dict[str, tuple[int, bool]],
) -> None:
    assert given(here, there) == wanted


@pytest.mark.parametrize(
    ("stood", "wanted"),
    [
        # As the move before left it: what serves may have begun anew since.
        ((500, True), {"a": (35, True)}),
        # Set by hand since.
        ((400, True), {}),
        (None, {}),
    ],
)
def test_a_side_that_served_before_gets_the_value_as_it_is(
    stood: tuple[int, bool] | None, wanted: dict[str, tuple[int, bool]]
) -> None:
    left = {} if stood is None else {("shop", "a"): stood}
    assert given([sequence()], [sequence(last=500)], left) == wanted


def test_a_sequence_that_was_dropped_in_between_sets_nothing() -> None:
    assert values_for(pair_up([sequence()], [new()]), ()) == ()

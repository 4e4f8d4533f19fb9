"""Which values of a sequence fit the other side's, in both directions of counting."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bluegreen.compat.rollback_fit import Fits, Fitting, Stream, fixes, say_fit
from bluegreen.model.finding import Blocks, Severity
from bluegreen.model.side import Side
from bluegreen.postgres.replication.sequence_facts import SequenceRange
from bluegreen.postgres.replication.sequence_ranges import (
    Tightness,
    compare_ranges,
)
from bluegreen.steps.compatibility.rollback_fit import CheckFit
from bluegreen.steps.monitors.gate import AGAINST_A_ROLLBACK
from bluegreen.steps.monitors.limits import Limits
from bluegreen.steps.monitors.sequences import MonitorSequences, SequenceFacts

MAX = 2**63 - 1
OUT, NEAR, NARROW = Tightness.OUT, Tightness.NEAR, Tightness.NARROW
IN_STEP = Stream(present=True, enabled=True, runs=True, behind_bytes=0, errors=0)


def counter(**words: Any) -> SequenceRange:
    plain = SequenceRange("public", "inv", "bigint", 1, MAX, 1, False, 1, 10, True)
    return replace(plain, **words)


@pytest.mark.parametrize(
    ("publisher", "subscriber", "how"),
    [
        ({}, {}, None),
        ({"last": 5000}, {"most": 1000}, OUT),
        ({"last": 1000}, {"most": 1000}, OUT),
        ({"last": 1000, "called": False}, {"most": 1000}, NEAR),
        ({"last": 900}, {"most": 1000}, NARROW),
        ({"last": 901}, {"most": 1000}, NEAR),
        ({"last": 10}, {"most": 1000}, NARROW),
        ({"last": 1000}, {"most": 1000, "cycles": True}, NEAR),
        # Both go equally far: it is the application's own matter.
        ({"last": 999, "most": 1000}, {"most": 1000}, None),
        ({"last": 1000, "most": 1000}, {"most": 1000}, None),
        ({"last": 999, "most": 1000}, {}, None),
        # Types and their bounds.
        ({"last": 40_000}, {"type": "smallint", "most": 32_767}, OUT),
        ({"last": 2**31}, {"type": "integer", "most": 2**31 - 1}, OUT),
        ({"last": 31_000}, {"type": "smallint", "most": 32_767}, NEAR),
        # The lower end.
        ({"last": 10}, {"least": 100, "last": 5, "start": 5}, OUT),
        # It is ahead already, and stays where it stands.
        ({"last": 10}, {"least": 100, "last": 100, "called": False}, None),
        ({"last": -5, "least": -10}, {}, None),
        ({"last": 200, "least": 1}, {"least": 100}, None),
        # Downwards.
        ({"step": -1, "least": -MAX, "most": -1, "last": -5}, {"step": -1}, OUT),
        (
            {"step": -1, "least": -5000, "most": -1, "last": -950},
            {"step": -1, "least": -1000, "most": -1},
            NEAR,
        ),
        (
            {"step": -1, "least": -5000, "most": -1, "last": -1000},
            {"step": -1, "least": -1000, "most": -1},
            OUT,
        ),
        (
            {"step": -1, "least": -5000, "most": -1, "last": -9},
            {"step": -1, "least": -1000, "most": -1},
            NARROW,
        ),
        # Round and round: the value comes back at the other end.
        ({"cycles": True, "most": 50, "last": 20}, {"least": 15}, NARROW),
        ({"cycles": True, "most": 50, "last": 20}, {}, None),
        # One value only.
        ({"last": 7}, {"least": 7, "most": 7, "last": 7, "called": False}, OUT),
    ],
)
def test_where_a_value_stands_in_the_others_range(
    publisher: dict[str, Any], subscriber: dict[str, Any], how: Tightness | None
) -> None:
    found = compare_ranges([counter(**publisher)], [counter(**subscriber)], Side.BLUE)
    assert [one.how for one in found] == ([] if how is None else [how])


def test_what_only_one_side_has_is_not_set_and_so_fits() -> None:
    one, other = counter(last=5000), counter(name="else", most=10)
    assert compare_ranges([one], [other], Side.BLUE) == []


def test_it_names_values_ranges_and_the_repair() -> None:
    publisher = counter(name="Inv 1", last=50_000)
    subscriber = counter(name="Inv 1", type="smallint", least=-7, most=32_767)
    (found,) = compare_ranges([publisher], [subscriber], Side.BLUE)
    assert found.says == (
        'sequence public."Inv 1" stands at 50000 on green and goes to '
        "9223372036854775807; on blue it goes from -7 to 32767"
    )
    assert found.repair == (
        'ALTER SEQUENCE public."Inv 1" AS bigint MINVALUE -7 MAXVALUE '
        "9223372036854775807;"
    )


def test_the_worst_comes_first() -> None:
    publisher = [
        counter(name=name, last=last) for name, last in (("a", 1), ("b", 2000))
    ]
    subscriber = [counter(name=name, most=1000) for name in ("a", "b")]
    found = compare_ranges(publisher, subscriber, Side.BLUE)
    assert [one.how for one in found] == [OUT, NARROW]


class TestMeaning:
    def misfits(self, last: int) -> Any:
        found = compare_ranges([counter(last=last)], [counter(most=1000)], Side.BLUE)
        return tuple(found)

    @pytest.mark.parametrize(
        ("last", "severity", "stops"),
        [
            (10, Severity.OK, Blocks.NOTHING),
            (950, Severity.WARNING, Blocks.NOTHING),
            (1001, Severity.CRITICAL, Blocks.SWITCHOVER),
        ],
    )
    def test_the_watch_warns_and_then_stops(
        self, last: int, severity: Severity, stops: Blocks
    ) -> None:
        facts = SequenceFacts(Side.GREEN, self.misfits(last))
        (found,) = MonitorSequences().judge(facts, Limits())
        assert (found.severity, found.blocks) == (severity, stops)
        assert ("ALTER SEQUENCE public.inv" in found.fix) is (
            severity is not Severity.OK
        )

    def test_a_rollback_says_no_beforehand_and_names_the_repair(self) -> None:
        fitting = Fitting(IN_STEP, sequences=self.misfits(5000))
        assert fitting.answer is Fits.NO
        assert say_fit(fitting).startswith("no: sequence public.inv stands at 5000")
        assert fixes(fitting)[0].startswith("on blue: ALTER SEQUENCE public.inv")
        verdict: Any = CheckFit("rollback").judge(fitting)
        assert verdict.code == 6001
        assert MonitorSequences.id in AGAINST_A_ROLLBACK

    def test_a_value_that_nears_the_end_is_a_yes_with_a_word(self) -> None:
        fitting = Fitting(IN_STEP, sequences=self.misfits(950))
        assert fitting.answer is Fits.YES
        assert "nearly used up" in say_fit(fitting)

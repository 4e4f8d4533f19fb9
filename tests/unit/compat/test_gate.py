"""Which verdicts stop a run, and what a playbook accepts."""

from __future__ import annotations

import pytest

from bluegreen.compat.gate import rule, stops
from bluegreen.compat.verdict import Answer, Direction, Verdict

FORWARD, REVERSE = Direction.FORWARD, Direction.REVERSE


def verdict(
    answer: Answer,
    rule_: str = "constraint",
    way: Direction = FORWARD,
    found: str = "",
) -> Verdict:
    return Verdict(answer, way, rule_, "shop.t", "why", found=found)


@pytest.mark.parametrize(
    ("one", "wanted"),
    [
        (verdict(Answer.OK), False),
        (verdict(Answer.BREAK), True),
        (verdict(Answer.SILENT), True),
        (verdict(Answer.APP), True),
        (verdict(Answer.UNKNOWN), True),
        (verdict(Answer.NEEDS), True),
        (verdict(Answer.LOSSY), False),
        (verdict(Answer.LOSSY, way=REVERSE), True),
        (verdict(Answer.OK_IF), False),
        (verdict(Answer.OK_IF, "trigger"), True),
        (verdict(Answer.OK_IF, "trigger", found="a row went in"), False),
        (verdict(Answer.BREAK, way=Direction.COPY), False),
    ],
)
def test_what_stops(one: Verdict, *, wanted: bool) -> None:
    assert stops(one) is wanted


def test_what_is_accepted_by_its_name_goes_on_with_its_reason() -> None:
    lossy, silent = verdict(Answer.LOSSY, way=REVERSE), verdict(Answer.SILENT)
    ruling = rule([lossy, silent], {"reverse/LOSSY/*": "few rows"})
    assert ruling.accepted == ((lossy, "few rows"),)
    assert ruling.stopping == (silent,)
    assert ruling.unused == ()


def test_what_was_accepted_as_a_loss_stops_once_it_is_silent() -> None:
    ruling = rule([verdict(Answer.SILENT)], {"forward/LOSSY/constraint/shop.t": "x"})
    assert len(ruling.stopping) == 1
    assert ruling.unused == ("forward/LOSSY/constraint/shop.t",)


def test_a_name_that_an_earlier_look_knew_is_no_mistake() -> None:
    name = verdict(Answer.SILENT).name
    assert rule([], {name: "x"}).unused == (name,)
    assert rule([], {name: "x"}, [verdict(Answer.SILENT)]).unused == ()

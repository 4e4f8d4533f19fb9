"""The words in which a run stops at a verdict."""

from __future__ import annotations

from bluegreen.compat.gate import Ruling, rule
from bluegreen.compat.verdict import Answer, Direction, Verdict
from bluegreen.engine.plan import refusal_error
from bluegreen.model.verdict import Refused, Satisfied
from bluegreen.steps.compatibility.rows import progress_of, row_of, rows_of
from bluegreen.steps.compatibility.ruling import judged
from bluegreen.steps.compatibility.texts import Texts

SILENT = Verdict(
    Answer.SILENT,
    Direction.FORWARD,
    "rows-differ",
    "shop.orders",
    "qty of orders differs from blue's",
    statement=0,
)
SHORT = Verdict(
    Answer.BREAK,
    Direction.FORWARD,
    "type-may-not-fit",
    "shop.orders.note",
    "text arrives in character varying(3)",
    "no value is longer than 3",
    found="2 rows break it",
)

LEFT_OUT = Verdict(
    Answer.LOSSY,
    Direction.REVERSE,
    "column-left-out",
    "shop.orders",
    "gift, to of shop.orders is not sent",
    lacking=("shop.orders.gift", "shop.orders.to"),
)

UNFILLED = Verdict(
    Answer.BREAK,
    Direction.REVERSE,
    "no-default",
    "shop.orders.token",
    "shop.orders.token is NOT NULL, is not sent, and has no default",
)


def test_every_verdict_that_stops_is_named_with_what_mends_it() -> None:
    verdict = judged(rule([SHORT, SILENT], {}), whole=True)
    assert isinstance(verdict, Refused)
    assert str(refusal_error(verdict)) == (
        "error BG-3009: blue and green would not stay alike: 2 verdicts stop the run\n"
        "  seen:    forward/BREAK/type-may-not-fit/shop.orders.note: text arrives in "
        "character varying(3) (2 rows break it)\n"
        "           forward/SILENT/rows-differ/shop.orders: qty of orders differs from "
        "blue's\n"
        "  wanted:  rows that flow both ways until blue is released\n"
        "  hint:    shop.orders.note: widen the other side first\n"
        "           shop.orders: make the same change on the other side, or after the "
        "cutover\n"
        "           or accept each, with a reason, in the playbook:\n"
        "           accept:\n"
        "             - {id: forward/BREAK/type-may-not-fit, object: "
        "shop.orders.note, reason: why}\n"
        "             - {id: forward/SILENT/rows-differ, object: shop.orders, "
        "reason: why}"
    )


def test_what_blue_lacks_is_offered_as_the_step_takes_it() -> None:
    verdict = judged(rule([LEFT_OUT, UNFILLED], {}), whole=True)
    assert isinstance(verdict, Refused)
    assert verdict.hint == (
        "to let blue take all of it back, in the step `migrate`:\n"
        "  expand_blue:\n"
        "    - shop.orders.gift\n"
        "    - shop.orders.to\n"
        "    - shop.orders.token\n"
        "or accept each, with a reason, in the playbook:\n"
        "accept:\n"
        "  - {id: reverse/LOSSY/column-left-out, object: shop.orders, reason: why}\n"
        "  - {id: reverse/BREAK/no-default, object: shop.orders.token, reason: why}"
    )


def test_a_name_for_nothing_is_refused_once_everything_was_seen() -> None:
    ruling = Ruling(unused=("reverse/LOSSY/x/y",))
    assert isinstance(judged(ruling, whole=False), Satisfied)
    verdict = judged(ruling, whole=True)
    assert isinstance(verdict, Refused)
    assert str(refusal_error(verdict)) == (
        "error BG-3009: the playbook accepts what `compat` does not find\n"
        "  seen:    reverse/LOSSY/x/y\n"
        "  wanted:  every entry in the playbook's `accept` fits a verdict\n"
        "  hint:    take these entries out, or copy them again from "
        "`bluegreen compat`"
    )


def test_what_is_accepted_is_told() -> None:
    verdict = judged(rule([SILENT], {SILENT.name: "rows of today only"}), whole=True)
    assert isinstance(verdict, Satisfied)
    assert SILENT.name in verdict.why


def test_a_row_reaches_whoever_watches_whole() -> None:
    texts = Texts(("UPDATE …",), ("1.sql:7",), ("1.sql",))
    (row,) = rows_of(rule([SILENT], {SILENT.name: "meant"}), texts)
    assert (row.weight, row.place, row.reason) == ("accepted", "1.sql:7", "meant")
    assert row.law == 7
    assert row_of(progress_of(row)) == row

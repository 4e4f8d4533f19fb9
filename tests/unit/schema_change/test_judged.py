"""What our own actions make good stops no run by the text alone."""

from __future__ import annotations

import pytest

from bluegreen.compat.verdict import Answer, Direction, Verdict
from bluegreen.steps.compat import Compat, rule_by_text


def verdict(rule: str, where: str, answer: Answer = Answer.SILENT) -> Verdict:
    return Verdict(answer, Direction.FORWARD, rule, where, "why", statement=0)


@pytest.mark.parametrize(
    ("one", "stops"),
    [
        (verdict("rows-differ", "public.t"), True),
        (verdict("rows-differ", "public.django_migrations"), False),
        (verdict("table-replaced", "public.t"), False),
        (verdict("column-generated", "public.t", Answer.BREAK), False),
        (verdict("derived-stale", "public.t"), True),
        (verdict("derived-stale", "public.mapped"), False),
    ],
    ids=lambda value: value.where if isinstance(value, Verdict) else "",
)
def test_what_an_action_makes_good_waits(one: Verdict, stops: bool) -> None:
    ruling = rule_by_text([one], Compat(carried=("public.mapped.c",)), {})
    assert bool(ruling.stopping) is stops

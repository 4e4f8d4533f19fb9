"""What broken rules become before a copy."""

from __future__ import annotations

import pytest

from bluegreen.postgres.rules.breaches import Breach, Unasked
from bluegreen.postgres.rules.read import Kind, Rule
from bluegreen.steps.preflight.rules import check_breaches

IDS = {
    Kind.CHECK: "rows-break-rule",
    Kind.DOMAIN: "rows-break-rule",
    Kind.NOT_NULL: "rows-break-rule",
    Kind.GENERATED: "rows-break-rule",
    Kind.EXPRESSION: "rows-break-rule",
    Kind.UNIQUE: "rows-twice",
    Kind.FOREIGN_KEY: "rows-without-parent",
}


def rule(kind: Kind = Kind.CHECK, name: str = "k") -> Rule:
    return Rule(kind, ("app", "t"), name, owner=("app", "t"))


@pytest.mark.parametrize("kind", Kind)
def test_broken_rows_block_with_the_statement_that_shows_them(kind: Kind) -> None:
    [one] = check_breaches([Breach(rule(kind), "row 7", "SELECT 1;", ("ALTER 1;",))])
    assert (one.id, one.where, one.is_blocking) == (IDS[kind], "blue", True)
    assert (one.seen, one.fix) == ("row 7; all of them: SELECT 1;", "ALTER 1;")


def test_one_function_behind_many_rules_is_one_finding() -> None:
    fix = ("ALTER FUNCTION app.f(text) SET search_path = app, pg_temp;",)
    names = ("a", "b")
    found = [Breach(rule(name=n), f"{n} calls app.f", "", fix, True) for n in names]
    [one] = check_breaches(found)
    assert (one.id, one.is_blocking, one.fix) == ("function-unqualified", True, fix[0])
    assert one.seen == "a calls app.f; the same stops constraint app.t.b"


def test_what_could_not_be_asked_is_told() -> None:
    [one] = check_breaches([Unasked(rule(), "no such function")])
    assert (one.id, one.is_blocking) == ("rule-not-asked", False)
    assert "app.t" in one.seen
    assert "no such function" in one.seen

"""What a playbook may write as the value of a column."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from bluegreen.sql.one_expression import read_expression
from bluegreen.steps.schema_change.rules import ColumnRule, rules_by_table


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("name", {"name"}),
        ("split_part(name, ' ', 1)", {"name"}),
        ("(price::numeric * 100)::bigint", {"price"}),
        ("app.key_of(id)", {"id"}),
        ('CASE WHEN a > 0 THEN b ELSE "C" END', {"a", "b", "C"}),
        ("nextval('app.s')", set()),
        ("'; DROP TABLE t'", set()),
        ("now()", set()),
    ],
)
def test_an_expression_is_read(text: str, columns: set[str]) -> None:
    assert read_expression(text).columns == columns


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "one SQL expression"),
        ("a, b", "one SQL expression"),
        ("a; DROP TABLE t", "one SQL expression"),
        ("a FROM t", "one SQL expression"),
        ("a WHERE true", "one SQL expression"),
        ("a AS b", "without a name"),
        ("a -- rest", "without a comment"),
        ("a /* x */", "without a comment"),
        ("(SELECT 1)", "without a subselect: put it into a function"),
        ("a IN (SELECT b FROM t)", "without a subselect"),
        ("EXISTS (SELECT 1)", "without a subselect"),
        ("count(*)", "without aggregates"),
        ("sum(a) OVER ()", "without aggregates"),
        ("t.a", "by its bare name"),
        ("*", "by its bare name"),
        ("$1", "one SQL expression"),
        ("a +", "one SQL expression"),
        ("a UNION SELECT b", "one SQL expression"),
        ("a INTO b", "one SQL expression"),
        ("(" * 5000, "one SQL expression"),
    ],
)
def test_what_is_none_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_expression(text)


def test_a_way_back_from_more_columns_names_them() -> None:
    with pytest.raises(ValidationError, match="since forward mentions a, b"):
        ColumnRule(forward="a || b", reverse="x")
    with pytest.raises(ValidationError, match="since forward mentions no column"):
        ColumnRule(forward="1", reverse="x")
    rule = ColumnRule(forward="a || b", reverse={"a": "x", "b": "y"})
    assert rule.back == {"a": "x", "b": "y"}
    assert ColumnRule(forward="a", reverse="x").back == {"a": "x"}


@pytest.mark.parametrize("words", [{"forward": "("}, {"forward": "a", "type": "a b c"}])
def test_what_cannot_be_read_is_refused(words: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        ColumnRule(**words)


def test_columns_that_share_one_of_blue_belong_together() -> None:
    (rules,) = rules_by_table(
        {
            "s.t.first": ColumnRule(forward="f(name)", reverse={"name": "g(first, b)"}),
            "s.t.cents": ColumnRule(forward="price * 100", type="bigint"),
            "s.t.b": ColumnRule(forward="h(name)"),
        }
    )
    assert rules.full_name == "s.t"
    assert rules.types == {"cents": "bigint"}
    together = {frozenset(g.forward): g for g in rules.groups}
    assert set(together) == {frozenset({"first", "b"}), frozenset({"cents"})}
    assert together[frozenset({"first", "b"})].reverse == {"name": "g(first, b)"}
    assert rules.needed == {"first", "b", "name", "cents", "price"}

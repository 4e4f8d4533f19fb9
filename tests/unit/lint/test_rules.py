"""Every rule by its own record: it fires on its bad example and not on its good one."""

from __future__ import annotations

from pathlib import Path

import pytest

from bluegreen.lint.pages import pages
from bluegreen.lint.registry import RULES, SUBJECTS
from bluegreen.lint.rule import Rule
from bluegreen.sql.source import read
from tests.unit.lint.kit import example, files

DOCS = Path(__file__).parents[3] / "docs" / "lint"
ALL = list(RULES.values())


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.id)
def test_it_fires_exactly_once_on_its_bad_example(rule: Rule) -> None:
    found = example(rule, rule.bad)
    assert found.count(rule.id) == 1
    assert set(found) == {rule.id} | rule.also


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.id)
def test_it_does_not_fire_on_its_good_example(rule: Rule) -> None:
    found = example(rule, rule.good)
    assert rule.id not in found
    assert set(found) <= rule.also


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.id)
def test_its_good_example_is_sql(rule: Rule) -> None:
    assert [p for source in files(rule.good) for p in source.problems] == []
    assert read("known", rule.known).problems == []


@pytest.mark.parametrize(
    "rule", [rule for rule in ALL if rule.fix], ids=lambda rule: rule.id
)
def test_its_safe_form_no_longer_breaks_it(rule: Rule) -> None:
    from tests.unit.lint.kit import QUIET, lint

    settings = QUIET if rule.timeouts else {}
    report = lint(rule.bad, rule.known, settings=settings)
    (finding,) = [f for f in report.findings if f.id == rule.id]
    assert finding.safe is not None
    assert read("safe", finding.safe.sql).problems == []
    assert rule.id not in [
        f.id for f in lint(finding.safe.sql, rule.known, settings=settings).findings
    ]


def test_every_rule_stands_in_one_subject() -> None:
    listed = [rule.id for rules in SUBJECTS.values() for rule in rules]
    assert len(listed) == len(set(listed)) == len(RULES)


def test_the_pages_are_what_the_records_say() -> None:
    written = {path.name: path.read_text("utf-8") for path in DOCS.glob("*.md")}
    written.pop("configuration.md")
    assert written == pages()

"""What catalogs make likely stays open until data settle it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bluegreen.compat.catalog import Catalog
from bluegreen.compat.rules.analyse import judge
from bluegreen.compat.rules.conditions import conditions
from bluegreen.compat.rules.predicates import Predicate, predicates, settle
from bluegreen.compat.text.trees import judge_trees
from bluegreen.compat.verdict import Answer, Direction, worst
from bluegreen.postgres.catalog.triggers import Trigger
from tests.unit.compat.pictures import ORDERS, catalog, column, stream, table

ID, NOTE = column("id", not_null=True), column("note", "text")
AMOUNT = column("amount", "numeric", full_type="numeric(10,2)")
WHOLE = column("amount", "integer")


def rules(blue: Catalog, green: Catalog, **more: object) -> set[tuple[str, Answer]]:
    return {(v.rule, v.answer) for v in conditions(stream(blue, green, **more))}


def test_another_order_of_columns_asks_whether_the_names_mean_the_same() -> None:
    found = rules(catalog(table(ID, NOTE, AMOUNT)), catalog(table(ID, AMOUNT, NOTE)))
    assert found == {("name-reused", Answer.OK_IF)}


def test_a_column_computed_on_one_side_only_is_silent() -> None:
    green = catalog(table(ID, replace(NOTE, generated="s")))
    found = rules(green, catalog(table(ID, NOTE)), direction=Direction.REVERSE)
    assert found == {("column-generated", Answer.SILENT)}


def test_other_partitions_on_each_side_wait_for_a_probe() -> None:
    green = catalog(table(ID, NOTE, kind="partitioned"), table(ID, name=("s", "leaf")))
    relations = dict(green.relations)
    leaf = replace(relations["s", "leaf"], is_partition=True, parents=(ORDERS,))
    relations["s", "leaf"] = leaf
    found = rules(catalog(table(ID, NOTE)), replace(green, relations=relations))
    assert found == {("partition-missing", Answer.OK_IF)}


@pytest.mark.parametrize(
    ("default", "open_"),
    [
        ("shop.next_id()", True),
        ("nextval('shop.s'::regclass)", False),
        ("now()", False),
    ],
)
def test_a_default_that_calls_a_users_function(default: str, *, open_: bool) -> None:
    green = catalog(table(ID, NOTE, column("n", default=default)))
    found = rules(catalog(table(ID, NOTE)), green)
    assert (("unqualified", Answer.OK_IF) in found) is open_


def test_values_that_the_migration_rounded_are_not_sent_back() -> None:
    green, blue = catalog(table(ID, WHOLE)), catalog(table(ID, AMOUNT))
    found = rules(green, blue, direction=Direction.REVERSE)
    assert ("rows-differ", Answer.OK_IF) in found


def test_a_replica_only_trigger_does_not_serve_the_application() -> None:
    fired = Trigger("x", "R", row=True, on_insert=True, function="f")
    green = catalog(table(ID, NOTE, triggers=(fired,)))
    found = rules(green, catalog(table(ID, NOTE)), direction=Direction.REVERSE)
    assert ("derived-stale", Answer.OK_IF) in found


def test_what_the_text_said_of_data_outlives_the_catalogs() -> None:
    same = catalog(table(ID, NOTE))
    read = judge_trees(["delete from x", "alter table x drop y"])
    found = judge(stream(same, same), read=read)
    assert {v.rule for v in found} == {"rows-differ"}


def test_a_name_dropped_and_added_again_is_silent() -> None:
    found = judge_trees(["alter table t drop b", "alter table t add b text"])
    assert ("name-reused", Answer.SILENT) in {(v.rule, v.answer) for v in found}


def test_questions_settle_what_they_answer_and_no_more() -> None:
    way = stream(
        catalog(table(ID, NOTE)), catalog(table(ID, replace(NOTE, not_null=True)))
    )
    (asked,) = [p for p in predicates(way) if p.kind == "null"]
    verdicts = judge(way)
    assert worst(settle(verdicts, {asked: 0})) is Answer.OK
    assert worst(settle(verdicts, {asked: 2})) is Answer.BREAK
    alike = replace(asked, kind="alike")
    assert worst(settle(verdicts, {alike: 0})) is Answer.OK_IF
    other = Predicate("null", "constraint", "shop.other.note", ("shop", "other"))
    assert worst(settle(verdicts, {other: 0})) is Answer.OK_IF

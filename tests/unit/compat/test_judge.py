"""Catalogs against probes: who decides what."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bluegreen.compat.catalog import Catalog
from bluegreen.compat.rules.analyse import judge
from bluegreen.compat.rules.rule import RULES
from bluegreen.compat.seen import Change, Difference, Harm, Refused, Seen, Stopped
from bluegreen.compat.verdict import Answer, Direction, worst
from bluegreen.model.bookkeeping import BOOKKEEPING
from bluegreen.postgres.catalog.constraints import Constraint
from bluegreen.postgres.catalog.triggers import Trigger
from tests.unit.compat.pictures import (
    KEY,
    ORDERS,
    catalog,
    column,
    publish,
    stream,
    table,
)

ID, NOTE = column("id", not_null=True), column("note", "text")
BLUE = catalog(table(ID, NOTE))
CASES = Path(__file__).parents[2] / "cases" / "replication.json"
TOUCHED = Seen(touched=frozenset({ORDERS}))


def answer(
    blue: Catalog, green: Catalog, seen: Seen | None = None, **more: object
) -> Answer:
    return worst(judge(stream(blue, green, **more), seen))


@pytest.mark.parametrize("direction", list(Direction))
def test_two_equal_sides_are_fine(direction: Direction) -> None:
    assert answer(BLUE, BLUE, direction=direction) is Answer.OK


def test_a_publication_that_cannot_be_made_breaks() -> None:
    assert answer(BLUE, BLUE, publication=None) is Answer.BREAK


def test_a_quiet_table_breaks_only_what_is_written() -> None:
    dropped = catalog()
    known = frozenset({1})
    assert answer(BLUE, dropped, Seen(), known=known) is Answer.OK
    assert answer(BLUE, dropped, TOUCHED, known=known) is Answer.BREAK
    assert answer(BLUE, dropped, None, known=known) is Answer.BREAK
    assert answer(BLUE, dropped, Seen()) is Answer.BREAK


@pytest.mark.parametrize(
    ("green", "wanted"),
    [
        (table(ID, replace(NOTE, not_null=True)), Answer.OK_IF),
        (table(ID, NOTE, column("n", not_null=True)), Answer.BREAK),
        (table(ID, NOTE, column("n", not_null=True, default="1")), Answer.OK),
        (
            table(ID, NOTE, constraints=(Constraint("k", "c", "CHECK (id>1)"),)),
            Answer.OK_IF,
        ),
        (
            table(
                ID,
                NOTE,
                constraints=(Constraint("k", "c", "CHECK (id>1)", enforced=False),),
            ),
            Answer.OK,
        ),
        (
            table(ID, NOTE, constraints=(Constraint("k", "f", "FOREIGN KEY (id)"),)),
            Answer.OK_IF,
        ),
        (table(ID, NOTE, triggers=(Trigger("x", "A", True, True, "f"),)), Answer.OK_IF),
        (table(ID, NOTE, triggers=(Trigger("x", "O", True, True, "f"),)), Answer.OK),
        (
            table(
                ID,
                NOTE,
                column("up", "text"),
                triggers=(Trigger("x", "O", True, True, "f", "new.up := 'x';"),),
            ),
            Answer.SILENT,
        ),
    ],
)
def test_conditions_stay_open_without_probes(green: object, wanted: Answer) -> None:
    assert answer(BLUE, catalog(green)) is wanted  # type: ignore[arg-type]


def test_whole_rows_with_a_filled_extra_column_are_lost() -> None:
    blue = catalog(table(ID, NOTE, replica_identity="f", indexes=()))
    green = catalog(table(ID, NOTE, column("n", default="1"), indexes=()))
    assert answer(blue, green) is Answer.SILENT
    computed = catalog(table(ID, NOTE, column("n", generated="s"), indexes=()))
    assert answer(blue, computed) is Answer.OK_IF


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        (TOUCHED, Answer.OK),
        (replace(TOUCHED, stopped=Stopped("constraint", ORDERS, "no")), Answer.BREAK),
        (
            replace(TOUCHED, differences=(Difference(ORDERS, "note", "1", "a", "b"),)),
            Answer.SILENT,
        ),
        (
            replace(TOUCHED, existing=(Difference(ORDERS, "", "1", "x", None),)),
            Answer.SILENT,
        ),
        (replace(TOUCHED, harms=(Harm("foreign-key", ORDERS, "x"),)), Answer.SILENT),
        (replace(TOUCHED, refused=(Refused(0, "55000", "x"),)), Answer.APP),
        (replace(TOUCHED, missed=(Change("delete", (ORDERS,)),)), Answer.OK),
    ],
)
def test_what_probes_saw(seen: Seen, wanted: Answer) -> None:
    assert answer(BLUE, BLUE, seen) is wanted


def test_a_table_left_out_is_a_loss_of_shape_or_silent() -> None:
    new = table(ID, name=("shop", "new"))
    green = catalog(table(ID, NOTE), new)
    partly = publish(BLUE)
    more = {"publication": partly, "direction": Direction.REVERSE}
    assert answer(green, BLUE, **more) is Answer.LOSSY
    assert answer(green, green, **more) is Answer.SILENT


@pytest.mark.parametrize("name", sorted(BOOKKEEPING))
def test_bookkeeping_tables_may_be_left_out(name: str) -> None:
    own = table(ID, name=("public", name))
    both = catalog(table(ID, NOTE), own)
    assert answer(both, both, publication=publish(BLUE)) is Answer.OK


def test_a_statement_trigger_spoils_the_copy_only() -> None:
    green = catalog(table(ID, NOTE, triggers=(Trigger("x", "A", False, True, "f"),)))
    seen = Seen(copied=frozenset({ORDERS}))
    assert answer(BLUE, green, seen, direction=Direction.COPY) is Answer.SILENT
    assert answer(BLUE, green, TOUCHED) is Answer.OK


def test_only_ok_and_a_declared_loss_let_a_run_go_on() -> None:
    assert {a for a in Answer if not a.stops} == {Answer.OK, Answer.LOSSY}


def test_every_proof_is_a_measured_case() -> None:
    ids = {case["id"] for case in json.loads(CASES.read_text())}
    assert {rule.proof for rule in RULES.values() if rule.proof} <= ids
    assert KEY.primary


@pytest.mark.parametrize(("major", "wanted"), [(17, Answer.OK), (18, Answer.APP)])
def test_whole_rows_need_generated_columns_to_be_sent_from_18(
    major: int, wanted: Answer
) -> None:
    total = column("total", generated="s")
    full = catalog(table(ID, NOTE, total, replica_identity="f"), major=major)
    said = judge(stream(full, full))
    assert worst(v for v in said if v.rule == "refused-write") is wanted

"""What a type says about values before any probe."""

from __future__ import annotations

import pytest

from bluegreen.compat.catalog import Catalog
from bluegreen.compat.rules.types import carry
from bluegreen.compat.verdict import Answer
from bluegreen.postgres.catalog.columns import Column
from bluegreen.postgres.catalog.types import Type

PLAIN = Catalog(16)
FULL = {"varchar": "character varying", "char": "character", "int": "integer"}


def a(full_type: str) -> Column:
    base = full_type.split("(")[0]
    return Column("c", full_type, plain_type=FULL.get(base, base))


@pytest.mark.parametrize(
    ("one", "two", "answer"),
    [
        ("int", "bigint", Answer.OK),
        ("bigint", "int", Answer.OK_IF),
        ("varchar(10)", "varchar(20)", Answer.OK),
        ("varchar(10)", "text", Answer.OK),
        ("text", "varchar(10)", Answer.OK_IF),
        ("varchar(10)", "char(10)", Answer.OK),
        ("char(10)", "varchar(10)", Answer.SILENT),
        ("numeric(10,2)", "numeric(12,2)", Answer.OK),
        ("numeric(10,2)", "numeric(5,2)", Answer.OK_IF),
        ("numeric(10,2)", "numeric(10,0)", Answer.SILENT),
        ("numeric(10,2)", "int", Answer.BREAK),
        ("int", "numeric(10,2)", Answer.OK),
        ("boolean", "int", Answer.BREAK),
        ("int", "boolean", Answer.OK_IF),
        ("text", "jsonb", Answer.OK_IF),
        ("jsonb", "text", Answer.SILENT),
        ("bytea", "text", Answer.SILENT),
        ("int", "integer[]", Answer.BREAK),
        ("money", "numeric(10,2)", Answer.BREAK),
        ("date", "timestamp with time zone", Answer.OK),
        ("timestamp without time zone", "date", Answer.SILENT),
    ],
)
def test_pairs(one: str, two: str, answer: Answer) -> None:
    assert carry(PLAIN, a(one), PLAIN, a(two)).answer is answer


@pytest.mark.parametrize(
    ("one", "two", "answer"),
    [
        ("int", "bigint", Answer.BREAK),
        ("varchar(5)", "text", Answer.OK),
        ("json", "jsonb", Answer.BREAK),
        ("numeric(10,2)", "numeric(12,2)", Answer.OK),
    ],
)
def test_binary_form(one: str, two: str, answer: Answer) -> None:
    assert carry(PLAIN, a(one), PLAIN, a(two), binary=True).answer is answer


def test_labels_and_attributes() -> None:
    few = Catalog(16, types={"s.mood": Type("s.mood", "e", ("a", "b"))})
    more = Catalog(16, types={"s.mood": Type("s.mood", "e", ("a", "b", "c"))})
    mood = a("s.mood")
    assert carry(few, mood, more, mood).answer is Answer.OK
    assert carry(more, mood, few, mood).answer is Answer.OK_IF


def test_a_new_domain_with_a_check_waits_for_a_probe() -> None:
    domain = Type("s.pos", "d", base="integer", checks=("CHECK (VALUE > 0)",))
    green = Catalog(16, types={"s.pos": domain})
    assert carry(PLAIN, a("int"), green, a("s.pos")).answer is Answer.OK_IF

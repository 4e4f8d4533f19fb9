"""What is left out of green by name, and what goes with it: pure."""

from __future__ import annotations

import pytest

from bluegreen.model.exclude import Excluded, is_object, tables_in
from bluegreen.postgres.schema.left_out import LeftOut, find
from bluegreen.postgres.schema.object_names import _name
from bluegreen.steps.preflight.exclude import check_left_out

NAMES = {
    1: "function s.f(integer)",
    2: "function s.f(text)",
    3: "view s.v",
    4: 'view s."o ""v"""',
    5: "table s.t",
    6: "index s.i",
    8: 'rule s.v."_RETURN"',
}
NEEDS = {3: {1}, 4: {3}, 5: {2}, 6: {5}, 7: {3}, 8: {6, 3}}


def test_what_needs_it_goes_with_it_and_an_overloaded_one_does_not() -> None:
    left = find(NAMES, NEEDS, ("function s.f(integer)",))
    assert left.ids == {1, 3, 4, 7, 8}
    assert left.named == ("function s.f(integer)",)
    assert left.needing == dict.fromkeys(
        ("view s.v", 'view s."o ""v"""', 'rule s.v."_RETURN"'), "function s.f(integer)"
    )
    assert (left.unknown, left.tables) == ({}, ())


def test_a_view_without_its_query_is_no_view() -> None:
    """Where a view and a key need each other its query is made apart from it."""
    left = find(NAMES, NEEDS, ("index s.i",))
    assert left.ids == {6, 8, 3, 4, 7}


def test_a_table_is_told_unless_it_was_named() -> None:
    left = find(NAMES, NEEDS, ("function s.f(text)",))
    assert left.tables == ("table s.t",)
    left = find(NAMES, NEEDS, ("function s.f(text)", 'table "s"."t"'))
    assert left.tables == ()
    assert left.named == ("function s.f(text)", "table s.t")
    assert {"index s.i", "table s.t", "view s.v"} < set(left.names)


def test_a_name_that_fits_nothing_is_told_with_its_line() -> None:
    left = find(NAMES, NEEDS, ("view s.w", "extension elsewhere", "view s.v"))
    assert left.unknown == {"view s.w": "view s.v", "extension elsewhere": ""}
    told = list(check_left_out(left, (Excluded("view s.w", 12),)))
    assert [(one.id, one.is_blocking) for one in told] == [
        ("exclude-unknown", True),
        ("exclude-unknown", True),
        ("left-out", False),
    ]
    assert told[0].seen.endswith("line 12: view s.w")
    assert told[0].fix == "is view s.v meant?"


def test_a_table_that_goes_along_blocks() -> None:
    left = find(NAMES, NEEDS, ("function s.f(text)",))
    told = {one.id: one for one in check_left_out(left, ())}
    found = told["exclude-takes-table"]
    assert found.is_blocking
    assert found.fix.endswith("exclude: [table s.t]")
    assert "index s.i (needs function s.f(text))" in told["left-out"].seen
    assert list(check_left_out(LeftOut(), ())) == []


@pytest.mark.parametrize(
    ("entry", "table"),
    [
        ("s.t", "s.t"),
        ("my s.my t", "my s.my t"),
        ("table s.t", "s.t"),
        ('table "my s"."a ""b"".c"', 'my s.a "b".c'),
        ("view s.v", None),
        ("materialized view s.v", None),
        ("views.t", "views.t"),
        ("function s.f(text)", None),
    ],
)
def test_entries_are_tables_or_objects(entry: str, table: str | None) -> None:
    assert tables_in([entry]) == (() if table is None else (table,))
    assert is_object(entry) == (table is None or entry.startswith("table "))


@pytest.mark.parametrize(
    ("told", "name"),
    [
        (("view", ["mon", "bg"], []), "view mon.bg"),
        (("trigger", ["s", "my t", "g"], []), 'trigger s."my t".g'),
        (("table constraint", ["s", "t", "c"], []), "constraint s.t.c"),
        (
            ("function", ["s", "f"], ['"pg_catalog"."text"[]', '"s"."Odd"']),
            'function s.f(text[], s."Odd")',
        ),
        (("aggregate", ["s", "a"], []), "aggregate s.a()"),
        (
            ("operator", ["s", "=#"], ["integer", "integer"]),
            "operator s.=#(integer, integer)",
        ),
        (("cast", ["integer"], ['"s"."t"']), "cast (integer AS s.t)"),
        (("operator class", ["btree", "s", "o"], []), "operator class s.o USING btree"),
        (("enum", ['"s"."json"'], []), "enum s.json"),
        (("extension", ["uuid-ossp"], []), 'extension "uuid-ossp"'),
        (("server", ["far"], []), "foreign server far"),
        (("statistics object", ["s", "st"], []), "statistics s.st"),
    ],
)
def test_an_object_has_one_name(
    told: tuple[str, list[str], list[str]], name: str
) -> None:
    assert _name(*told) == name
    assert is_object(name)

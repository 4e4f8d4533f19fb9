from __future__ import annotations

from dataclasses import replace

import pytest

from bluegreen.postgres.catalog.columns import Column
from bluegreen.postgres.catalog.indexes import Index
from bluegreen.postgres.catalog.relations import is_named, tables_without_identity
from bluegreen.postgres.catalog.settings import Settings
from bluegreen.postgres.quoting import quote_name, quote_value
from tests.unit.preflight.facts import KEY, table

CODE = Index("code", ("code",), unique=True)
WIDE = Index("a_wide", ("a", "b"), unique=True)


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("orders", "orders"),
        ("order", '"order"'),
        ("Orders", '"Orders"'),
        ('a"b', '"a""b"'),
        ("a.b", '"a.b"'),
        ("9a", '"9a"'),
        ("größe", '"größe"'),
    ],
)
def test_names_get_quotes_where_sql_needs_them(name: str, quoted: str) -> None:
    assert quote_name(name) == quoted
    assert quote_name("public", name) == f"public.{quoted}"


def test_values_get_quotes() -> None:
    assert quote_value("it's") == "'it''s'"


def test_the_primary_key_is_the_identity() -> None:
    orders = table("orders", KEY, CODE)
    assert orders.identity_columns == orders.primary_key == ("id",)


def test_an_index_that_was_chosen_is_the_identity() -> None:
    chosen = replace(CODE, chosen=True)
    orders = table("orders", KEY, chosen, replica_identity="i")
    assert orders.identity_columns == ("code",)


def test_the_identity_is_lost_with_its_index() -> None:
    assert table("orders", KEY, replica_identity="i").identity_columns == ()


def test_a_deferrable_key_is_none() -> None:
    orders = table("orders", replace(KEY, immediate=False))
    assert orders.primary_key == ("id",)
    assert orders.identity_columns == ()


def test_a_full_identity_is_every_column_that_is_stored_by_the_application() -> None:
    columns = (Column("a", "int"), Column("b", "int", generated="s"))
    full = table("t", replica_identity="f", columns=columns)
    assert full.identity_columns == ("a",)


def test_the_narrowest_usable_index_is_the_candidate() -> None:
    assert table("t", WIDE, CODE).candidate == CODE
    assert table("t", replace(CODE, immediate=False)).candidate is None


def test_tables_without_identity() -> None:
    tables = (
        table("good", KEY),
        table("bare"),
        table("left", replica_identity="n"),
        table("full", replica_identity="f"),
        table("cache", persistence="u"),
        table("parts", kind="partitioned"),
        table("view", kind="view"),
        table("theirs", extension="postgis"),
        table("named"),
    )
    found = tables_without_identity(tables, exclude=["public.named"])
    assert [t.name for t in found] == ["bare", "left"]


def test_a_name_means_the_whole_table() -> None:
    part = replace(table("p1"), root_name="public.p")
    assert is_named(part, ["public.p"])
    assert is_named(part, ["public.p1"])
    assert not is_named(part, ["public.p2"])


def test_settings_come_in_bytes_and_seconds() -> None:
    read = Settings(
        {"a": "2", "b": "500", "c": "-1", "d": None, "e": "7"},
        {"a": "8kB", "b": "ms", "c": "MB", "e": ""},
    )
    assert [read.number(name) for name in "abcdef"] == [16384, 0.5, -1, None, 7, None]


@pytest.mark.parametrize(
    ("identity", "indexes", "found"),
    [
        ("d", (KEY, CODE), ("id",)),
        ("f", (KEY,), ("id",)),
        ("i", (KEY, replace(CODE, chosen=True)), ("code",)),
        ("i", (KEY, CODE), ("id",)),
        ("i", (KEY, replace(CODE, chosen=True, valid=False)), ("id",)),
        ("n", (replace(KEY, immediate=False), CODE), ()),
    ],
)
def test_what_apply_finds_rows_by(
    identity: str, indexes: tuple[Index, ...], found: tuple[str, ...]
) -> None:
    """Measured on 13, 16 and 18: the key where the identity's index was dropped."""
    one = table("orders", *indexes, replica_identity=identity)
    assert one.found_by == found

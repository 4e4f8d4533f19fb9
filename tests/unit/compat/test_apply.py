"""The order of an apply worker's checks, law by law."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bluegreen.compat.catalog import Catalog, Published, Role
from bluegreen.compat.rules.apply import ByKey, Skips, Stops, WholeRow, Writes, fate
from bluegreen.postgres.catalog.indexes import Index
from tests.unit.compat.pictures import KEY, ORDERS, catalog, column, stream, table

ID, NOTE = column("id"), column("note", "text")
SENT = Published(ORDERS, ("id", "note"))


def decide(blue: Catalog, green: Catalog, **more: object) -> object:
    way = stream(blue, green, **more)
    assert way.publication is not None
    return fate(way, way.publication.relations[ORDERS])


def test_rows_are_written_when_names_and_keys_agree() -> None:
    same = catalog(table(ID, NOTE))
    decided = decide(same, same)
    assert isinstance(decided, Writes)
    assert decided.finding == ByKey(("id",))


@pytest.mark.parametrize(
    ("green", "rule"),
    [
        (catalog(), "table-missing"),
        (catalog(table(ID, NOTE, kind="view")), "table-is-a-view"),
        (catalog(table(ID)), "column-missing"),
        (catalog(table(ID, replace(NOTE, generated="s"))), "column-generated"),
        (catalog(table(ID, replace(NOTE, name="Note"))), "column-missing"),
    ],
)
def test_names_stop_the_worker(green: Catalog, rule: str) -> None:
    decided = decide(catalog(table(ID, NOTE)), green)
    assert isinstance(decided, Stops)
    assert decided.rule == rule


def test_a_replaced_table_is_skipped_but_a_missing_column_comes_first() -> None:
    blue = catalog(table(ID, NOTE))
    replaced = decide(blue, catalog(table(ID, NOTE, oid=9)), known=frozenset({1}))
    assert isinstance(replaced, Skips)
    both = decide(blue, catalog(table(ID, oid=9)), known=frozenset({1}))
    assert isinstance(both, Stops)


def test_a_table_the_subscription_knows_is_written() -> None:
    same = catalog(table(ID, NOTE, oid=9))
    assert isinstance(decide(same, same, known=frozenset({9})), Writes)


@pytest.mark.parametrize(
    ("blue", "green", "rule"),
    [
        ({}, {"indexes": ()}, "no-key"),
        ({"indexes": ()}, {}, "key-not-sent"),
        ({}, {"indexes": (replace(KEY, columns=("id", "note")),)}, "key-not-sent"),
        ({"replica_identity": "n"}, {}, "key-not-sent"),
    ],
)
def test_keys_that_do_not_meet(
    blue: dict[str, object], green: dict[str, object], rule: str
) -> None:
    decided = decide(
        catalog(table(ID, NOTE, **blue)), catalog(table(ID, NOTE, **green))
    )
    assert isinstance(decided, Writes)
    assert isinstance(decided.finding, Stops)
    assert decided.finding.rule == rule


def test_whole_rows_need_no_key_on_the_other_side() -> None:
    blue = catalog(table(ID, NOTE, replica_identity="f"))
    decided = decide(blue, catalog(table(ID, NOTE, indexes=())))
    assert isinstance(decided, Writes)
    assert decided.finding == WholeRow()


def test_the_identity_index_wins_over_the_primary_key() -> None:
    other = Index("by_note", ("note",), unique=True, chosen=True)
    green = catalog(table(ID, NOTE, replica_identity="i", indexes=(KEY, other)))
    decided = decide(catalog(table(ID, NOTE)), green)
    assert isinstance(decided, Writes)
    assert isinstance(decided.finding, Stops)


@pytest.mark.parametrize(("major", "kind"), [(17, Stops), (18, Skips)])
def test_a_deferrable_key_is_silent_from_18(major: int, kind: type) -> None:
    late = replace(KEY, immediate=False)
    green = catalog(table(ID, NOTE, indexes=(late,)), major=major)
    decided = decide(catalog(table(ID, NOTE)), green)
    assert isinstance(decided, Writes)
    assert isinstance(decided.finding, kind)


@pytest.mark.parametrize(
    ("major", "forced", "stops"),
    [(14, True, False), (15, False, True), (16, False, False), (16, True, True)],
)
def test_row_security_binds_who_writes(
    major: int, *, forced: bool, stops: bool
) -> None:
    """15 writes as the subscription's owner, 16 as the table's."""
    roles = {"app": Role(), "sub": Role()}
    green = catalog(
        table(ID, NOTE, owner="app", row_security=True, forced=forced),
        major=major,
        roles=roles,
    )
    decided = decide(catalog(table(ID, NOTE)), green, owner="sub")
    assert isinstance(decided, Stops) is stops


@pytest.mark.parametrize("major", [17, 18])
def test_whole_rows_are_found_under_a_deferrable_key(major: int) -> None:
    """Measured on 16 and 18 (`t_key_shift`)."""
    deferrable = replace(KEY, immediate=False)
    one = table(ID, NOTE, replica_identity="f", indexes=(deferrable,))
    decided = decide(catalog(one, major=major), catalog(one, major=major))
    assert isinstance(decided, Writes)
    assert isinstance(decided.finding, WholeRow)

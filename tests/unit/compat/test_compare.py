"""Rows of both sides that find each other, or do not."""

from __future__ import annotations

import pytest

from bluegreen.compat.probe.compare import differing_rows
from bluegreen.compat.rules.same import Pair
from tests.unit.compat.pictures import ORDERS

PLAIN = Pair("text", "text")


@pytest.mark.parametrize(
    ("pair", "sent", "stored", "apart"),
    [
        (PLAIN, ["a", "b"], ["b", "a"], 0),
        (PLAIN, ["a", "b"], ["b"], 1),
        (PLAIN, ["a"], ["b"], 2),
        (PLAIN, ["a", "a"], ["a"], 1),
        (PLAIN, [None], [None], 0),
        (PLAIN, [None], [""], 2),
        (Pair("numeric", "numeric"), ["1.0", "2"], ["2.00", "1"], 0),
        (Pair("character", "character"), ["ab", "c"], ["c  ", "ab  "], 0),
        (Pair("text", "uuid"), ["A1"], ["a1"], 0),
        (Pair("integer[]", "numeric[]"), ["{1}"], ["{1.0}"], 0),
    ],
)
def test_rows_find_each_other_by_value(
    pair: Pair, sent: list[str | None], stored: list[str | None], apart: int
) -> None:
    left, right = ([{"id": text} for text in texts] for texts in (sent, stored))
    found = list(differing_rows(left, right, ORDERS, {"id": pair}, ("id",)))
    assert len(found) == apart


def test_the_columns_beside_the_key_are_told() -> None:
    pairs = {"id": PLAIN, "note": PLAIN}
    left = [{"id": "1", "note": "x"}, {"id": "2", "note": "y"}]
    right = [{"id": "2", "note": "y"}, {"id": "1", "note": None}]
    (found,) = differing_rows(left, right, ORDERS, pairs, ("id",))
    assert (found.column, found.key, found.sent, found.stored) == (
        "note",
        "id=1",
        "x",
        None,
    )

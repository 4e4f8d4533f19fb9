"""Verdicts as a person reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bluegreen.report.compat_result import CompatResult
from bluegreen.report.compat_text import compat_page
from bluegreen.report.json_result import as_json
from bluegreen.report.page import text_of
from bluegreen.steps.compat import Compat, rule_by_text
from bluegreen.steps.compatibility.rows import rows_of
from bluegreen.steps.compatibility.texts import (
    compat_texts,
    read_texts,
    with_full_names,
)

FILE = """ALTER TABLE orders ALTER qty TYPE bigint;
UPDATE orders SET qty = 1;
ALTER TABLE orders DROP note;
"""


def judgement_text(result: CompatResult) -> str:
    return text_of(compat_page(result))


@pytest.fixture
def result(tmp_path: Path) -> CompatResult:
    (tmp_path / "1.sql").write_text(FILE)
    (tmp_path / "2.sql").write_text("DROP TABLE orders;")
    texts = read_texts(tmp_path, ["*.sql"], ["2.sql"])
    found = with_full_names(compat_texts(texts), [("shop", "orders")])
    rows = rows_of(rule_by_text(found, Compat(), {}), texts)
    return CompatResult("1.sql", "the migration's text alone", tuple(rows))


def test_a_verdict_has_its_place_its_law_and_what_to_do(result: CompatResult) -> None:
    text = judgement_text(result)
    assert "  SILENT  shop.orders  1.sql:2  [stops]\n" in text
    assert "    fix:  make the same change on the other side" in text
    assert "    id:   forward/SILENT/rows-differ\n" in text
    assert "  SILENT: no error anywhere, and the data differ\n" in text
    assert text.endswith(
        "accept:\n"
        "  - {id: forward/SILENT/rows-differ, object: shop.orders, reason: why}\n"
        "  - {id: reverse/SILENT/rows-differ, object: shop.orders, reason: why}"
    )
    assert result.exit_status == 3


def test_what_migrate_mends_and_what_is_not_known_waits(result: CompatResult) -> None:
    forward = [row for row in result.rows if row.direction == "forward"]
    weights = {(row.answer, row.rule): row.weight for row in forward}
    assert weights["UNKNOWN", "type-may-not-fit"] == "waits"
    assert weights["NEEDS", "column-missing"] == "waits"
    assert "2.sql" not in judgement_text(result)


def test_nothing_that_stops_is_a_zero() -> None:
    empty = CompatResult("x", "all", ())
    assert judgement_text(empty).endswith("nothing would stop a run")
    assert empty.exit_status == 0
    stale = CompatResult("x", "all", (), unused=("a/b",))
    assert stale.exit_status == 3
    assert judgement_text(stale).endswith("fit no verdict:\n  a/b")


def test_every_part_is_there_for_programs(result: CompatResult) -> None:
    row = as_json(result)["rows"][0]
    assert row["name"] == "forward/SILENT/rows-differ/shop.orders"
    assert (row["law"], row["place"]) == (7, "1.sql:2")

"""When a copy of rows that a migration made once is known to stay what it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bluegreen.compat.derived import is_settled
from bluegreen.compat.verdict import Answer, Direction, Verdict
from bluegreen.postgres.catalog.columns import Column
from bluegreen.postgres.catalog.triggers import Trigger
from tests.unit.compat.pictures import catalog, column, table

ID = column("id", not_null=True)
FEEDS = Trigger(
    "feeds",
    "A",
    row=True,
    on_insert=True,
    function="s.f",
    body="BEGIN INSERT INTO s.part VALUES (NEW.id); RETURN NULL; END",
    on_update=True,
    on_delete=True,
)


@pytest.mark.parametrize(
    ("trigger", "settled"),
    [
        (FEEDS, True),
        (replace(FEEDS, enabled="O"), False),
        (replace(FEEDS, row=False), False),
        (replace(FEEDS, on_delete=False), False),
        (replace(FEEDS, body="BEGIN INSERT INTO s.parts VALUES (1); END"), False),
    ],
    ids=["whole", "origin", "statement", "no-delete", "another-table"],
)
def test_a_table_of_greens_own_is_fed_by_triggers_that_fire_on_apply(
    trigger: Trigger, settled: bool
) -> None:
    blue = catalog(table(ID))
    green = catalog(table(ID, triggers=(trigger,)), table(ID, name=("s", "part")))
    said = Verdict(
        Answer.UNKNOWN, Direction.FORWARD, "derived-stale", "s.part", "derived once"
    )
    assert is_settled(said, blue, green) is settled
    assert not is_settled(replace(said, answer=Answer.SILENT), blue, green)


@pytest.mark.parametrize(
    ("columns", "triggers", "settled"),
    [
        ((ID,), (), True),
        ((ID, column("sum", generated="s")), (), True),
        ((ID, column("more")), (), False),
        ((ID, column("more")), (FEEDS,), True),
        ((ID, column("more")), (replace(FEEDS, enabled="O"),), False),
    ],
    ids=["compared", "computed", "stale", "filled", "origin"],
)
def test_rows_of_both_sides_are_compared_or_filled(
    columns: tuple[Column, ...], triggers: tuple[Trigger, ...], settled: bool
) -> None:
    blue, green = catalog(table(ID)), catalog(table(*columns, triggers=triggers))
    said = Verdict(
        Answer.UNKNOWN, Direction.FORWARD, "derived-stale", "shop.Order Lines", "once"
    )
    assert is_settled(said, blue, green) is settled

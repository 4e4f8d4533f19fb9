"""What data and settings say of a condition, and what they leave open."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bluegreen.compat.catalog import Catalog
from bluegreen.compat.rules.analyse import judge
from bluegreen.compat.rules.predicates import predicates, settle, settle_zones
from bluegreen.compat.stream import Stream
from bluegreen.compat.verdict import Answer, Direction, worst
from bluegreen.postgres.catalog.constraints import Constraint
from bluegreen.postgres.catalog.types import Type
from bluegreen.sql.printing import check_of_column
from tests.unit.compat.pictures import ORDERS, catalog, column, stream, table

ID = column("id", not_null=True)
AT = column("at", "timestamp without time zone")
ZONED = column("at", "timestamp with time zone")
WHERE = "shop.Order Lines"


@pytest.mark.parametrize(
    ("zones", "wanted"),
    [
        ({}, Answer.OK),
        ({"receiver_zone": "America/New_York"}, Answer.SILENT),
        ({"sender_zone": "America/New_York"}, Answer.OK),
        (
            {
                "receiver_zone": "Asia/Tokyo",
                "zones": {(ORDERS, "at"): "Asia/Tokyo"},
            },
            Answer.OK,
        ),
    ],
)
def test_the_zone_that_reads_a_timestamp_decides(
    zones: dict[str, Any], wanted: Answer
) -> None:
    """The sender's matters only where it prints a timestamptz."""
    way = stream(catalog(table(ID, AT)), catalog(table(ID, ZONED)), **zones)
    assert worst(settle_zones(way, judge(way))) is wanted


def domains(blue: Type | None, green: Type) -> Stream:
    one = column("n", "s.few") if blue else column("n")
    types = {"s.few": blue} if blue else {}
    sender = replace(catalog(table(ID, one)), types=types)
    receiver = replace(catalog(table(ID, column("n", "s.few"))), types={"s.few": green})
    return stream(sender, receiver)


FEW = Type("s.few", "d", base="integer", checks=("CHECK ((VALUE < 10))",))


def test_a_domains_check_is_asked_of_the_base_types_values() -> None:
    (asked,) = predicates(domains(None, FEW))
    assert (asked.kind, asked.expression) == ("check", "CHECK ((n < 10))")
    way = domains(None, FEW)
    assert worst(settle(judge(way), {asked: 0})) is Answer.OK
    assert worst(settle(judge(way), {asked: 1})) is Answer.BREAK
    assert worst(settle(judge(way), {asked: None})) is Answer.OK_IF


def test_a_domain_that_is_the_same_on_both_sides_asks_nothing() -> None:
    assert list(predicates(domains(FEW, FEW))) == []


def test_a_domain_whose_base_has_a_hidden_length_stays_open() -> None:
    """varchar(3) below a domain shows in no catalog column that we read."""
    short = replace(FEW, base="character varying", checks=())
    assert list(predicates(domains(None, short))) == []


def test_value_in_a_text_is_no_value() -> None:
    check = "CHECK (((VALUE <> 'VALUE'::text) AND (length(VALUE) < 3)))"
    assert check_of_column(check, "My col") == (
        'CHECK ((("My col" <> \'VALUE\'::text) AND (length("My col") < 3)))'
    )


def keyed(direction: Direction) -> Stream:
    key = Constraint("k", "f", "FOREIGN KEY", ("p",), ORDERS, ("id",))
    plain = catalog(table(ID, column("p")))
    bound = catalog(table(ID, column("p"), constraints=(key,)))
    sides = (plain, bound)
    return stream(*sides, direction=direction)


def test_orphans_are_looked_for_where_the_rows_are() -> None:
    (forward,) = predicates(keyed(Direction.FORWARD))
    (reverse,) = predicates(keyed(Direction.REVERSE))
    assert (forward.kind, forward.of_receiver) == ("orphan", True)
    assert (reverse.kind, reverse.of_receiver) == ("orphan", False)
    assert worst(settle(judge(keyed(Direction.FORWARD)), {forward: 2})) is Answer.SILENT


def test_the_rows_of_a_key_for_each_partition_ask_nothing() -> None:
    """PostgreSQL keeps them beside the key to the partitioned table itself."""
    one = keyed(Direction.FORWARD)
    (bound,) = one.receiver.relations.values()
    (key,) = bound.constraints
    copy = replace(key, name="k_1", definition="FOREIGN KEY x", of_partition=True)
    more = catalog(replace(bound, constraints=(key, copy)))
    both = replace(one, receiver=more)
    assert list(predicates(both)) == list(predicates(one))
    assert {v.where for v in judge(both)} == {v.where for v in judge(one)}


def test_a_side_without_identity_refuses_its_own_writes() -> None:
    none = catalog(table(ID, indexes=(), replica_identity="n"))
    found = {(v.rule, v.answer) for v in judge(stream(none, catalog(table(ID))))}
    assert ("refused-write", Answer.APP) in found


def test_what_a_trigger_carries_is_no_loss() -> None:
    full = catalog(table(ID, column("full", "text", not_null=True)))
    less: Catalog = catalog(table(ID))
    way = stream(full, less)
    assert way.publication is not None
    sent = replace(way.publication.relations[ORDERS], columns=("id",))
    way = replace(way, publication=replace(way.publication, relations={ORDERS: sent}))
    assert worst(judge(way)) is Answer.LOSSY
    assert worst(judge(way, carried=[f"{WHERE}.full"])) is Answer.OK
    back = stream(less, full)
    assert worst(judge(back)) is Answer.BREAK
    assert worst(judge(back, carried=[f"{WHERE}.full"])) is Answer.OK


def test_a_table_that_was_left_out_on_purpose_is_not_told() -> None:
    one, two = catalog(table(ID)), catalog(table(ID))
    way = stream(one, two)
    assert way.publication is not None
    way = replace(way, publication=replace(way.publication, relations={}))
    assert worst(judge(way)) is Answer.SILENT
    assert worst(judge(way, declared=[ORDERS])) is Answer.OK

"""When two texts are one value."""

from __future__ import annotations

import pytest

from bluegreen.compat.rules.same import Pair, same

TS, TZ = "timestamp without time zone", "timestamp with time zone"


@pytest.mark.parametrize(
    ("sender", "receiver", "sent", "stored"),
    [
        ("numeric", "numeric", "5.70", "5.7"),
        ("integer", "numeric", "5", "5.00"),
        ("numeric", "money", "1234.50", "$1,234.50"),
        ("real", "double precision", "0.1", "0.10000000149011612"),
        ("double precision", "real", "0.10000000149011612", "0.1"),
        ("text", "integer", " 007 ", "7"),
        (
            "text",
            "uuid",
            "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        ),
        ("text", "jsonb", '{"b":1,  "a":2}', '{"a": 2, "b": 1}'),
        ("json", "jsonb", '{"a":1,"a":2}', '{"a": 2}'),
        ("character varying", "character", "new", "new  "),
        ("date", TS, "2024-01-01", "2024-01-01 00:00:00"),
        (TS, TZ, "2024-01-01 00:00:00", "2024-01-01 00:00:00+00"),
        ("integer", "boolean", "2", "t"),
        ("boolean", "text", "t", "true"),
        ("text", "bytea", "ab", "\\x6162"),
        ("cidr", "inet", "10.0.0.1/32", "10.0.0.1"),
        ("cidr", "inet", "::1/128", "::1"),
        ("integer[]", "numeric[]", "{1,NULL,{2}}", "{1.00,NULL,{2.0}}"),
        ("int4range", "numrange", "[1,5)", "[1.0,5)"),
        ("time without time zone", "time with time zone", "10:00:00", "10:00:00+00"),
    ],
)
def test_the_same_value(sender: str, receiver: str, sent: str, stored: str) -> None:
    assert same(Pair(sender, receiver), sent, stored)


@pytest.mark.parametrize(
    ("sender", "receiver", "sent", "stored"),
    [
        ("numeric", "numeric", "5.75", "6"),
        ("numeric", "numeric", "NaN", "0"),
        ("numeric", "real", "16777217", "1.6777216e+07"),
        ("double precision", "real", "0.123456789012", "0.12345679"),
        ("text", "inet", "10.0.0.1/32", "10.0.0.1"),
        ("inet", "cidr", "10.0.0.1", "10.0.0.1/32"),
        ("inet", "cidr", "::1", "::1/128"),
        ("text", "date", "today", "2024-01-01"),
        ("character", "character varying", "x   ", "x   "),
        (TS, "date", "2024-03-01 12:34:00", "2024-03-01"),
        (TS, TZ, "2024-01-01 00:00:00", "2024-01-01 05:00:00+00"),
        (TS, TS, "2024-01-01 00:00:00.7", "2024-01-01 00:00:01"),
        ("text", "text", "a", "A"),
        ("text", "text", "", "a"),
        ("integer", "boolean", "0", "t"),
        ("integer[]", "numeric[]", "{1,2}", "{1}"),
        ("integer[]", "numeric[]", "{1}", "{1.5}"),
        ("integer[]", "text[]", "{NULL}", "{0}"),
        ("text[]", "text[]", '{"a,b"}', '{"a,c"}'),
        ("int4range", "int8range", "empty", "(,)"),
        ("int4range", "numrange", "[1,5)", "[1,5]"),
        ("time without time zone", "time with time zone", "10:00:00", "10:00:00+02"),
    ],
)
def test_another_value(sender: str, receiver: str, sent: str, stored: str) -> None:
    assert not same(Pair(sender, receiver), sent, stored)


@pytest.mark.parametrize(
    ("sent", "stored", "one"), [(None, None, True), (None, "", False)]
)
def test_null_is_no_empty_text(
    sent: str | None, stored: str | None, *, one: bool
) -> None:
    assert same(Pair("text", "text"), sent, stored) is one


def test_a_timestamp_is_read_in_the_zone_of_its_using() -> None:
    pair = Pair(TS, TZ, "America/New_York")
    assert same(pair, "2024-01-01 00:00:00", "2024-01-01 05:00:00+00")


@pytest.mark.parametrize(
    ("sender", "text"), [("jsonb", '{"a": 1}'), ("bytea", "\\x61")]
)
def test_a_text_that_went_through_another_type_is_not_what_was_written(
    sender: str, text: str
) -> None:
    assert same(Pair(sender, "text"), text, text)
    assert not same(Pair(sender, "text", back=True), text, text)

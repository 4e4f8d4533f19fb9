"""What the measured table says of two types."""

from __future__ import annotations

import pytest

from bluegreen.compat.rules.conversions import cast_differs


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("real", "double precision"),
        ("real[]", "double precision[]"),
        ("real", "numeric"),
        ("double precision", "numeric"),
        ("boolean", "text"),
        ("boolean[]", "character varying[]"),
        ("character", "text"),
        ("inet", "text"),
    ],
)
def test_a_cast_that_is_not_what_the_text_reads(left: str, right: str) -> None:
    found = cast_differs(left, right, 16)
    assert found is not None
    assert found[1] != found[2]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("integer", "bigint"),
        ("integer", "numeric"),
        ("integer", "integer[]"),
        ("numeric", "double precision"),
        ("uuid", "text"),
        ("date", "timestamp without time zone"),
        ("cidr", "inet"),
        ("own", "text"),
    ],
)
def test_a_cast_that_is(left: str, right: str) -> None:
    assert cast_differs(left, right, 16) is None


def test_a_cast_is_there_from_a_major_on() -> None:
    assert cast_differs("bigint", "bytea", 17) is None
    assert cast_differs("bigint", "bytea", 18) is not None
    assert cast_differs("bigint", "bytea", 19) == cast_differs("bigint", "bytea", 18)
    assert cast_differs("real", "numeric", 12) is None

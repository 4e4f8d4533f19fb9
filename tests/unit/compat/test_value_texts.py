"""When a value is what a cast makes, by print and by its type's equality."""

from __future__ import annotations

import pytest

from bluegreen.compat.rules.alike import alike, kept_by_reading
from bluegreen.compat.rules.same import Pair, same

STAMP = "timestamp without time zone"


@pytest.mark.parametrize(
    ("kind", "one", "two"),
    [
        ("numeric", "1.50", "1.5"),
        ("numeric[]", "{1.50}", "{1.5}"),
        ("character", "ab", "ab   "),
        ("json", '{"a":1, "b":2}', '{"b": 2, "a": 1}'),
        ("text", "a", "a"),
        ("interval", "1 day", "1 day"),
    ],
)
def test_alike(kind: str, one: str, two: str) -> None:
    assert alike(kind, one, two)


@pytest.mark.parametrize(
    ("kind", "one", "two"),
    [
        ("text", "t", "true"),
        ("text", "7", "007"),
        ("text", "ab", "ab   "),
        ("text[]", "{t}", "{true}"),
        ("double precision", "0.1", "0.10000000149011612"),
        ("double precision[]", "{0.1}", "{0.10000000149011612}"),
        ("numeric", "0.3", "0.30000000000000004"),
        ("interval", "1 day", "24:00:00"),
        ("json", '{"a":1,"a":2}', '{"a": 2}'),
        ("json", '{"x":{"a":1,"a":2}}', '{"x":{"a": 2}}'),
    ],
)
def test_not_alike(kind: str, one: str, two: str) -> None:
    assert not alike(kind, one, two)


@pytest.mark.parametrize(
    ("receiver", "text"),
    [
        (STAMP, "now"),
        ("date", "Tomorrow"),
        ("time without time zone", "now"),
        ("date[]", "{today,2024-01-01}"),
        ("tsrange", "[yesterday,now)"),
    ],
)
def test_a_word_that_means_another_moment_each_time_is_lost(
    receiver: str, text: str
) -> None:
    sender = "text[]" if receiver.endswith("[]") else "text"
    assert not same(Pair(sender, receiver), text, text)
    assert not kept_by_reading(Pair(sender, receiver), text)


@pytest.mark.parametrize(
    ("receiver", "kept"),
    [("interval", True), ("macaddr", True), ("inet", False), ("integer", False)],
)
def test_what_only_a_server_can_read(receiver: str, *, kept: bool) -> None:
    assert kept_by_reading(Pair("text", receiver), "x") is kept

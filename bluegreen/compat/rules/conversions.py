"""What servers made of edge values, by reading their text and by casting them.

Owns looking up `conversions.json`, which `tests/value_table.py` writes from real
servers of each major and which is not edited by hand.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources
from typing import Any

from bluegreen.compat.stream import Stream
from bluegreen.compat.verdict import Direction
from bluegreen.postgres.catalog.columns import Column

_MODIFIER = re.compile(r"\(\d+(,-?\d+)?\)")


def cast_differs(left: str, right: str, major: int) -> tuple[str, str, str] | None:
    """A value of one type that a cast to another makes otherwise than its text does.

    Args:
        left: the sender's type, no domain; of an array its elements are looked up.
        right: the receiver's, likewise.
        major: of the server that casts; the next older known one stands for others.

    Returns:
        The value, what its text reads as, and what the cast makes; None without any.
    """
    if left.endswith("[]") != right.endswith("[]"):
        return None
    known = _table().get((_plain(left), _plain(right)), {})
    older = [have for have in known if have <= major]
    record = known[max(older)] if older else {}
    found = record.get("differs", ())
    return tuple(found[0]) if found else None


def cast_example(
    stream: Stream, sent: Column, column: Column
) -> tuple[str, str, str] | None:
    """The same for a column of both sides; no cast has made what green sends back."""
    if stream.direction is Direction.REVERSE:
        return None
    left = stream.sender.base_type(sent.plain_type)
    right = stream.receiver.base_type(column.plain_type)
    return cast_differs(left, right, stream.receiver.major)


def _plain(name: str) -> str:
    return _MODIFIER.sub("", name).removesuffix("[]")


@cache
def _table() -> dict[tuple[str, str], dict[int, Any]]:
    text = resources.files(__package__).joinpath("conversions.json").read_text()
    found: dict[tuple[str, str], dict[int, Any]] = {}
    for pair, by_majors in json.loads(text).items():
        left, right = pair.split(" > ")
        found[_plain(left), _plain(right)] = {
            int(major): record
            for majors, record in by_majors.items()
            for major in majors.split(",")
        }
    return found

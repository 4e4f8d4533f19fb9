"""What a witness of a follower still vouches for, and what ends it. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from bluegreen.model.side import Side
from bluegreen.model.witness import Witness
from bluegreen.postgres.database import Database
from bluegreen.postgres.replication import witness as module

THEN = Witness(Side.BLUE, "1", "16400 700 2", {Side.BLUE: 1, Side.GREEN: 1}, "20:aa")


@pytest.mark.parametrize(
    ("changes", "stands"),
    [
        ({}, True),
        ({"sent": ""}, True),
        ({"stream": "16400 701 2"}, True),
        ({"stream": "16400 700 3"}, True),
        ({"stream": "16400 701 3"}, False),
        ({"stream": "16401 700 2"}, False),
        ({"started": "2"}, False),
        ({"timelines": {"blue": 1, "green": 2}}, False),
        ({"sent": "20:bb"}, False),
    ],
    ids=str,
)
def test_what_ends_a_witness(changes: dict[str, Any], stands: bool) -> None:
    assert THEN.holds(replace(THEN, **changes)) is stands


def test_one_of_an_earlier_version_knows_no_publication() -> None:
    body = THEN.as_body()
    del body["sent"]
    assert Witness.from_body(body).holds(THEN)
    assert Witness.from_body(THEN.as_body()) == THEN


class Publisher:
    """Answers with the entries of its publication."""

    def __init__(self, *oids: int) -> None:
        self.oids = oids

    def rows(self, query: object, _: object) -> list[tuple[Any, ...]]:
        if query is module._PUBLICATION:
            return [(1, True, True, True, True)]
        return [(oid, oid + 1, None, None) for oid in self.oids]


def sent(*oids: int, then: str = "") -> str:
    noted = replace(THEN, sent=then) if then else None
    return module._sent(cast(Database, Publisher(*oids)), "shop", noted)


@pytest.mark.parametrize(
    ("now", "alike"),
    [
        ((10, 20), True),
        ((10, 20, 30), True),
        ((10,), False),
        ((10, 30), False),
        ((), False),
    ],
    ids=str,
)
def test_only_an_entry_that_is_gone_is_a_doubt(
    now: tuple[int, ...], alike: bool
) -> None:
    noted = sent(10, 20)
    assert (sent(*now, then=noted) == noted) is alike

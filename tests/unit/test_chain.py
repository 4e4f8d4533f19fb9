"""The journal's chain: it shows what was done to a story, and cries at nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bluegreen.model.chain import START, broken_at, digest, link
from bluegreen.model.record import Kind, Record

T = datetime(2026, 5, 4, 1, 2, 3, 456789, tzinfo=UTC)


def story(length: int, *, chained_from: int = 1) -> list[Record]:
    told: list[Record] = []
    for seq in range(1, length + 1):
        follows = link(told) if seq >= chained_from else ""
        at, body = T + timedelta(seconds=seq), {"n": seq, "a": {"ü": [1.5, None]}}
        told.append(Record(seq, at, Kind.NOTE, 0, "r-1", "", body, "me", follows))
    return told


@pytest.mark.parametrize("chained_from", [1, 2, 4, 9])
def test_a_whole_story_holds(chained_from: int) -> None:
    told = story(8, chained_from=chained_from)
    assert broken_at(told) is None
    assert broken_at([]) is None
    assert (told[0].follows == START) is (chained_from == 1)


CHANGES = {
    "at": T,
    "kind": Kind.FAILED,
    "epoch": 1,
    "run": "r-2",
    "action": "a",
    "body": {},
    "writer": "you",
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_field_that_is_edited_shows_at_the_record_behind_it(name: str) -> None:
    told = story(5)
    told[2] = replace(told[2], **{name: CHANGES[name]})
    assert broken_at(told) == 4


def test_a_record_taken_out_or_put_in_shows() -> None:
    told = story(5)
    assert broken_at(told[:2] + told[3:]) == 4
    numbered = [replace(r, seq=n) for n, r in enumerate(told[:2] + told[3:], start=1)]
    assert broken_at(numbered) == 3
    assert broken_at([*told[:2], replace(told[1], seq=3), *told[2:]]) == 3


def test_what_an_older_version_wrote_is_vouched_for_from_the_first_link_on() -> None:
    told = story(6, chained_from=4)
    told[2] = replace(told[2], run="r-2")
    assert broken_at(told) == 4
    told = story(6)
    told[3] = replace(told[3], follows="")
    assert broken_at(told) == 4


def test_time_zone_and_order_of_keys_do_not_matter() -> None:
    [one] = story(1)
    elsewhere = one.at.astimezone(timezone(timedelta(hours=5)))
    turned = dict(reversed(list(one.body.items())))
    assert digest(replace(one, at=elsewhere, body=turned)) == digest(one)


@given(st.integers(1, 7), st.integers(0, 7))
def test_a_copy_that_lacks_the_end_still_holds(length: int, kept: int) -> None:
    assert broken_at(story(length)[:kept]) is None

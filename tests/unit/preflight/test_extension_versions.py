"""Versions of extensions are any text; some of them can be put in order."""

from __future__ import annotations

import pytest

from bluegreen.steps.preflight.alike import is_older

OLDER = [
    ("1.9", "1.10"),
    ("3.9", "3.10"),
    ("3.6.4", "3.7.0dev"),
    ("1.9", "2.0dev"),
    ("2.0-rc1", "2.0"),
    ("2.0beta1", "2.0"),
    ("2.0dev", "2.0"),
    ("2.0-alpha", "2.0-beta"),
    ("2.0beta2", "2.0rc1"),
    ("2.0rc1", "2.0rc2"),
    ("2.0-rc1", "2.0.1"),
    ("1.0", "1.0.1"),
    ("v1.2", "v1.3"),
    ("2.0.0-pre3", "2.0.0"),
]


@pytest.mark.parametrize(("older", "newer"), OLDER)
def test_what_can_be_put_in_order(older: str, newer: str) -> None:
    assert is_older(older, newer) is True
    assert is_older(newer, older) is False


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("unpackaged", "1.0"),
        ("next", "latest"),
        ("1.0-acme", "1.0"),
        ("1.0", "1.0-debian"),
        ("1.0", "1.0."),
    ],
)
def test_what_cannot_is_not_guessed(one: str, other: str) -> None:
    assert is_older(one, other) is None
    assert is_older(other, one) is None

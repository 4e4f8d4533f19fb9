"""What a timer finds again and again is told once, and again while it lasts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bluegreen.cli.people import AGAIN_AFTER, is_news
from bluegreen.model.bodies import Notified

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
SAID = Notified("rollback_unavailable", "the stream is off")
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("before", "ago", "news"),
    [
        (None, SECOND, True),
        (SAID.about, SECOND, False),
        (SAID.about, AGAIN_AFTER - SECOND, False),
        (SAID.about, AGAIN_AFTER, True),
        ("another reason", SECOND, True),
        ("", SECOND, True),
    ],
)
def test_the_same_is_told_once_a_day(
    before: str | None, ago: timedelta, news: bool
) -> None:
    last = None if before is None else (Notified(SAID.notified, before), NOW - ago)
    assert is_news(last, SAID, NOW) is news

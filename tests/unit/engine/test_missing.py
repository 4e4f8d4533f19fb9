"""What a journal may lack at its end, and what it can only have lost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from bluegreen.engine.missing import require_whole, went_back
from bluegreen.model.errors import LeaseRefused
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
NOTE, ABANDONED = (Kind.NOTE, ""), (Kind.ABANDONED, "")
TO_BLUE, TO_GREEN = (Kind.COMMITTED, "blue"), (Kind.COMMITTED, "green")
BACK_TO_BLUE, BACK_TO_GREEN = (Kind.BACKED_OUT, "blue"), (Kind.BACKED_OUT, "green")
Told = tuple[Kind, str]


def story(*told: Told) -> list[Record]:
    """Records in order; a word is the side that a move goes to."""
    return [
        Record(n, AT, kind, 0, "r-1", "", {"to": to} if to else {})
        for n, (kind, to) in enumerate(told, start=1)
    ]


@pytest.mark.parametrize(
    ("side", "known", "missing", "lost"),
    [
        (Side.BLUE, [NOTE], [], False),
        (Side.BLUE, [NOTE], [NOTE], False),
        (Side.BLUE, [NOTE], [TO_GREEN], False),
        (Side.BLUE, [NOTE], [NOTE, NOTE], True),
        (Side.BLUE, [], [NOTE, NOTE], True),
        (Side.BLUE, [NOTE], [NOTE, ABANDONED], False),
        (Side.BLUE, [NOTE], [NOTE, NOTE, ABANDONED], True),
        (Side.BLUE, [TO_GREEN], [(Kind.RELEASED, ""), NOTE, NOTE], False),
        (Side.GREEN, [NOTE], [NOTE], True),
        (Side.GREEN, [NOTE], [TO_BLUE], False),
        (Side.GREEN, [NOTE], [BACK_TO_BLUE], False),
        (Side.GREEN, [NOTE], [TO_GREEN], True),
        (Side.GREEN, [NOTE], [BACK_TO_GREEN], True),
        (Side.GREEN, [NOTE], [TO_BLUE, NOTE], True),
        (Side.GREEN, [NOTE], [ABANDONED], False),
        (Side.GREEN, [], [NOTE, NOTE], False),
        (Side.GREEN, [], [NOTE, TO_GREEN, NOTE], True),
        (Side.GREEN, [], [TO_GREEN, TO_BLUE, NOTE], False),
    ],
)
def test_who_went_back(
    side: Side, known: Sequence[Told], missing: Sequence[Told], lost: bool
) -> None:
    whole = story(*known, *missing)
    assert went_back(side, whole[: len(known)], whole[len(known) :]) is lost


def test_the_refusal_says_who_lost_what_and_what_clients_see() -> None:
    whole = story(NOTE, TO_GREEN, (Kind.MOVED, ""), NOTE)
    with pytest.raises(LeaseRefused) as caught:
        require_whole(Side.BLUE, whole[:1], whole)
    assert str(caught.value) == (
        "error BG-8002: blue went back in time: it had confirmed records that it "
        "lacks now\n"
        "  seen:    green holds 3 more records; the first is record 2, committed, of "
        "2026-03-01 09:30:00 UTC. What blue committed since then may be lost as well\n"
        "  wanted:  a blue that holds all that it ever confirmed\n"
        "  traffic: green serves, by the journal on green; nothing was opened, closed, "
        "enabled or dropped\n"
        "  hint:    was blue restored from a snapshot or a backup, or is it a standby "
        "that was behind? If the server with all its WAL still exists, bring that one "
        "back as blue and run again. Until then keep clients off blue: it may take "
        "writes that green never gets. If that server is gone, there is no way back to "
        "blue any more: stop it, and drop its slot with `bluegreen drop-slot PLAYBOOK "
        "--allow ENDS_ROLLBACK`"
    )


@pytest.mark.parametrize(
    ("side", "told", "says"),
    [
        (Side.GREEN, [TO_GREEN, NOTE, NOTE], "Keep clients off green until then"),
        (Side.GREEN, [NOTE, NOTE, NOTE], "make green an empty database"),
        (Side.BLUE, [NOTE, NOTE, NOTE], "Keep clients off blue until then"),
    ],
)
def test_the_ways_on_follow_who_serves(
    side: Side, told: Sequence[Told], says: str
) -> None:
    whole = story(*told)
    with pytest.raises(LeaseRefused, match=says):
        require_whole(side, whole[:1], whole)

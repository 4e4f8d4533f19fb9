"""Entries of `accept` that fit nothing are told; those for later looks are not."""

from __future__ import annotations

import pytest

from bluegreen.compat.gate import rule
from bluegreen.compat.probe.rollback_fit import is_named_in
from bluegreen.compat.verdict import Answer, Direction, Verdict
from bluegreen.model.accept import Accepted, entries, is_accepted, verdicts_accepted
from bluegreen.model.finding import checked
from bluegreen.steps.preflight.accept import check_accept

FOUND = checked("large-objects", "blue", "3 large objects", "why", blocks=True)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (Accepted("large-objects", "meant"), []),
        (Accepted("large-objects", "meant", "bl*"), []),
        (Accepted("large-objects", "meant", "green"), ["large-objects on green"]),
        (Accepted("large-object", "meant"), ["large-object"]),
        (Accepted("schema-drift", "meant"), []),
        (Accepted("schema-difference", "meant", "column a.b.c"), []),
        (Accepted("reverse/LOSSY/column-left-out", "meant", "a.b"), []),
    ],
)
def test_an_entry_that_fits_nothing_is_told(entry: Accepted, told: list[str]) -> None:
    found = check_accept([entry], [FOUND])
    assert [one.seen for one in found] == [
        f"`accept` has {name}, and there is no such finding" for name in told
    ]
    assert not any(one.is_blocking for one in found)


def test_an_entry_fits_by_id_and_by_what_it_was_found_on() -> None:
    accept = [Accepted("kept-wal", "meant", "green")]
    assert is_accepted(accept, "kept-wal", "green")
    assert not is_accepted(accept, "kept-wal", "blue")
    assert not is_accepted(accept, "kept", "green")


@pytest.mark.parametrize("name", ["public.t[1]", "public.[a-z]", "public.a?b", "a*b"])
def test_an_entry_accepts_what_it_was_printed_for(name: str) -> None:
    assert is_accepted([Accepted("kept-wal", "meant", name)], "kept-wal", name)
    lost = Verdict(Answer.LOSSY, Direction.REVERSE, "column-left-out", name, "why")
    accept = verdicts_accepted([Accepted(lost.id, "meant", lost.where)])
    assert rule([lost], accept).stopping == ()
    assert is_named_in(accept, lost.name)


def test_what_yaml_would_read_otherwise_is_quoted() -> None:
    assert entries([("a-b", "x.y"), ("a-b", "x.y"), ("c-d", 'od"d: {t}')]) == [
        "accept:",
        "  - {id: a-b, object: x.y, reason: why}",
        '  - {id: c-d, object: "od\\"d: {t}", reason: why}',
    ]

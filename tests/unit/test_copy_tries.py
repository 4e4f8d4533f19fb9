"""Which looks at a table's copy count as a failure of it."""

from __future__ import annotations

import pytest

from bluegreen.postgres.replication.copy_tries import CopyingTable, CopyTries

LOOKS = {
    # State, the transaction that wrote it, the worker; None: not being copied.
    "one that runs": ([("d", "1", 7)] * 5, 0),
    "ends at once": ([("d", "1", 7), None], 0),
    "seen after its worker's end, once": ([("d", "1", None), None], 0),
    "worker gone": ([("d", "1", 7), ("d", "1", None), ("d", "1", None)], 1),
    "gone, counted once": ([("d", "1", None)] * 5, 1),
    "tried again between looks": ([("d", str(n), 7 + n) for n in range(4)], 3),
    "no worker is ever seen": ([("d", str(n), None) for n in (1, 1, 2, 2, 3, 3)], 3),
    "copied, then applied": ([("d", "1", 7), ("f", "2", 7)], 0),
    "fails where it applies": ([("f", "1", 7), ("f", "1", 8), ("f", "1", 9)], 2),
    "applies, gone and back": (
        [("f", "1", 7), ("f", "1", None), ("f", "1", None), ("f", "1", 8)]
        + [("f", "1", None)] * 2,
        2,
    ),
    "forgotten once it is copied": ([("d", "1", None), ("d", "1", None), None], 0),
}


@pytest.mark.parametrize("case", LOOKS)
def test_failures_are_counted(case: str) -> None:
    looks, failures = LOOKS[case]
    tries = CopyTries()
    seen: dict[tuple[str, str], int] = {}
    for one in looks:
        seen = tries.look([CopyingTable("public", "t", *one)] if one else [])
    assert seen == ({("public", "t"): failures} if failures else {})

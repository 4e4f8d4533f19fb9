"""A record of the journal, as a value. Owns its fields and the names of its kinds.

How it is stored is for `postgres/journal/table.py`; what a run of records means is for
`model/history.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What a record tells."""

    RUN_STARTED = "run_started"
    INTENT = "intent"
    RESULT = "result"
    FAILED = "failed"
    APPROVED = "approved"
    PAUSING = "pausing"
    COMMITTED = "committed"
    BACKED_OUT = "backed_out"
    MOVED = "moved"
    WAY_BACK_OPEN = "way_back_open"
    CERTIFIED = "certified"
    WINDOW_OPENED = "window_opened"
    RELEASED = "released"
    ABANDONED = "abandoned"
    MONITORED = "watched"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the journal, the same in both databases.

    Attributes:
        seq: 1, 2, 3 … over the life of the pair of databases.
        at: when, by the clock of the server that stored it first.
        kind: what it tells.
        epoch: how many moves of traffic were committed before or by this record.
        run: id of the run that wrote it.
        action: id of the action it speaks of, empty otherwise.
        body: facts of the kind, JSON; never a secret.
        writer: `user@host pid` of the process that wrote it.
        follows: SHA-256 of the record before it, see `chain.py`; empty in those of a
            version that kept no chain.
    """

    seq: int
    at: datetime
    kind: Kind
    epoch: int
    run: str
    action: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    writer: str = ""
    follows: str = ""

"""The journal as a chain: each record carries the SHA-256 of the one before it.

Owns the digest and finding where a chain breaks. Pure; the journals are read elsewhere.

It shows an edit, a record taken out or put in. It does not show records cut off at the
end of both copies, nor a journal written again by someone who owns both databases: for
that, compare the head with one that was noted elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC

from bluegreen.model.record import Record

START = "0" * 64
"""What the first record follows."""


def digest(record: Record) -> str:
    """SHA-256 of all that a record holds, as both databases give it back, in hex."""
    told = (
        record.seq,
        # Servers keep microseconds; every session of ours speaks UTC.
        record.at.astimezone(UTC).isoformat(timespec="microseconds"),
        str(record.kind),
        record.epoch,
        record.run,
        record.action,
        dict(record.body),
        record.writer,
        record.follows,
    )
    text = json.dumps(told, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def link(records: Sequence[Record]) -> str:
    """What the next of these records carries: the digest of its head."""
    return digest(records[-1]) if records else START


def broken_at(records: Sequence[Record]) -> int | None:
    """Number of the first record that does not follow the one before; None if all do.

    Records of a version that kept no chain carry nothing; the first one that carries
    something vouches for them.
    """
    begun, head = False, START
    for number, record in enumerate(records, start=1):
        begun = begun or bool(record.follows)
        if record.seq != number or (begun and record.follows != head):
            return record.seq
        head = digest(record)
    return None

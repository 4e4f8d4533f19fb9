"""Coming in through an entry that leads to the side which does not serve yet.

Owns the question that a client asks there, and finding PgBouncer's own words for a
refusal: towards the client it often says nothing at all. The entry is made by
`proof.py`; what a person reads is in `errors.py`.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from bluegreen.pointers.client_probe import ANSWER_S, Client
from bluegreen.pointers.simple_query import (
    Answer,
    SessionBrokenError,
    SessionTimeoutError,
)

_KEPT_LINES = 3
_READ_BYTES = 262_144

# `default_transaction_read_only` decides for each transaction that does not say itself.
_MAY_WRITE = (
    "SELECT setting, source FROM pg_catalog.pg_settings"
    " WHERE name = 'default_transaction_read_only'"
)


class NotServedError(Exception):
    """The client was refused, or heard nothing; the text is what it saw."""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What a client's session there is like.

    Attributes:
        is_read_only: whether its writes would fail.
        source: where that is set, as pg_settings names it.
    """

    is_read_only: bool
    source: str


def come_in(client: Client, entry: str) -> Rehearsed:
    """Open a session as `client` does, through another entry, and ask.

    Raises:
        NotServedError: it was refused, or no answer came in time.
    """
    try:
        session = client.open(ANSWER_S, entry=entry)
        try:
            [answer] = session.ask(_MAY_WRITE, ANSWER_S)
        finally:
            session.close()
    except (SessionBrokenError, SessionTimeoutError) as error:
        raise NotServedError(str(error)) from None
    return _read(answer)


def _read(answer: Answer) -> Rehearsed:
    if answer.refusal or not answer.rows:
        raise NotServedError(answer.refusal or "no row came")
    row = answer.rows[0]
    return Rehearsed(row["setting"] == "on", row["source"] or "")


def read_log(file: Path, entry: str) -> str:
    """The last lines that PgBouncer's log has of an entry; empty where it has none.

    Each is told from the entry on, without PgBouncer's own marks before it.
    """
    try:
        with file.open("rb") as log:
            log.seek(max(0, file.stat().st_size - _READ_BYTES))
            text = log.read().decode(errors="replace")
    except OSError:
        return ""
    said = deque[str](maxlen=_KEPT_LINES)
    for line in text.splitlines():
        _, found, rest = line.partition(f"{entry}/")
        words = re.sub(r"^\S+ ", "", rest)
        if found and not words.startswith("login attempt"):
            said.append(words)
    return "\n".join(dict.fromkeys(said))

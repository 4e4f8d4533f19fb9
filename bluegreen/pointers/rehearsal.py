"""Coming in as a client, beforehand, at a place that leads to the wanted side.

Owns the question that a client asks there. How the place is made, and what a refusal
means, is for each kind of pointer.
"""

from __future__ import annotations

from dataclasses import dataclass

from bluegreen.pointers.client_probe import ANSWER_S, Client
from bluegreen.pointers.simple_query import (
    Answer,
    SessionBrokenError,
    SessionTimeoutError,
)

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


def come_in(client: Client, *, entry: str = "", address: str = "") -> Rehearsed:
    """Open a session as `client` does, through another entry or address, and ask.

    Raises:
        NotServedError: it was refused, or no answer came in time.
    """
    try:
        session = client.open(ANSWER_S, entry=entry, address=address)
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

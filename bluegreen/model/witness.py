"""A subscriber at a moment at which it was known to hold every row: its witness.

Owns the value and what ends it. Reading it from a server is in
`postgres/replication/witness.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bluegreen.model.body import Body
from bluegreen.model.side import Side

FOUND_OPEN = "fence found open at"
"""In place of a subscription's version: no version equals it, so rows are compared."""


@dataclass(frozen=True, slots=True)
class Witness(Body):
    """A subscriber at a moment at which it was known to hold every row.

    Attributes:
        side: the subscriber.
        started: when its server was started, as the server says it, in UTC.
        stream: the subscription's OID, the version of its row, which each ALTER
            SUBSCRIPTION changes, and how many changes could not be applied; `-` for
            what cannot be seen.
        timelines: of both servers, by side, where rows were compared: a server that
            failed over before that has nothing to lose by it.
        sent: the publication as it was, and up to which OID its tables count: what was
            added later is no change, what was taken out and put back is one.
    """

    side: Side
    started: str
    stream: str
    timelines: Mapping[Side, int] = field(default_factory=dict)
    sent: str = ""

    def is_same_stream(self, now: Witness) -> bool:
        """Whether nothing can have been skipped since.

        A transaction is skipped after it failed, by altering the subscription. A lost
        connection counts as a failure too, and a move that is backed out alters it:
        only both together are a doubt.
        """
        then, now_ = self.stream.split(), now.stream.split()
        if len(then) != len(now_) or then[:1] != now_[:1]:
            return False
        altered = [one != other for one, other in zip(then[1:], now_[1:], strict=True)]
        seen = [
            changed
            for changed, text in zip(altered, now_[1:], strict=True)
            if text != "-"
        ]
        return not (seen and all(seen))

    def is_same_sent(self, now: Witness) -> bool:
        """Whether nothing was left out of the publication meanwhile."""
        return "" in {self.sent, now.sent} or self.sent == now.sent

    def holds(self, now: Witness) -> bool:
        """Whether what was known then still stands."""
        same = (self.side, self.started) == (now.side, now.started)
        timelines = self.timelines in ({}, now.timelines)
        stream = self.is_same_sent(now) and self.is_same_stream(now)
        return same and timelines and stream

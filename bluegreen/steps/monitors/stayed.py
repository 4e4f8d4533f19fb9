"""Monitor: who is still connected to the side that traffic has left?

Owns what that means where a pointer holds no client back: a pool or a runtime that
keeps an address comes to the fenced side, reads rows that are behind, and is refused
each write. Behind poolers alone such sessions say nothing, so it is not asked there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from bluegreen.model.finding import Finding, Severity
from bluegreen.model.side import Side
from bluegreen.postgres.client_sessions import ClientSessions, read_client_sessions
from bluegreen.steps.monitors.limits import Limits
from bluegreen.steps.monitors.monitor import Monitor, Round, weigh

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class StayedFacts:
    """The side that was left, and the sessions of clients there."""

    side: Side
    sessions: tuple[ClientSessions, ...]


class MonitorStayed(Monitor[StayedFacts]):
    """No client stays on the side that was left by way of a name that it keeps."""

    id: ClassVar[str] = "clients-stayed"
    every_s: ClassVar[float] = 10.0

    def places(self, world: Round) -> tuple[Side, ...]:
        """The side that was left, as long as it may come back."""
        state = world.state
        names = any(not one.holds_clients for one in world.pointers)
        if not names or state.last_move is None or state.open_move or state.released:
            return ()
        return (state.serving.other,)

    def observe(self, world: Round, side: Side) -> StayedFacts:
        """One short query."""
        return StayedFacts(side, read_client_sessions(world.on(side)))

    def judge(self, facts: StayedFacts, limits: Limits) -> Iterator[Finding]:
        """Each client with its address: it has to be found."""
        yield self.say(str(facts.side), _weigh(facts))


def _weigh(facts: StayedFacts) -> Finding:
    if not facts.sessions:
        return weigh(Severity.OK, "no client is connected to the side that was left")
    shown = "; ".join(str(one) for one in facts.sessions[:_SHOWN])
    rest = len(facts.sessions) - _SHOWN
    more = f"; and {rest} more" if rest > 0 else ""
    return weigh(
        Severity.WARNING,
        f"clients are connected to {facts.side}, which does not serve: {shown}{more}",
        "its fence refuses their writes. Does the application keep addresses longer "
        "than the TTL, or name this side itself? Restart it, or lower that time",
    )

"""Monitor: does every pointer lead to the side that serves, and will it go on to?

Owns what it means that a pooler's file was written back, as a deploy of generated
configuration does: all is well until PgBouncer is restarted or reads its file again,
and then every client comes to the fenced side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from bluegreen.model.errors import BluegreenError
from bluegreen.model.finding import Finding, Severity
from bluegreen.model.side import Side
from bluegreen.pointers.pointer import Pointer, PointerFacts
from bluegreen.steps.monitors.limits import Limits
from bluegreen.steps.monitors.monitor import Monitor, Round, weigh


@dataclass(frozen=True, slots=True)
class PointerSeen:
    """One pointer.

    Attributes:
        id: its name.
        now: which side it names.
        kept: which one it will name once it reads again what is kept of it.
        problem: why it could not be seen, instead of the two.
        by_hand: what a person types so that it names the side that serves.
    """

    id: str
    now: PointerFacts | None = None
    kept: PointerFacts | None = None
    problem: str = ""
    by_hand: str = ""


@dataclass(frozen=True, slots=True)
class PointersFacts:
    """All of them, and the side that serves."""

    serving: Side
    pointers: tuple[PointerSeen, ...]


class MonitorPointers(Monitor[PointersFacts]):
    """Every pointer leads to the side that serves, also after its restart."""

    id: ClassVar[str] = "pointers"
    every_s: ClassVar[float] = 10.0

    def places(self, world: Round) -> tuple[Side, ...]:
        """The side that serves; none while traffic is on its way."""
        return () if world.state.open_move else (world.state.serving,)

    def observe(self, world: Round, side: Side) -> PointersFacts | None:
        """Ask each pooler, and read its file."""
        if not world.pointers:
            return None
        return PointersFacts(side, tuple(_seen(one, side) for one in world.pointers))

    def judge(self, facts: PointersFacts, limits: Limits) -> Iterator[Finding]:
        """One finding a pointer."""
        for one in facts.pointers:
            yield self.say(one.id, _weigh(one, facts.serving))


def _seen(pointer: Pointer, serving: Side) -> PointerSeen:
    by_hand = pointer.by_hand(serving)
    try:
        now, kept = pointer.observe(), pointer.observe_kept()
    except BluegreenError as error:
        why = f"{error.problem}: {error.seen}" if error.seen else error.problem
        return PointerSeen(pointer.id, problem=why, by_hand=by_hand)
    return PointerSeen(pointer.id, now, kept, by_hand=by_hand)


def _weigh(one: PointerSeen, serving: Side) -> Finding:
    if one.now is None or one.kept is None:
        fix = "bring the pooler up, or correct its file"
        return weigh(Severity.UNKNOWN, f"not seen: {one.problem}", fix)
    if one.now.names is not serving:
        leads = one.now.names or f"neither side ({one.now.seen})"
        seen = f"clients are led to {leads}, and {serving} serves"
        return weigh(Severity.CRITICAL, seen, one.by_hand)
    if one.kept.names is not serving:
        seen = (
            f"{one.kept.seen}: once the pooler is restarted or reads its file again, "
            f"clients are not led to {serving}, which serves"
        )
        fix = f"was the file written back, as by a deploy? {one.by_hand}"
        return weigh(Severity.CRITICAL, seen, fix)
    return weigh(Severity.OK, f"it leads to {serving}, and will after a restart")

"""Monitor: does every pointer lead to the side that serves, and will it go on to?

Owns what it means that a pooler's file was written back, as a deploy of generated
configuration does: all is well until PgBouncer is restarted or reads its file again,
and then every client comes to the fenced side. And coming in as a client: a pooler may
name the right side, and let no client in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from bluegreen.model.errors import BluegreenError
from bluegreen.model.finding import Finding, Severity
from bluegreen.model.side import Side
from bluegreen.pointers.pointer import Pointer, PointerFacts
from bluegreen.postgres.catalog.identity import read_identity
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
        reached: identity of the database that a client reached; empty where none was
            tried.
        not_served: why a client was not served.
        by_hand: what a person types so that it names the side that serves.
    """

    id: str
    now: PointerFacts | None = None
    kept: PointerFacts | None = None
    problem: str = ""
    reached: str = ""
    not_served: str = ""
    by_hand: str = ""


@dataclass(frozen=True, slots=True)
class PointersFacts:
    """All of them, the side that serves, and its identity where it could tell."""

    serving: Side
    identity: str
    pointers: tuple[PointerSeen, ...]


class MonitorPointers(Monitor[PointersFacts]):
    """Every pointer leads to the side that serves, also after its restart."""

    id: ClassVar[str] = "pointers"
    every_s: ClassVar[float] = 10.0

    def places(self, world: Round) -> tuple[Side, ...]:
        """The side that serves; none while traffic is on its way."""
        return () if world.state.open_move else (world.state.serving,)

    def observe(self, world: Round, side: Side) -> PointersFacts | None:
        """Ask each pooler, read its file, and come in as a client."""
        if not world.pointers:
            return None
        # Before the first run nothing there tells who answers.
        identity = "" if side in world.away else read_identity(world.on(side)).id
        seen = (_seen(one, side, ask=bool(identity)) for one in world.pointers)
        return PointersFacts(side, identity, tuple(seen))

    def judge(self, facts: PointersFacts, limits: Limits) -> Iterator[Finding]:
        """One finding a pointer."""
        for one in facts.pointers:
            yield self.say(one.id, _weigh(one, facts.serving, facts.identity))


def _seen(pointer: Pointer, serving: Side, *, ask: bool) -> PointerSeen:
    by_hand = pointer.by_hand(serving)
    try:
        now, kept = pointer.observe(), pointer.observe_kept()
    except BluegreenError as error:
        why = f"{error.problem}: {error.seen}" if error.seen else error.problem
        return PointerSeen(pointer.id, problem=why, by_hand=by_hand)
    seen = PointerSeen(pointer.id, now, kept, by_hand=by_hand)
    if now.paused or pointer.client is None or not ask:
        return seen
    try:
        return replace(seen, reached=pointer.probe())
    except BluegreenError as error:
        return replace(seen, not_served=error.seen or error.problem)
    finally:
        # Where the pooler gives a server to a session, it would hold one, and up PAUSE.
        pointer.client.close()


def _weigh(one: PointerSeen, serving: Side, identity: str) -> Finding:
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
    if one.not_served:
        fix = "try the same with psql; look at the pooler's log and its SHOW POOLS"
        return weigh(
            Severity.CRITICAL, f"a client is not served: {one.not_served}", fix
        )
    if one.reached not in {"", identity}:
        seen = f"a client reaches another database than {serving}: {one.reached}"
        return weigh(Severity.CRITICAL, seen, one.by_hand)
    served = ", and serves a client" if one.reached else ""
    # Where the same was read twice, nothing is known of a restart.
    kept = ", also after a restart" if one.kept.seen != one.now.seen else ""
    return weigh(Severity.OK, f"it leads to {serving}{kept}{served}")

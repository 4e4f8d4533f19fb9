"""Monitor: who else reads the serving side's changes?

Owns what a slot of others means for a move. Reading is in `postgres/catalog/slots.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from bluegreen.model.duration import format_bytes
from bluegreen.model.finding import Figure, Finding, Severity
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.slots import Slot, read_slots
from bluegreen.postgres.replication.stream import ReplicationStream
from bluegreen.steps.monitors.limits import Limits
from bluegreen.steps.monitors.monitor import Monitor, Round, weigh


@dataclass(frozen=True, slots=True)
class ForeignFacts:
    """Logical slots of this database that are not ours, nor a copy's."""

    side: Side
    slots: tuple[Slot, ...]


class MonitorForeignSlots(Monitor[ForeignFacts]):
    """Nothing else follows the serving side by a logical slot."""

    id: ClassVar[str] = "foreign-slots"

    def places(self, world: Round) -> tuple[Side, ...]:
        """The side that serves: its consumers must be brought along."""
        return (world.state.serving,)

    def observe(self, world: Round, side: Side) -> ForeignFacts:
        """Slots by name; those of an initial copy are PostgreSQL's own."""
        ours = {ReplicationStream(world.name, publisher).name for publisher in Side}
        slots = tuple(
            slot
            for slot in read_slots(world.on(side))
            if slot.here and slot.name not in ours and not _is_of_copy(slot)
        )
        return ForeignFacts(side, slots)

    def judge(self, facts: ForeignFacts, limits: Limits) -> Iterator[Finding]:
        """Told, and never a reason to stop: whose they are, we do not know."""
        figure = Figure(
            "foreign_slots",
            len(facts.slots),
            "Logical slots that are not ours.",
            {"side": str(facts.side)},
        )
        yield self.say(str(facts.side), _weigh(facts), (figure,))


def _is_of_copy(slot: Slot) -> bool:
    """`pg_<subscription>_sync_<table>_<system>`: names with pg_ are the server's."""
    return slot.name.startswith("pg_") and "_sync_" in slot.name


def _weigh(facts: ForeignFacts) -> Finding:
    if not facts.slots:
        return weigh(Severity.OK, "no logical slot of others")
    told = ", ".join(map(_say, facts.slots))
    return weigh(
        Severity.WARNING,
        f"slots of others: {told}",
        f"a slot does not move with traffic: make them on {facts.side.other} and hand "
        "over, or their readers stand still after the move",
    )


def _say(slot: Slot) -> str:
    state = slot.wal_status if slot.wal_status in {"lost", "unreserved"} else ""
    state = state or ("read now" if slot.active else "not read now")
    return f"{slot.name} ({state}, keeps {format_bytes(slot.held)})"

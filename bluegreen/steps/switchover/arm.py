"""What is made ready before the pause: both fences and the reverse stream.

Owns these actions; each takes as long as it likes and stops no client. The reverse
stream (publication and slot on the side that will serve, disabled subscription on the
side that is left) exists before the first write over there, so that the way back loses
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from bluegreen.model.codes import Code
from bluegreen.model.counted import counted
from bluegreen.model.hazard import Hazard
from bluegreen.model.record import Record
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, NotYet, Refused, Satisfied, Verdict
from bluegreen.postgres.catalog.relations import read_relations
from bluegreen.postgres.fence.fence import (
    FenceFacts,
    create_fence,
    drop_fence,
    read_fence,
)
from bluegreen.postgres.journal.own_schema import is_built
from bluegreen.postgres.replication.publication import (
    COLUMN_LISTS_SINCE,
    ColumnName,
    PublishedTable,
    choose_tables,
    drop_publication,
    obstacles,
    publish,
    read_publication,
    server_version,
    subscribed_tables,
)
from bluegreen.postgres.replication.stream import (
    ReplicationStream,
    SlotFacts,
    SubscriptionFacts,
    create_slot,
    create_subscription,
    drop_slot,
    drop_subscription,
    read_slot,
    read_subscription,
)
from bluegreen.steps.action import Action, Result
from bluegreen.steps.schema_change.journal_queries import kept_back, shells
from bluegreen.steps.world import World


class CreateFence(Action[FenceFacts]):
    """Every table of a side has its fence trigger, which asks the side's flag.

    Where clients write the flag lets them: what is left for the pause is one step.

    Crash: some tables have their trigger; the next run makes the others.
    """

    def __init__(
        self, step_id: str, side: Side, state: Literal["closed", "open"]
    ) -> None:
        super().__init__(step_id)
        self.id += f"_{side}"
        self.side, self.state = side, state
        self.title = f"{side}'s fence is made and {state}"

    def observe(self, world: World) -> FenceFacts:
        """How the fence stands; a side without our schema has none."""
        return read_fence(world.on(self.side))

    def judge(self, facts: FenceFacts) -> Verdict:
        """An open fence that is wanted closed needs the act too, never the reverse."""
        if facts.missing:
            return Needed(f"{facts.missing} of {facts.tables} tables have no trigger")
        if facts.off:
            return Needed(f"the trigger of {facts.off} tables is disabled")
        if self.state == "closed" and not facts.is_closed:
            return Needed(
                counted(
                    facts.tables - facts.closed,
                    "table takes writes",
                    "tables take writes",
                )
            )
        return Satisfied(
            counted(facts.tables, "table has its trigger", "tables have their trigger")
        )

    def act(self, world: World, facts: FenceFacts) -> Result:
        """Close what must be closed; make and enable what is missing."""
        database = world.on(self.side)
        return {"made": create_fence(database, closed=self.state, clock=world.clock)}

    def undo(self, world: World, facts: FenceFacts) -> None:
        """Take the triggers away."""
        if is_built(world.on(self.side)):
            drop_fence(world.on(self.side), world.clock)


@dataclass(frozen=True, slots=True)
class PublicationFacts:
    """What is published and what ought to be.

    Attributes:
        wanted: empty while it cannot be told, as the stream does not exist yet.
        hindrances: what would break apply, in words.
    """

    present: tuple[PublishedTable, ...] | None
    wanted: tuple[PublishedTable, ...]
    hindrances: tuple[str, ...]


class CreateReversePublication(Action[PublicationFacts]):
    """The side that will serve publishes what the other side can take back.

    Where it has more columns, a column list leaves them out; their values stay behind
    at a rollback.

    Crash: the subscription that waits for it may be gone before the list is changed;
    the next run does both.
    """

    def __init__(self, step_id: str, to_side: Side) -> None:
        super().__init__(step_id)
        self.to_side = to_side
        self.title = f"{to_side} publishes its tables for {to_side.other}"

    def observe(self, world: World) -> PublicationFacts:
        """Catalogs of both sides, and the tables that travel today."""
        to_side, from_side = world.on(self.to_side), world.on(self.to_side.other)
        stream = ReplicationStream(world.name, self.to_side.other).name
        records = world.journal.records()
        carried = subscribed_tables(to_side, stream)
        fed = carried | shells(records)
        publisher = [r for r in read_relations(to_side) if (r.schema, r.name) in fed]
        subscriber = read_relations(from_side)
        kept = self._kept_back(world, records)
        wanted = choose_tables(publisher, subscriber, kept_back=kept) if carried else ()
        hindrances = obstacles(wanted, publisher, subscriber, server_version(to_side))
        name = ReplicationStream(world.name, self.to_side).name
        return PublicationFacts(
            read_publication(to_side, name), wanted, tuple(hindrances)
        )

    def _kept_back(
        self, world: World, records: Sequence[Record]
    ) -> frozenset[ColumnName]:
        """Columns that blue got for green's values are not sent from blue."""
        lists = server_version(world.blue) >= COLUMN_LISTS_SINCE
        return (
            kept_back(records) if self.to_side is Side.BLUE and lists else frozenset()
        )

    def judge(self, facts: PublicationFacts) -> Verdict:
        """What cannot be taken back closes the way back, so it refuses the move."""
        if facts.hindrances:
            return Refused(
                Code.ROLLBACK_LOSES_DATA,
                f"{self.to_side.other} could not follow {self.to_side}",
                seen="\n".join(facts.hindrances),
                wanted=f"every change on {self.to_side} fits {self.to_side.other}",
                hint="make the same change on both sides in a form that both can "
                "take, or leave it until after decommission",
            )
        if not facts.wanted:
            return NotYet("the initial copy has not begun")
        if facts.present == facts.wanted:
            return Satisfied(
                counted(len(facts.wanted), "table is published", "tables are published")
            )
        return Needed(
            counted(
                len(facts.wanted),
                "table is to be published",
                "tables are to be published",
            )
        )

    def act(self, world: World, facts: PublicationFacts) -> Result:
        """Make the publication or bring it to the wanted list.

        A subscription that waits knows the former list only, and no REFRESH is taken
        while it is disabled (55000). It goes first, to be made again over the new list:
        a table that it does not know would be passed by without an error.
        """
        from_side, name = (
            world.on(self.to_side.other),
            ReplicationStream(world.name, self.to_side).name,
        )
        waiting = (
            read_subscription(from_side, name) if facts.present is not None else None
        )
        if waiting is not None and not waiting.enabled:
            drop_subscription(from_side, name, world.clock)
        publish(world.on(self.to_side), name, facts.wanted)
        lists = [f"{t.schema}.{t.name}" for t in facts.wanted if t.columns is not None]
        return {"tables": len(facts.wanted), "column_lists": lists}

    def undo(self, world: World, facts: PublicationFacts) -> None:
        """Drop the publication."""
        drop_publication(
            world.on(self.to_side), ReplicationStream(world.name, self.to_side).name
        )


class CreateReverseSlot(Action[SlotFacts | None]):
    """The side that will serve keeps its WAL for the other side from now on.

    Crash: the slot is there or it is not; an unused one keeps WAL until the next run.
    """

    hazards: ClassVar[frozenset[Hazard]] = frozenset()

    def __init__(self, step_id: str, to_side: Side) -> None:
        super().__init__(step_id)
        self.to_side = to_side
        self.title = f"{to_side} has a slot for {to_side.other}"

    def observe(self, world: World) -> SlotFacts | None:
        """The slot, if there is one."""
        return read_slot(
            world.on(self.to_side), ReplicationStream(world.name, self.to_side).name
        )

    def judge(self, facts: SlotFacts | None) -> Verdict:
        """A lost slot is made again: nothing was read from it yet."""
        if facts is None:
            return Needed("there is no slot")
        if facts.wal_status == "lost":
            return Needed("the slot has lost its WAL")
        return Satisfied("the slot is there")

    def act(self, world: World, facts: SlotFacts | None) -> Result:
        """Make the slot; waits for open write transactions to end."""
        database, name = (
            world.on(self.to_side),
            ReplicationStream(world.name, self.to_side).name,
        )
        drop_slot(database, name, world.clock)
        create_slot(database, name)
        return {"slot": name}

    def undo(self, world: World, facts: SlotFacts | None) -> None:
        """Drop the slot."""
        name = ReplicationStream(world.name, self.to_side).name
        drop_slot(world.on(self.to_side), name, world.clock)


class CreateReverseSubscription(Action[SubscriptionFacts | None]):
    """The side that is left has a subscription that waits, disabled.

    Crash: the subscription is there or it is not; disabled, it does nothing.
    """

    def __init__(self, step_id: str, to_side: Side) -> None:
        super().__init__(step_id)
        self.to_side = to_side
        self.title = f"{to_side.other} is ready to follow {to_side}"

    def observe(self, world: World) -> SubscriptionFacts | None:
        """The subscription, if there is one."""
        name = ReplicationStream(world.name, self.to_side).name
        return read_subscription(world.on(self.to_side.other), name)

    def judge(self, facts: SubscriptionFacts | None) -> Verdict:
        """Enabled is fine as well: then the move is over already."""
        if facts is None:
            return Needed("there is no subscription")
        return Satisfied(
            counted(facts.tables, "table is subscribed", "tables are subscribed")
        )

    def act(self, world: World, facts: SubscriptionFacts | None) -> Result:
        """Make it disabled: nothing may flow back before the commit point."""
        if facts is not None:
            return {}
        create_subscription(
            world.on(self.to_side.other),
            world.on(self.to_side),
            ReplicationStream(world.name, self.to_side).name,
            copy_data=False,
            enabled=False,
        )
        return {}

    def undo(self, world: World, facts: SubscriptionFacts | None) -> None:
        """Drop the subscription."""
        name = ReplicationStream(world.name, self.to_side).name
        drop_subscription(world.on(self.to_side.other), name, world.clock)

"""The stream from blue to green: identity, publication, slot, subscription.

Owns these actions; waiting for what it carries is for `following.py`. The objects are
handled in `postgres/replication/stream.py` and `postgres/replication/publication.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bluegreen.model.codes import Code
from bluegreen.model.hazard import Hazard
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, Refused, Satisfied, Verdict
from bluegreen.postgres.catalog.migration_tables import names_of_bookkeeping
from bluegreen.postgres.catalog.relations import (
    Relation,
    is_named,
    read_relations,
    tables_without_identity,
)
from bluegreen.postgres.replication.publication import (
    PublishedTable,
    choose_tables,
    drop_publication,
    publish,
    read_publication,
)
from bluegreen.postgres.replication.replica_identity import (
    set_identity_full,
    set_identity_index,
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
    start_stream,
)
from bluegreen.steps.contract import Action, Result
from bluegreen.steps.replication.identities import put_back, remember, restorable
from bluegreen.steps.world import World


def _stream(world: World) -> str:
    return ReplicationStream(world.name, Side.BLUE).name


@dataclass(frozen=True, slots=True)
class KeylessFacts:
    """What the playbook wants of blue's replica identities, and what lacks one.

    Attributes:
        full: tables that the playbook names and that have another identity.
        indexes: named indexes that are not their table's identity yet.
        unknown: named indexes that cannot be one.
        others: tables without an identity that nothing names.
    """

    full: tuple[Relation, ...]
    indexes: tuple[tuple[Relation, str], ...]
    unknown: tuple[str, ...]
    others: tuple[Relation, ...]


class PinReplicaIdentity(Action[KeylessFacts]):
    """Every table that will be published has a replica identity.

    Crash: one statement a table; the next run does the others.
    """

    title = "every table of blue can be replicated"

    def __init__(
        self,
        step_id: str,
        full: tuple[str, ...],
        exclude: tuple[str, ...],
        indexes: tuple[str, ...] = (),
    ) -> None:
        super().__init__(step_id)
        self.full, self.exclude, self.indexes = full, exclude, indexes

    def observe(self, world: World) -> KeylessFacts:
        """Tables of blue, their keys and identities."""
        relations = read_relations(world.blue)
        spared = (*self.exclude, *names_of_bookkeeping(relations))
        usable = {
            f"{r.schema}.{index.name}": (r, index)
            for r in relations
            for index in r.indexes
            if index.usable and r.holds_rows
        }
        wanted = [usable[name] for name in self.indexes if name in usable]
        by_index = [r.full_name for r, _ in wanted]
        keyless = tables_without_identity(relations, exclude=(*spared, *by_index))
        return KeylessFacts(
            tuple(
                r
                for r in relations
                if is_named(r, self.full) and r.holds_rows and r.replica_identity != "f"
            ),
            tuple((r, i.name) for r, i in wanted if not i.chosen),
            tuple(name for name in self.indexes if name not in usable),
            tuple(r for r in keyless if not is_named(r, self.full)),
        )

    def judge(self, facts: KeylessFacts) -> Verdict:
        """A published table without one makes the application's own UPDATE fail."""
        if facts.unknown:
            return Refused(
                Code.CHECK_BLOCKS,
                f"{facts.unknown[0]} cannot be a replica identity on blue",
                seen="no such unique index over NOT NULL columns, without a predicate "
                "and not deferrable",
                wanted="indexes of blue in `identity_index`, as `schema.index`",
                hint="make it on blue with CREATE UNIQUE INDEX CONCURRENTLY, or fix "
                "its name in the step replicate",
            )
        if facts.others:
            names = ", ".join(r.quoted for r in facts.others[:5])
            return Refused(
                Code.CHECK_BLOCKS,
                f"{len(facts.others)} tables of blue have no replica identity",
                seen=names,
                wanted="a primary key, or a word that the whole row may be the key",
                hint="name them in `identity_full` or `exclude` of the step "
                "replicate; once published, UPDATE on them would fail on blue",
            )
        if facts.full:
            return Needed(f"{len(facts.full)} tables get REPLICA IDENTITY FULL")
        if facts.indexes:
            return Needed(f"{len(facts.indexes)} tables get an index as identity")
        return Satisfied("all have one")

    def act(self, world: World, facts: KeylessFacts) -> Result:
        """Set the identities that the playbook names."""
        remember(world, self.id, Side.BLUE, facts.full, "f")
        remember(world, self.id, Side.BLUE, (r for r, _ in facts.indexes), "i")
        for relation in facts.full:
            set_identity_full(world.blue, relation.schema, relation.name)
        for relation, index in facts.indexes:
            set_identity_index(world.blue, relation.schema, relation.name, index)
        changed = (*facts.full, *(r for r, _ in facts.indexes))
        return {"tables": [r.full_name for r in changed]}

    def undo(self, world: World, facts: KeylessFacts) -> None:
        """Back to what each table had, on both sides."""
        for side in Side:
            put_back(world.on(side), restorable(world, side).tables)


@dataclass(frozen=True, slots=True)
class ForwardPublicationFacts:
    """What blue publishes and what it ought to publish."""

    present: tuple[PublishedTable, ...] | None
    wanted: tuple[PublishedTable, ...]
    streaming: bool


class CreatePublication(Action[ForwardPublicationFacts]):
    """Blue publishes its tables.

    Crash: one statement; it is there or it is not.
    """

    title = "blue publishes its tables"

    def __init__(
        self,
        step_id: str,
        exclude: tuple[str, ...],
        through_root: tuple[str, ...] = (),
    ) -> None:
        super().__init__(step_id)
        self.exclude, self.through_root = exclude, through_root

    def observe(self, world: World) -> ForwardPublicationFacts:
        """The publication, and the tables that both sides have."""
        blue = read_relations(world.blue)
        wanted = choose_tables(
            blue,
            read_relations(world.green),
            exclude=(*self.exclude, *names_of_bookkeeping(blue)),
            through_root=self.through_root,
        )
        return ForwardPublicationFacts(
            read_publication(world.blue, _stream(world)),
            wanted,
            read_subscription(world.green, _stream(world)) is not None,
        )

    def judge(self, facts: ForwardPublicationFacts) -> Verdict:
        """Once the stream lives, its tables are not changed behind its back."""
        if facts.present is not None and (
            facts.streaming or facts.present == facts.wanted
        ):
            return Satisfied(f"{len(facts.present)} tables are published")
        return Needed(f"{len(facts.wanted)} tables are to be published")

    def act(self, world: World, facts: ForwardPublicationFacts) -> Result:
        """Make the publication."""
        publish(world.blue, _stream(world), facts.wanted)
        return {"tables": len(facts.wanted)}

    def undo(self, world: World, facts: ForwardPublicationFacts) -> None:
        """Drop it."""
        drop_publication(world.blue, _stream(world))


@dataclass(frozen=True, slots=True)
class ForwardSlotFacts:
    """The slot, and whether green has begun to count on it."""

    slot: SlotFacts | None
    counted_on: bool


class CreateSlot(Action[ForwardSlotFacts]):
    """Blue keeps its WAL for green from here on.

    Crash: the slot is there or it is not; unused it keeps WAL until the next run.
    """

    title = "blue has a slot for green"
    hazards: ClassVar[frozenset[Hazard]] = frozenset({Hazard.RETAINS_WAL_ON_BLUE})

    def observe(self, world: World) -> ForwardSlotFacts:
        """The slot, and green's subscription over it."""
        return ForwardSlotFacts(
            read_slot(world.blue, _stream(world)),
            read_subscription(world.green, _stream(world)) is not None,
        )

    def judge(self, facts: ForwardSlotFacts) -> Verdict:
        """A slot that is gone or lost cannot be fixed: rows would silently miss."""
        if facts.slot is None and not facts.counted_on:
            return Needed("there is no slot")
        if facts.slot is None or facts.slot.wal_status == "lost":
            return Refused(
                Code.NOT_A_PAIR,
                "the slot on blue has lost what green still needs",
                seen="pg_replication_slots.wal_status is lost"
                if facts.slot
                else "green has its subscription, and the slot is gone",
                wanted="a slot that kept everything since the copy",
                hint="did blue fail over, or was the slot dropped? Make green again; a "
                "new slot under the old stream would leave out rows without an error",
            )
        return Satisfied("the slot is there")

    def act(self, world: World, facts: ForwardSlotFacts) -> Result:
        """Make the slot; waits for open write transactions to end."""
        create_slot(world.blue, _stream(world))
        return {"slot": _stream(world)}

    def undo(self, world: World, facts: ForwardSlotFacts) -> None:
        """Drop the slot."""
        drop_slot(world.blue, _stream(world), world.clock)


class CreateSubscription(Action[SubscriptionFacts | None]):
    """Green subscribes to blue, initial copy included.

    Crash: the subscription is there or it is not; its workers go on by themselves.
    """

    title = "green subscribes to blue"
    hazards: ClassVar[frozenset[Hazard]] = frozenset({Hazard.LOADS_BLUE})

    def observe(self, world: World) -> SubscriptionFacts | None:
        """The subscription, if there is one."""
        return read_subscription(world.green, _stream(world))

    def judge(self, facts: SubscriptionFacts | None) -> Verdict:
        """There and enabled."""
        if facts is None:
            return Needed("there is no subscription")
        if not facts.enabled:
            return Needed("the subscription is disabled")
        return Satisfied(f"{facts.tables} tables are subscribed")

    def act(self, world: World, facts: SubscriptionFacts | None) -> Result:
        """Make it, or enable it."""
        if facts is not None:
            start_stream(world.green, _stream(world))
            return {"enabled": True}
        create_subscription(
            world.green, world.blue, _stream(world), copy_data=True, enabled=True
        )
        return {"subscription": _stream(world)}

    def undo(self, world: World, facts: SubscriptionFacts | None) -> None:
        """Drop it and leave the slot to its own action."""
        drop_subscription(world.green, _stream(world), world.clock)

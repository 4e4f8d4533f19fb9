"""Partitions that both sides have and no stream carries yet are put into it.

Owns which ones those are and the order of the acts. Partitions are published one by
one, so a new one travels nowhere by itself, no matter who made it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from bluegreen.model.counted import counted
from bluegreen.model.history import fold
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, NotYet, Satisfied, Verdict
from bluegreen.postgres.fence.fence import create_fence, read_fence
from bluegreen.postgres.quoting import quote_name
from bluegreen.postgres.replication.publication import (
    PublishedTable,
    publish,
    read_publication,
    subscribed_tables,
)
from bluegreen.postgres.replication.resubscribe import take_up_new_tables
from bluegreen.postgres.replication.stream import (
    ReplicationStream,
    SubscriptionFacts,
    create_subscription,
    drop_subscription,
    read_subscription,
)
from bluegreen.postgres.schema.partitions import Name, Parent, read_parents
from bluegreen.steps.action import Action, Result, Waiting
from bluegreen.steps.monitors.drift import remember_also
from bluegreen.steps.world import World

COPIED_WITHIN = timedelta(minutes=10)
"""A partition that was made ahead is empty; one that holds a day is copied by then."""


@dataclass(frozen=True, slots=True)
class NewPartitions:
    """What could travel and does not.

    Attributes:
        serving: the side that feeds the stream.
        present: what its publication lists; empty where there is none.
        tables: partitions to add, as they are to be published.
        runs: the other side's subscription is there and enabled.
    """

    serving: Side
    present: tuple[PublishedTable, ...] = ()
    tables: tuple[PublishedTable, ...] = ()
    runs: bool = False


class TakeUpPartitions(Action[NewPartitions]):
    """Every partition that both sides have is in the stream.

    The rows that are in it already are copied: REFRESH makes the other side take the
    table up with a snapshot that is newer than the publication.

    Crash: it may be published and not taken up, which the next run sees.
    """

    title = "new partitions are in the stream"
    no_undo = "a partition that travels harms nothing"

    def observe(self, world: World) -> NewPartitions:
        """Both catalogs, the publication and the subscription."""
        state = fold(world.journal.records())
        serving, name = state.serving, ReplicationStream(world.name, state.serving).name
        if state.released:
            return NewPartitions(serving)
        publisher, subscriber = world.on(serving), world.on(serving.other)
        present = read_publication(publisher, name)
        now = read_subscription(subscriber, name) if present else None
        if present is None or now is None:
            return NewPartitions(serving)
        taken = subscribed_tables(subscriber, name)
        new = new_partitions(
            read_parents(publisher),
            read_parents(subscriber),
            present,
            taken,
            world.limits.exclude,
        )
        return NewPartitions(serving, present, tuple(new), now.enabled)

    def judge(self, facts: NewPartitions) -> Verdict:
        """A stream that rests takes up nothing; the run that starts it looks again."""
        if not facts.tables:
            return Satisfied("no partition is missing in it")
        names = ", ".join(f"{t.schema}.{t.name}" for t in facts.tables)
        if not facts.runs:
            return Satisfied(f"the stream rests; the next run takes up {names}")
        return Needed(f"not in the stream: {names}")

    def act(self, world: World, facts: NewPartitions) -> Result:
        """Fence it on both sides, publish it, and let the other side copy it."""
        publisher, subscriber = world.on(facts.serving), world.on(facts.serving.other)
        create_fence(subscriber, closed="closed", clock=world.clock)
        fence = read_fence(publisher)
        if fence.missing < fence.tables - len(facts.tables):
            create_fence(publisher, closed="open", clock=world.clock)
        name = ReplicationStream(world.name, facts.serving).name
        publish(publisher, name, _with(facts.present, facts.tables))
        world.point("partitions/published")
        take_up_new_tables(subscriber, name)
        heads = [f"table {quote_name(t.schema, t.name)}" for t in facts.tables]
        for side in Side:
            remember_also(world, side, heads, self.id)
        return {"tables": [f"{t.schema}.{t.name}" for t in facts.tables]}


class TakeUpWaiting(Action[NewPartitions]):
    """The stream the other way, which waits for a move, will carry them too.

    Its subscription is disabled, and no REFRESH is taken then (55000): it is made again
    over the new list. Nothing has flowed in it, and its slot stays.

    Crash: the subscription may be gone, or the list be new without it; the cutover
    makes both.
    """

    title = "the way back will carry new partitions"
    no_undo = "a partition that travels harms nothing"

    def observe(self, world: World) -> NewPartitions:
        """Both catalogs, and what was made for the move."""
        state = fold(world.journal.records())
        serving = state.serving
        publisher, subscriber = world.on(serving.other), world.on(serving)
        name = ReplicationStream(world.name, serving.other).name
        present = None if state.released else read_publication(publisher, name)
        if present is None:
            return NewPartitions(serving)
        now = read_subscription(subscriber, name)
        if now is not None and now.enabled:
            return NewPartitions(serving)
        taken: Collection[Name] = subscribed_tables(subscriber, name)
        if now is None:
            taken = {(t.schema, t.name) for t in present}
        new = new_partitions(
            read_parents(publisher),
            read_parents(subscriber),
            present,
            taken,
            world.limits.exclude,
        )
        return NewPartitions(serving, present, tuple(new), now is not None)

    def judge(self, facts: NewPartitions) -> Verdict:
        """Only what was made for a move is brought up to date."""
        if not facts.tables:
            return Satisfied("no partition is missing in it")
        names = ", ".join(f"{t.schema}.{t.name}" for t in facts.tables)
        return Needed(f"not on the way back: {names}")

    def act(self, world: World, facts: NewPartitions) -> Result:
        """Make list and subscription again; the subscription knows every table then."""
        publisher, subscriber = world.on(facts.serving.other), world.on(facts.serving)
        name = ReplicationStream(world.name, facts.serving.other).name
        drop_subscription(subscriber, name, world.clock)
        publish(publisher, name, _with(facts.present, facts.tables))
        world.point("partitions/way_back_published")
        create_subscription(subscriber, publisher, name, copy_data=False, enabled=False)
        return {"tables": [f"{t.schema}.{t.name}" for t in facts.tables]}


def _with(
    present: Sequence[PublishedTable], more: Sequence[PublishedTable]
) -> tuple[PublishedTable, ...]:
    named = {(t.schema, t.name): t for t in (*present, *more)}
    return tuple(named[name] for name in sorted(named))


class AwaitPartitions(Waiting["SubscriptionFacts | None"]):
    """Every row of the new partitions is on the other side.

    Crash: nothing of ours runs; the server's workers go on.
    """

    title = "new partitions are copied"
    patience = COPIED_WITHIN

    def observe(self, world: World) -> SubscriptionFacts | None:
        """The subscription that takes what the serving side writes."""
        serving = fold(world.journal.records()).serving
        name = ReplicationStream(world.name, serving).name
        return read_subscription(world.on(serving.other), name)

    def judge(self, facts: SubscriptionFacts | None) -> Verdict:
        """Ready when every table is."""
        if facts is None or not facts.enabled:
            return Satisfied("no stream runs")
        if facts.is_ready:
            return Satisfied(
                counted(facts.tables, "table is copied", "tables are copied")
            )
        return NotYet(f"{facts.ready} of {facts.tables} tables are copied")


def new_partitions(
    here: Mapping[Name, Parent],
    there: Mapping[Name, Parent],
    present: Sequence[PublishedTable],
    taken: Collection[Name],
    exclude: Collection[str] = (),
) -> Iterator[PublishedTable]:
    """Partitions that both sides have alike, beside one that travels. Pure.

    Args:
        here: partitioned tables of the side that serves.
        there: those of the other side.
        present: what is published.
        taken: what the other side's subscription takes.
        exclude: tables that the playbook leaves out.
    """
    published = {(t.schema, t.name): t for t in present}
    for name, parent in here.items():
        twin = there.get(name)
        if twin is None or parent.full_name in exclude or name in published:
            continue
        bounds = {(p.schema, p.name): p.bound for p in twin.partitions if p.plain}
        names = [(p.schema, p.name) for p in parent.partitions]
        beside = [published[one] for one in names if one in published and one in taken]
        if not beside:
            continue
        for one in parent.partitions:
            own = (one.schema, one.name)
            carried = own in published and own in taken
            alike = one.plain and bounds.get(own) == one.bound
            if alike and not carried and ".".join(own) not in exclude:
                yield replace(beside[-1], schema=one.schema, name=one.name)

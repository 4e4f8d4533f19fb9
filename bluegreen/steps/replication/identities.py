"""Replica identities that we changed, and what they were before.

Owns remembering them and putting them back. Setting one is for
`postgres/replication/replica_identity.py`, when one is needed for the actions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from bluegreen.model.body import Body
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.relations import Relation, read_relations
from bluegreen.postgres.database import Database
from bluegreen.postgres.replication.publication import published_by_others
from bluegreen.postgres.replication.replica_identity import (
    set_identity_default,
    set_identity_full,
    set_identity_index,
    set_identity_nothing,
)
from bluegreen.postgres.replication.stream import ReplicationStream
from bluegreen.steps.world import World

_BY_INDEX = "i"


@dataclass(frozen=True, slots=True)
class Before(Body):
    """A table's identity before we changed it.

    Attributes:
        identity: `relreplident`: d, n, f or i.
        index: the one that it rested on.
        made: the identity that we gave it.
    """

    schema: str
    table: str
    identity: str
    index: str = ""
    made: str = "f"

    @classmethod
    def of(cls, relation: Relation, made: str) -> Before:
        """As it is now."""
        index = next((i.name for i in relation.indexes if i.chosen), "")
        known = relation.replica_identity
        return cls(
            relation.schema,
            relation.name,
            known,
            index if known == _BY_INDEX else "",
            made,
        )


@dataclass(frozen=True, slots=True)
class IdentitiesChanged(Body):
    """Of a NOTE right before identities of a side are changed."""

    identities_of: Side
    before: tuple[Before, ...] = ()


@dataclass(frozen=True, slots=True)
class Restorable:
    """What is put back on a side, and what stays.

    Attributes:
        tables: they have what we gave them.
        kept: tables that another publication has.
    """

    tables: tuple[Before, ...] = ()
    kept: tuple[str, ...] = ()


def remember(
    world: World, action: str, side: Side, relations: Iterable[Relation], made: str
) -> None:
    """Tell the journal what these tables have, before it is changed."""
    before = tuple(Before.of(relation, made) for relation in relations)
    if before:
        body = IdentitiesChanged(side, before).as_body()
        world.journal.append(Kind.NOTE, action=action, body=body)


def changed(records: Sequence[Record], side: Side) -> dict[tuple[str, str], Before]:
    """What we changed, as it was before the first time. Pure.

    Green has blue's identities with its schema, unless a migration brought others.
    """
    told = (
        IdentitiesChanged.from_body(record.body)
        for record in records
        if "identities_of" in record.body
    )
    # Green's own come first: they are of what it had by then.
    sides = {side: 1, Side.BLUE: 0}
    ours = sorted(
        (one for one in told if one.identities_of in sides),
        key=lambda one: sides[one.identities_of],
    )
    found: dict[tuple[str, str], Before] = {}
    for note in ours:
        for one in note.before:
            name = (one.schema, one.table)
            first = found.get(name, one)
            found[name] = replace(first, made=one.made)
    return found


def restorable(world: World, side: Side) -> Restorable:
    """Tables of a side that still have what we gave them. Changes nothing."""
    known = changed(world.journal.records(), side)
    if not known:
        return Restorable()
    database = world.on(side)
    ours = [ReplicationStream(world.name, one).name for one in Side]
    published = published_by_others(database, ours)
    tables, kept = [], []
    for relation in read_relations(database):
        one = known.get(relation.qualified)
        if one is None or not _is_ours(relation, one):
            continue
        if relation.qualified in published:
            kept.append(relation.full_name)
        else:
            tables.append(one)
    return Restorable(tuple(tables), tuple(kept))


def _is_ours(relation: Relation, one: Before) -> bool:
    """Whether it has what we gave it, and can have again what it had."""
    now = Before.of(relation, "")
    same = (now.identity, now.index) == (one.identity, one.index)
    usable = {index.name for index in relation.indexes if index.usable}
    lost = one.identity == _BY_INDEX and one.index not in usable
    return now.identity == one.made and not same and not lost


def put_back(database: Database, tables: Iterable[Before]) -> None:
    """Give each table what it had; one short lock a table."""
    for one in tables:
        ways: dict[str, Callable[[Database, str, str], None]] = {
            "d": set_identity_default,
            "n": set_identity_nothing,
            "f": set_identity_full,
            _BY_INDEX: partial(set_identity_index, index=one.index),
        }
        ways[one.identity](database, one.schema, one.table)

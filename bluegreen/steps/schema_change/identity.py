"""Green finds rows by the key that blue sends, and sends the key that blue knows.

Owns this action, which comes while the stream rests: a key that a migration dropped,
moved, widened or narrowed would stop the stream, or lose its updates in silence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, Satisfied, Verdict
from bluegreen.postgres.catalog.relations import Relation, read_relations
from bluegreen.postgres.replication.publication import subscribed_tables
from bluegreen.postgres.replication.replica_identity import (
    drop_key_index,
    make_key_index,
    set_identity_default,
    set_identity_full,
    set_identity_index,
)
from bluegreen.postgres.replication.stream import ReplicationStream
from bluegreen.steps.action import Action, Result
from bluegreen.steps.replication.identities import remember
from bluegreen.steps.schema_change.stream import started_on_failure
from bluegreen.steps.world import World

OURS = "bluegreen_key_"
"""How the indexes begin that we make."""


@dataclass(frozen=True, slots=True)
class Pin:
    """What a table of green is to be known by.

    Attributes:
        index: a unique index over `columns`; empty where the whole row is the key.
        make: the index is not there yet.
    """

    schema: str
    table: str
    columns: tuple[str, ...] = ()
    index: str = ""
    make: bool = False

    def __str__(self) -> str:
        by = ", ".join(self.columns) if self.index else "the whole row"
        return f"{self.schema}.{self.table} by {by}"


class PinGreenIdentity(Action[tuple[Pin, ...]]):
    """Every table of green is known by the key that blue has.

    Crash: one statement a table; the next run does the others. The stream rests.
    """

    title = "green's rows are found by blue's keys"

    def observe(self, world: World) -> tuple[Pin, ...]:
        """Tables that the stream feeds and that have another key on green."""
        name = ReplicationStream(world.name, Side.BLUE).name
        fed = subscribed_tables(world.green, name)
        green = [r for r in read_relations(world.green) if (r.schema, r.name) in fed]
        return pins(read_relations(world.blue), green)

    def judge(self, facts: tuple[Pin, ...]) -> Verdict:
        """What cannot be pinned is for `compat` to refuse."""
        if facts:
            return Needed("; ".join(map(str, facts)))
        return Satisfied("the keys of both sides fit")

    def act(self, world: World, facts: tuple[Pin, ...]) -> Result:
        """Make what index is missing, and set the identities."""
        green = {r.qualified: r for r in read_relations(world.green)}
        with started_on_failure(world, self.id.partition("/")[0]):
            for pin in facts:
                made = "i" if pin.index else "f"
                tables = [green[pin.schema, pin.table]]
                remember(world, self.id, Side.GREEN, tables, made)
                _set(world, pin)
        return {"tables": [str(pin) for pin in facts]}

    def undo(self, world: World, facts: tuple[Pin, ...]) -> None:
        """Back to the primary key on tables that rest on an index of ours."""
        for relation in read_relations(world.green):
            for index in relation.indexes:
                if index.name.startswith(OURS):
                    set_identity_default(world.green, relation.schema, relation.name)
                    drop_key_index(world.green, relation.schema, index.name)


def _set(world: World, pin: Pin) -> None:
    if not pin.index:
        set_identity_full(world.green, pin.schema, pin.table)
        return
    if pin.make:
        make_key_index(world.green, pin.schema, pin.table, pin.index, pin.columns)
    set_identity_index(world.green, pin.schema, pin.table, pin.index)


def pins(blue: Iterable[Relation], green: Iterable[Relation]) -> tuple[Pin, ...]:
    """What has to be pinned, and by what, as far as it can be. Pure."""
    here = {(r.schema, r.name): r for r in blue}
    found = (
        _pin(here[(r.schema, r.name)], r)
        for r in green
        if (r.schema, r.name) in here and r.kind == "table"
    )
    return tuple(pin for pin in found if pin is not None)


def _pin(blue: Relation, green: Relation) -> Pin | None:
    key = blue.found_by
    if not key:
        return _whole_row(blue, green)
    if fits(blue, green):
        return None
    columns = {c.name: c for c in green.columns}
    for index in green.indexes:
        if index.usable and set(index.columns) == set(key):
            return Pin(green.schema, green.name, key, index.name)
    if all(name in columns and columns[name].not_null for name in key):
        name = OURS + hashlib.sha256(green.full_name.encode()).hexdigest()[:12]
        return Pin(green.schema, green.name, key, name, make=True)
    return None


def _whole_row(blue: Relation, green: Relation) -> Pin | None:
    """Blue finds rows by all of their columns, so green must send all of them.

    Green's own key may stay what rows are found by over there, if blue sends it.
    """
    if blue.replica_identity != "f" or green.replica_identity == "f":
        return None
    sent = {column.name for column in blue.columns}
    extra = {column.name for column in green.columns if not column.generated} - sent
    if extra or not set(green.primary_key) <= sent:
        return None
    return Pin(green.schema, green.name)


def fits(blue: Relation, green: Relation) -> bool:
    """Whether each side sends all that the other looks for."""
    ours, theirs = set(green.found_by), set(blue.found_by)
    sent = set(blue.identity_columns)
    return bool(ours) and ours <= sent and theirs <= set(green.identity_columns)

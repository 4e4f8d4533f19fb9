"""What the playbook means to do, as far as the looks must know it.

Owns which objects count as ours, too, so that a check later in the life of a pair does
not take our own for strangers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from bluegreen.model.side import Side
from bluegreen.postgres.catalog.server_facts import ServerFacts
from bluegreen.postgres.replication.stream import ReplicationStream
from bluegreen.steps.monitors.limits import WAL_LIMIT


@dataclass(frozen=True, slots=True)
class Intent:
    """Taken from the playbook.

    Attributes:
        name: the playbook's; our slots, publications and subscriptions carry it.
        exclude: tables that stay behind, `schema.table`.
        left_out: objects that are not made on green, as messages name them.
        identity_full: tables that may get REPLICA IDENTITY FULL.
        identity_index: indexes that become their table's, `schema.index`.
        workers: how many tables the initial copy takes at once.
        max_transaction_age: how long a writing transaction may be open.
        copied: green has blue's schema from us, so it may hold tables and rows.
        wal_limit: bytes of WAL that a slot of ours may keep before the monitor speaks.
        window: how long rollback is to be promised after the cutover.
    """

    name: str
    exclude: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    identity_full: tuple[str, ...] = ()
    identity_index: tuple[str, ...] = ()
    workers: int = 4
    max_transaction_age: timedelta = timedelta(minutes=5)
    copied: bool = False
    wal_limit: int = WAL_LIMIT
    window: timedelta = timedelta(hours=24)

    def is_ours(self, object_name: str) -> bool:
        """Whether a slot, publication or subscription is of this playbook."""
        return any(
            object_name == ReplicationStream(self.name, side).name for side in Side
        )

    def gives(self, facts: ServerFacts) -> bool:
        """Whether this side already has a slot of ours: a stream goes out of it."""
        return any(self.is_ours(slot.name) for slot in facts.streams.slots)

    def takes(self, facts: ServerFacts) -> bool:
        """Whether this side already has a subscription of ours."""
        return any(self.is_ours(s.name) for s in facts.streams.subscriptions)


def listed(names: Iterable[str], most: int = 5) -> str:
    """`a, b, c, d, e and 12 more`."""
    every = list(names)
    rest = len(every) - most
    text = ", ".join(every[:most])
    return f"{text} and {rest} more" if rest > 0 else text


def peer_of(facts: ServerFacts, blue: ServerFacts, green: ServerFacts) -> ServerFacts:
    """The other side's facts."""
    return green if facts.side is Side.BLUE else blue


def clients_of(facts: ServerFacts) -> frozenset[str]:
    """Roles that mean something to the database, ours only where clients use it too.

    What our own role needs is looked at apart.
    """
    shared = any(one.role == facts.rights.role for one in facts.clients)
    return frozenset(
        role.name
        for role in facts.roles
        if role.used and (shared or role.name != facts.rights.role)
    )

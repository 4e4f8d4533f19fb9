"""The slots of table copies that ended before their time.

Owns finding and dropping them. While a subscription copies a table, its worker has a
slot of its own on the publisher, `pg_<subscription>_sync_<table>_<system>`
(ReplicationSlotNameForTablesync in PostgreSQL's tablesync.c). A subscription that is
dropped without its slot leaves them, and they keep WAL for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from psycopg import sql

from bluegreen.model.clock import Clock
from bluegreen.postgres.database import Database
from bluegreen.postgres.replication.stream import drop_slot


@dataclass(frozen=True, slots=True)
class SyncSlots:
    """Those of one subscription.

    Attributes:
        subscription: its OID; 0 where there is none.
        system: the subscriber's system identifier.
    """

    subscription: int
    system: str

    @classmethod
    def of(cls, subscriber: Database, name: str) -> Self:
        """Ask the subscriber, while the subscription is there."""
        rows = subscriber.rows(_SUBSCRIPTION, (name,))
        return cls(int(rows[0][0]), str(rows[0][1])) if rows else cls(0, "")

    def drop(self, publisher: Database, clock: Clock) -> list[str]:
        """Drop what is left of them, once no worker copies; returns their names."""
        fits = rf"^pg_{self.subscription}_sync_\d+_{self.system}$"
        names = [str(row[0]) for row in publisher.rows(_SLOTS, (fits,))]
        for name in names:
            drop_slot(publisher, name, clock)
        return names


_SUBSCRIPTION = sql.SQL(
    "SELECT s.oid::bigint, c.system_identifier"
    " FROM pg_subscription s, pg_control_system() c WHERE s.subname = %s"
    " AND s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_SLOTS = sql.SQL(
    "SELECT slot_name FROM pg_replication_slots WHERE slot_name ~ %s"
    " AND database = current_database() ORDER BY 1"
)

"""What the playbook lets pass, as a value. Owns its fields and defaults."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from bluegreen.model.accept import Accepted
from bluegreen.model.exclude import Excluded, is_object

WAL_LIMIT = 10 * 1024**3
"""Bytes. Free disk cannot be seen by SQL; ten times the default max_wal_size leaves
room on most disks, and `check` prints it so that a person looks."""

NEVER_ACCEPTED = frozenset({"heartbeats", "stream"})
"""What these find is lost data, which no word in a playbook brings back."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is too much, and what may be found all the same.

    Attributes:
        wal_limit: bytes of WAL that a slot of ours may keep on a server.
        max_lag: how long a heartbeat may be on its way before it is said.
        long_transaction: how long a transaction may be open before it is said.
        accept: findings that the playbook accepts.
        exclude: tables that the playbook leaves out of the stream, `schema.table`.
        excluded: every entry of `exclude`, of either kind.
        window: how long rollback is to be promised after the cutover.
    """

    wal_limit: int = WAL_LIMIT
    max_lag: timedelta = timedelta(minutes=1)
    long_transaction: timedelta = timedelta(minutes=5)
    accept: tuple[Accepted, ...] = ()
    exclude: tuple[str, ...] = ()
    excluded: tuple[Excluded, ...] = ()
    window: timedelta = timedelta(hours=24)

    @property
    def left_out(self) -> tuple[str, ...]:
        """Names of objects that are not made on green."""
        return tuple(one.name for one in self.excluded if is_object(one.name))

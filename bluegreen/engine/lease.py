"""The lease: one operator at a time, on both sides.

Owns the order in which the sides are taken and the refusal that names the holder. The
lock itself is in `postgres/journal/lease.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from datetime import timedelta
from types import TracebackType
from typing import Self

from bluegreen.model.codes import Code
from bluegreen.model.duration import format_duration
from bluegreen.model.errors import LeaseRefused
from bluegreen.model.side import Side
from bluegreen.postgres.database import Database
from bluegreen.postgres.journal.lease import (
    Holder,
    LockSession,
    read_holder,
    read_holders,
)

ANSWER_WITHIN = timedelta(seconds=1)
"""A side that has not confirmed the lease by then counts as lost: half of the default
pause, and far above a round trip."""


class Lease:
    """Held from `with` to its end, or until a session of it is lost.

    Blue is always taken first, so that two operators never hold one side each; green
    alone once blue was released and is gone.

    Raises:
        LeaseRefused: 8001; another holds it, with name, address and age.
    """

    def __init__(self, *databases: Database) -> None:
        self._databases = databases
        self._sessions: list[LockSession] = []
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for database in self._databases:
                session = LockSession(database)
                stack.callback(session.close)
                if not session.try_lock():
                    held = read_holders(database)
                    raise _refusal(database, held[0] if held else None)
                self._sessions.append(session)
            self._open = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._sessions.clear()
        self._open.close()

    @property
    def sessions(self) -> Mapping[Side, int]:
        """The process on each side's server that holds it."""
        return {one.database.side: one.pid for one in self._sessions}

    def still_held(self, within: timedelta = ANSWER_WITHIN) -> bool:
        """Whether both servers confirm it now. No answer is a no."""
        return bool(self._sessions) and all(
            session.still_held(within) for session in self._sessions
        )

    def require_held(self) -> None:
        """Stop unless both servers confirm it now; called right before an act.

        Raises:
            LeaseRefused: 8001.
        """
        lost = [s.database for s in self._sessions if not s.still_held(ANSWER_WITHIN)]
        if lost or not self._sessions:
            names = " and ".join(database.describe() for database in lost)
            raise LeaseRefused(
                Code.LEASE_HELD,
                "the lease is not held any more",
                seen=f"{names or 'neither side'} does not confirm it within "
                f"{format_duration(ANSWER_WITHIN)}",
                wanted="this run's session holds the lease on both sides",
                hint="did the network or a server break? Look at `bluegreen status`, "
                "then run again",
            )


def require_free(database: Database) -> None:
    """Stop while an operator holds the lease; for who only looks and takes nothing.

    Raises:
        LeaseRefused: 8001; another holds it, with name, address and age.
    """
    if (holder := read_holder(database)) is not None:
        raise _refusal(database, holder)


def _refusal(database: Database, holder: Holder | None) -> LeaseRefused:
    who = describe_holder(holder) if holder else "no one now; it was held a moment ago"
    seen = f"on {database.describe()}: {who}"
    if holder is not None and not holder.name.startswith("bluegreen "):
        return _held_by_a_stranger(database, holder, seen)
    return LeaseRefused(
        Code.LEASE_HELD,
        "another operator holds the lease",
        seen=seen,
        wanted="one operator at a time",
        hint="ask them, or wait until that run has ended; its session going away "
        "frees the lease by itself",
    )


def _held_by_a_stranger(database: Database, holder: Holder, seen: str) -> LeaseRefused:
    return LeaseRefused(
        Code.LEASE_HELD,
        "another session holds the lease's lock",
        seen=seen,
        wanted="one operator at a time; the advisory lock (7331, 1) is for bluegreen",
        hint="what is that session? When it is none of bluegreen, give its program "
        f"another lock, or end it on {database.side} by "
        f"`SELECT pg_terminate_backend({holder.pid})`, then run again",
    )


def describe_holder(holder: Holder) -> str:
    """`'bluegreen run db1 812', from 10.0.0.9, since 2026-05-04 01:02:03 UTC (3 s)`."""
    parts = [repr(holder.name)]
    if not holder.name.startswith("bluegreen ") and holder.pid is not None:
        parts = [f"process {holder.pid}", f"role {holder.role}", *parts]
    if holder.address:
        parts.append(f"from {holder.address}")
    if holder.since is not None and holder.age is not None:
        age = format_duration(holder.age)
        parts.append(f"since {holder.since:%Y-%m-%d %H:%M:%S} UTC ({age})")
    return ", ".join(parts)

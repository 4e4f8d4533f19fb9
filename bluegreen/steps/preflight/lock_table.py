"""Looks at whether both lock tables hold what a copy of the schema takes. Pure.

Green makes every relation of blue in one transaction, and blue's tables are dumped and
published each in one. Once a lock table is full every statement that needs one more
lock fails with 53200, those of clients too.
"""

from __future__ import annotations

from collections.abc import Iterator

from bluegreen.model.finding import Finding, checked
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.server_facts import ServerFacts
from bluegreen.steps.preflight.intent import Intent

SLACK = 2_000
"""Locks that found room beyond the table's own size, in what was left of the shared
memory: 1,200 on 15 and 1,600 to 1,800 on 18. No server promises them."""

_PER_BACKEND = 64
"""The server's default, and the step in which more is proposed."""


def check_lock_tables(
    blue: ServerFacts, green: ServerFacts, intent: Intent
) -> Iterator[Finding]:
    """Both, until the schema is copied."""
    if intent.copied:
        return
    yield from _check(blue, blue.contents.lockable, "dumping and publishing them")
    yield from _check(green, blue.contents.relations, "making them on green")


def _check(facts: ServerFacts, relations: int, what: str) -> Iterator[Finding]:
    room = _room(facts)
    if relations <= room:
        return
    each = facts.settings.number("max_locks_per_transaction") or _PER_BACKEND
    backends = room / each
    enough = -(-relations // int(backends * _PER_BACKEND)) * _PER_BACKEND
    kind = "tables, views and sequences" if facts.side is Side.BLUE else "relations"
    yield checked(
        "lock-table-small",
        facts.side,
        f"blue has {relations:,} {kind}: {what} takes a lock for each in one "
        f"transaction, and the lock table is made for {room:,}",
        "once it is full, statements end with `out of shared memory` (53200), those of "
        "clients too",
        f"ALTER SYSTEM SET max_locks_per_transaction = {enough}; -- then restart the "
        "server",
        blocks=relations > room + SLACK,
    )


def _room(facts: ServerFacts) -> int:
    """Locks that the table is made for; MaxBackends of PostgreSQL's postinit.c."""
    names = (
        *("max_connections", "max_prepared_transactions", "max_wal_senders"),
        *("autovacuum_max_workers", "max_worker_processes"),
    )
    backends = 1 + sum(facts.settings.number(name) or 0 for name in names)
    each = facts.settings.number("max_locks_per_transaction") or _PER_BACKEND
    return int(backends * each)

"""Looks at whether green takes the connections that poolers may open to it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bluegreen.model.finding import Finding, checked
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.server_facts import ServerFacts
from bluegreen.steps.preflight.intent import Intent

_OURS = 10
"""Sessions of ours in a move, the guard's among them, with some to spare."""

_RESERVED = ("superuser_reserved_connections", "reserved_connections")

_LIMITS = (
    "max_connections",
    "max_prepared_transactions",
    "max_locks_per_transaction",
    "max_worker_processes",
)
"""What a server has room for; each takes a restart."""


def check_limits(blue: ServerFacts, green: ServerFacts, _: Intent) -> Iterator[Finding]:
    """Green was given less than blue; whether that is enough, a person knows."""
    lower = [
        (name, int(here), int(there))
        for name in _LIMITS
        if (here := blue.settings.number(name)) is not None
        and (there := green.settings.number(name)) is not None
        and there < here
    ]
    if not lower:
        return
    yield checked(
        "limits-lower",
        Side.GREEN,
        "; ".join(f"{name} is {there}, {here} on blue" for name, here, there in lower),
        "what fits on blue may be refused by green: sessions, prepared transactions, "
        "locks of one transaction over many tables, workers",
        " ".join(f"ALTER SYSTEM SET {name} = {here};" for name, here, _ in lower)
        + " -- then restart the server",
    )


def check_connections(
    blue: ServerFacts, green: ServerFacts, pools: Mapping[str, int]
) -> Iterator[Finding]:
    """Poolers that may fill green, where blue has more room for them.

    `pools` has the connections that each pointer may open, by its id.
    """
    wanted, room = sum(pools.values()) + _OURS, _room(green)
    if wanted <= room or room >= _room(blue):
        return
    reserved = sum(green.settings.number(name) or 0 for name in _RESERVED)
    each = ", ".join(f"{name} {count}" for name, count in sorted(pools.items()))
    yield checked(
        "connections-few",
        Side.GREEN,
        f"green takes {room} connections of ordinary roles, blue {_room(blue)}; the "
        f"poolers may open {sum(pools.values())} ({each}), and we need {_OURS}",
        "clients are refused once green is full, and so are we: no rollback while "
        "no client leaves",
        f"ALTER SYSTEM SET max_connections = {int(wanted + reserved)}; -- then restart "
        "the server; or lower pool_size or max_db_connections of the poolers",
        blocks=True,
    )


def _room(facts: ServerFacts) -> int:
    most = facts.settings.number("max_connections") or 0
    return int(most - sum(facts.settings.number(name) or 0 for name in _RESERVED))

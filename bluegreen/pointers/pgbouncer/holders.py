"""Who holds up a PAUSE, and who else is about to PAUSE. Pure.

From SHOW SERVERS and SHOW CLIENTS.
"""

from __future__ import annotations

from collections.abc import Collection

from bluegreen.pointers.pointer import MOVE, is_of
from bluegreen.pointers.simple_query import Row

LOGIN_STATES = frozenset({"new", "login"})
"""Server connections that are not ready yet; SHOW SERVERS says `new` up to 1.25."""

FREE_STATES = LOGIN_STATES | {"idle", "used"}
"""Server connections that PAUSE closes by itself; any other state counts as in use
(`per_loop_pause` in janitor.c waits for active and tested ones)."""

_NAMED = 5  # more than that are not looked up one by one


def in_use(servers: list[Row], database: str) -> list[Row]:
    """The server connections of an entry that carry something."""
    return [
        row
        for row in servers
        if row["database"] == database and row["state"] not in FREE_STATES
    ]


def logging_in(servers: list[Row], database: str) -> bool:
    """Whether the pool of an entry is opening a server connection."""
    return any(
        row["database"] == database and row["state"] in LOGIN_STATES for row in servers
    )


def younger_moves(clients: list[Row], ours: Collection[str]) -> list[str]:
    """Names of the moves whose console sessions were opened after ours.

    SHOW CLIENTS tells the application_name since 1.18. Where no session of ours is left
    the pooler was started again, without our PAUSE; then any other is younger.
    """
    moves = [
        (row["connect_time"] or "", name)
        for row in clients
        if (name := row.get("application_name") or "").startswith(f"{MOVE} ")
    ]
    began = min((at for at, name in moves if is_of(name, ours)), default="")
    return [name for at, name in moves if not is_of(name, ours) and at > began]


def name_holders(busy: list[Row], clients: list[Row]) -> str:
    """One line for each transaction: the client, and the pid on the server."""
    by_pointer = {row["ptr"]: row for row in clients}
    lines = [_holder(server, by_pointer.get(server["link"])) for server in busy]
    more = len(lines) - _NAMED
    if more > 0:
        lines[_NAMED:] = [f"and {more} more"]
    return "\n".join([f"{len(busy)} open transactions hold it up", *lines])


def _holder(server: Row, client: Row | None) -> str:
    pid = f"server pid {server['remote_pid']}, user {server['user']}"
    if client is None:
        return f"{pid}, no client"
    name = client.get("application_name")
    return (
        f"{pid}, client {client['addr']}:{client['port']}"
        + (f" ({name})" if name else "")
        + f", since {client['request_time']}"
    )

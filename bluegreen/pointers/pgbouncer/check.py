"""What about a PgBouncer would hurt a move, and how to fix it. Pure.

Owns the findings and their reasons; looking is for `pointer.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bluegreen.model.finding import Finding, checked
from bluegreen.model.side import Side
from bluegreen.pointers.pgbouncer.address import Address
from bluegreen.pointers.simple_query import Row

LOGIN_RETRY_S = 1.0
"""A server connection that PAUSE catches in its login stalls the pool for
`server_login_retry`: 15.1 s measured at the default of 15, 1.3 s at 1."""

RETRY_WITH_MINIMUM_S = 0.1
"""With `min_pool_size` a login starts in every longer pause (`check_pool_size` in
janitor.c, 1.18 to 1.25, looks at a PAUSE of all databases only)."""

SHORTEST_WAIT_S = 5.0
"""`query_wait_timeout` ends clients that wait; a pause must fit in twice."""

OLDEST = (1, 18)
"""The oldest PgBouncer that this was tried with."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What the console of a pooler said.

    Attributes:
        may_pause: whether its user has the admin right.
        by_socket: whether it is reached by a Unix socket.
        peers: rows of SHOW PEERS by their number, itself among them.
        beside: the processes of the other pointers.
    """

    where: str
    database: str
    may_pause: bool
    by_socket: bool
    user: str
    config: Mapping[str, str]
    databases: list[Row]
    pools: list[Row]
    version: str
    peers: Mapping[str, Row] = field(default_factory=dict)
    beside: frozenset[object] = frozenset()


def most_connections(row: Row, users: int) -> int:
    """Server connections that an entry may have, by its row of SHOW DATABASES.

    Each user has a pool of its own; `max_db_connections` is shown as the entry's.
    """
    reserve = row.get("reserve_pool_size") or row.get("reserve_pool")
    each = int(row["pool_size"] or 0) + int(reserve or 0)
    most = max(users, 1) * each
    limit = int(row.get("max_connections") or 0)
    return min(most, limit) if limit else most


def pooler_findings(survey: Survey, addresses: Mapping[Side, Address]) -> list[Finding]:
    """Judge the running pooler."""
    [row] = [row for row in survey.databases if row["name"] == survey.database]
    return [
        *_right(survey),
        *_pooling(survey, row),
        *_times(survey, row),
        *_process(survey),
        *_target(survey, row, addresses),
        *_neighbours(survey, row),
    ]


def _right(survey: Survey) -> Iterator[Finding]:
    if not survey.may_pause:
        yield checked(
            "console-without-admin-right",
            survey.where,
            f"user {survey.user or '(none named)'} may only look",
            "PAUSE, RELOAD and RESUME need the admin right",
            "add the user to admin_users in [pgbouncer], then RELOAD",
            blocks=True,
        )


def _pooling(survey: Survey, row: Row) -> Iterator[Finding]:
    seen = []
    if (row["pool_mode"] or survey.config["pool_mode"]) == "session":
        seen.append(f"entry {survey.database} pools by session")
    seen += [
        f"user {pool['user']} of {survey.database} pools by session"
        for pool in survey.pools
        if pool["database"] == survey.database and pool["pool_mode"] == "session"
    ]
    if seen:
        yield checked(
            "session-pooling",
            survey.where,
            "; ".join(seen),
            "PAUSE would wait until every client has left",
            "set pool_mode = transaction for this entry and its users",
            blocks=True,
        )


def _times(survey: Survey, row: Row) -> Iterator[Finding]:
    retry = survey.config["server_login_retry"]
    if float(retry) > LOGIN_RETRY_S:
        yield checked(
            "login-retry-too-long",
            survey.where,
            f"server_login_retry = {retry}",
            "a login that PAUSE interrupts stalls the pool for that many seconds, and "
            "clients get `server login has been failing`",
            "set server_login_retry = 0.1 in [pgbouncer], at most 1, then RELOAD",
            blocks=True,
        )
    if int(row.get("min_pool_size") or 0) and float(retry) > RETRY_WITH_MINIMUM_S:
        yield checked(
            "minimum-logs-in-while-paused",
            survey.where,
            f"min_pool_size = {row['min_pool_size']}, server_login_retry = {retry}",
            "PgBouncer fills a paused pool too, once a second, and PAUSE interrupts "
            "that login: the first clients may wait server_login_retry longer",
            "set server_login_retry = 0.1 in [pgbouncer], then RELOAD",
        )
    wait = survey.config["query_wait_timeout"]
    if float(wait) == 0:
        yield checked(
            "query-wait-endless",
            survey.where,
            "query_wait_timeout = 0",
            "where the tool and its guard both die in the pause, as in a power cut, "
            "clients wait for ever, until RESUME or the next run",
            "set query_wait_timeout = 120 in [pgbouncer], then RELOAD",
        )
    if 0 < float(wait) < SHORTEST_WAIT_S:
        yield checked(
            "query-wait-too-short",
            survey.where,
            f"query_wait_timeout = {wait}",
            "clients that wait longer than that in the pause are disconnected",
            f"set query_wait_timeout to {SHORTEST_WAIT_S:.0f} or more, then RELOAD",
            blocks=True,
        )


def _process(survey: Survey) -> Iterator[Finding]:
    if survey.config.get("so_reuseport", "0") != "0" and not survey.by_socket:
        yield checked(
            "console-of-many-processes",
            survey.where,
            "so_reuseport = 1, and the console is reached over TCP",
            "several processes share the port, and each session reaches any of them",
            "give every process as a pointer of its own, by its Unix socket",
            blocks=True,
        )
    others = _others(survey)
    if others and not survey.beside:
        yield checked(
            "process-without-pointer",
            survey.where,
            f"{others}, and no other pointer names a process",
            "clients that another process serves would stay on the side that is left, "
            "where every write is refused",
            "give each process as a pointer of its own, by its Unix socket; where this "
            "is the only one: accept process-without-pointer",
            blocks=True,
        )
    number = re.search(r"(\d+)\.(\d+)", survey.version)
    if number is None or tuple(map(int, number.groups())) < OLDEST:
        yield checked(
            "pooler-version-untried",
            survey.where,
            survey.version,
            "a move was never tried with this version",
            "rehearse with it first, or bring PgBouncer to 1.18 or later",
        )


def _others(survey: Survey) -> str:
    """Why this may not be the only process that serves these clients."""
    own = survey.config.get("peer_id", "0")
    if peers := [number for number in survey.peers if number != own]:
        return f"{len(peers)} peers beside it in [peers]"
    shared = survey.config.get("so_reuseport", "0") != "0" and survey.by_socket
    return "so_reuseport = 1" if shared else ""


def _target(
    survey: Survey, row: Row, addresses: Mapping[Side, Address]
) -> Iterator[Finding]:
    seen = Address.of_row(row)
    if seen not in addresses.values():
        known = ", ".join(f"{side} {at}" for side, at in addresses.items())
        yield checked(
            "pointer-names-neither",
            survey.where,
            f"entry {survey.database} leads to {seen}; the playbook says {known}",
            "a move must know which side it leaves",
            "write `blue:` and `green:` of the pointer just as the ini writes them",
            blocks=True,
        )
    for column in ("paused", "disabled"):
        if row[column] != "0":
            yield checked(
                f"entry-{column}",
                survey.where,
                f"entry {survey.database} is {column}",
                "its clients are held back already",
                "find out who did that; then RESUME or ENABLE it on the console",
                blocks=True,
            )
    if row["force_user"]:
        yield checked(
            "entry-forces-user",
            survey.where,
            f"entry {survey.database} logs in as {row['force_user']}",
            "that role, with its password and rights, must be on green too",
        )


def _neighbours(survey: Survey, row: Row) -> Iterator[Finding]:
    others = [
        str(other["name"])
        for other in survey.databases
        if other["name"] != survey.database
        and Address.of_row(other) == Address.of_row(row)
    ]
    if others:
        yield checked(
            "other-entries-stay",
            survey.where,
            f"{', '.join(others)} lead to the same database",
            "their clients stay behind and get errors from the fence",
            "give each of them as a pointer of its own, or move their clients",
        )

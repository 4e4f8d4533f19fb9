"""What goes on in a server now: open and prepared transactions, clients.

Owns reading it. Sessions of ours, known by their application_name, are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from bluegreen.postgres.database import Database


@dataclass(frozen=True, slots=True)
class OpenTransaction:
    """A client's transaction that is open now.

    Attributes:
        client: `role@address, application`.
        age_s: since its BEGIN, by the server's clock.
        writes: it has a transaction id, so it changed something or locked rows.
        here: it is in this database.
    """

    pid: int
    client: str
    age_s: float
    writes: bool
    here: bool = True


@dataclass(frozen=True, slots=True)
class PreparedTransaction:
    """A transaction that waits for COMMIT PREPARED.

    Attributes:
        here: it is in this database; it can be ended from there only.
    """

    gid: str
    database: str
    owner: str
    age_s: float
    here: bool = True


@dataclass(frozen=True, slots=True)
class Clients:
    """Sessions of one role from one address."""

    address: str
    role: str
    count: int


def read_open_transactions(database: Database) -> tuple[OpenTransaction, ...]:
    """Open transactions of the whole server, oldest first.

    Of other databases only those that write: the creation of a logical slot waits for
    these as well. A role without pg_read_all_stats sees only its own.
    """
    return tuple(OpenTransaction(*row) for row in database.rows(_OPEN))


def read_prepared_transactions(database: Database) -> tuple[PreparedTransaction, ...]:
    """Prepared transactions of the whole server, oldest first."""
    return tuple(PreparedTransaction(*row) for row in database.rows(_PREPARED))


def read_clients(database: Database) -> tuple[Clients, ...]:
    """Who is connected to this database, besides us."""
    return tuple(Clients(*row) for row in database.rows(_CLIENTS))


_OPEN = sql.SQL(
    """
    SELECT a.pid, a.usename || '@' || coalesce(host(a.client_addr), 'local')
            || coalesce(', ' || nullif(a.application_name, ''), ''),
        extract(epoch FROM clock_timestamp() - a.xact_start)::float8,
        a.backend_xid IS NOT NULL, a.datname = pg_catalog.current_database()
    FROM pg_catalog.pg_stat_activity a
    WHERE a.backend_type = 'client backend' AND a.xact_start IS NOT NULL
        AND a.pid <> pg_catalog.pg_backend_pid()
        AND NOT starts_with(a.application_name, 'bluegreen ')
        AND (a.backend_xid IS NOT NULL OR a.datname = pg_catalog.current_database())
    ORDER BY a.xact_start
    """
)

_PREPARED = sql.SQL(
    """
    SELECT gid, database, owner,
        extract(epoch FROM clock_timestamp() - prepared)::float8,
        database = pg_catalog.current_database()
    FROM pg_catalog.pg_prepared_xacts ORDER BY prepared
    """
)

_CLIENTS = sql.SQL(
    """
    SELECT coalesce(host(a.client_addr), 'local socket'), a.usename, count(*)
    FROM pg_catalog.pg_stat_activity a
    WHERE a.backend_type = 'client backend'
        AND a.datname = pg_catalog.current_database()
        AND a.pid <> pg_catalog.pg_backend_pid()
        AND NOT starts_with(a.application_name, 'bluegreen ')
    GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2
    """
)

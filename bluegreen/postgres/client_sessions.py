"""Sessions of clients in a database: who has them, and ending them.

Owns whose a session is: ours, known by their application_name, and those that carry
replication are left alone. When they are ended is for the steps.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from bluegreen.postgres.database import Database


@dataclass(frozen=True, slots=True)
class ClientSessions:
    """Sessions of one application, as one role, from one address."""

    address: str
    role: str
    application: str
    count: int

    def __str__(self) -> str:
        name = f" ({self.application})" if self.application else ""
        return f"{self.count} of {self.role} from {self.address}{name}"


def read_client_sessions(database: Database) -> tuple[ClientSessions, ...]:
    """Who is connected to this database, most sessions first."""
    return tuple(ClientSessions(*row) for row in database.rows(_READ))


def end_client_sessions(database: Database) -> tuple[ClientSessions, ...]:
    """End them; what is given are those that were ended.

    A superuser's session is ended by a superuser alone; it stays otherwise.
    """
    return tuple(ClientSessions(*row) for row in database.rows(_END))


_OF_CLIENTS = sql.SQL(
    """
    FROM pg_catalog.pg_stat_activity a
    WHERE a.backend_type = 'client backend'
        AND a.datname = pg_catalog.current_database()
        AND a.pid <> pg_catalog.pg_backend_pid()
        AND NOT starts_with(a.application_name, 'bluegreen ')
    """
)
_GROUPED = sql.SQL(
    """
    SELECT coalesce(host(s.client_addr), 'local socket'), s.usename,
        s.application_name, count(*)
    FROM s {} GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3
    """
)
_READ = sql.SQL("WITH s AS (SELECT a.* {}) {}").format(
    _OF_CLIENTS, _GROUPED.format(sql.SQL(""))
)
# Materialized: the function must run once for each session, whatever is grouped.
_END = sql.SQL(
    """
    WITH s AS MATERIALIZED (
        SELECT a.client_addr, a.usename, a.application_name,
            pg_catalog.pg_terminate_backend(a.pid) AS ended
        {} AND EXISTS (
            SELECT FROM pg_catalog.pg_roles me, pg_catalog.pg_roles r
            WHERE me.rolname = current_user AND r.oid = a.usesysid
                AND (me.rolsuper OR NOT r.rolsuper))
    ) {}
    """
).format(_OF_CLIENTS, _GROUPED.format(sql.SQL("WHERE s.ended")))

"""Who is connected to a side's database. Owns telling our sessions from others."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from bluegreen.postgres.database import Database


@dataclass(frozen=True, slots=True)
class ClientSession:
    """A session that is not ours."""

    pid: int
    user: str
    program: str
    address: str

    def __str__(self) -> str:
        where = f" from {self.address}" if self.address else ""
        return f"pid {self.pid}: {self.user}, {self.program or 'no name'}{where}"


def read_clients(database: Database) -> tuple[ClientSession, ...]:
    """Client sessions of this database that are not ours.

    Ours are those with our label as the first word of application_name, under our own
    role, so that a name alone makes no session ours. Without pg_monitor the server
    keeps the kind of a stranger's session to itself; it counts as a client then.
    """
    rows = database.rows(
        sql.SQL(
            "SELECT pid, coalesce(usename, ''), coalesce(application_name, ''),"
            " coalesce(client_addr::text, '') FROM pg_stat_activity"
            " WHERE datname = current_database()"
            " AND coalesce(backend_type, 'client backend') = 'client backend'"
            " AND pid <> pg_backend_pid() AND NOT (usename = session_user"
            " AND split_part(application_name, ' ', 1) = split_part(%s, ' ', 1))"
            " ORDER BY backend_start"
        ),
        (database.label,),
    )
    return tuple(ClientSession(*row) for row in rows)

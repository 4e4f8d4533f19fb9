"""Who a database is, by what the server says and never by a name in a file.

Owns the identity row, the server's own identifiers, and the pass that lets our own
sessions through the fence.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from psycopg import sql

from bluegreen.model.codes import Code
from bluegreen.model.errors import ServerRefused
from bluegreen.model.secret import Secret
from bluegreen.postgres.database import Database


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes a database itself.

    Attributes:
        side: the colour it was set up as; empty where our schema is missing.
        id: the random identity row; empty where our schema is missing.
        playbook: the playbook it was set up by.
        system: the cluster's system identifier; a physical copy has the same one.
        database_oid: the database's OID in its cluster.
        timeline: raised by every failover of the cluster.
    """

    side: str
    id: str
    playbook: str
    system: int
    database_oid: int
    timeline: int


def read_identity(database: Database) -> Identity:
    """Ask the server who it is."""
    system, oid, timeline, built = database.rows(
        sql.SQL(
            "SELECT s.system_identifier, d.oid::bigint, c.timeline_id,"
            " to_regclass('bluegreen.identity') IS NOT NULL"
            " FROM pg_control_system() s, pg_control_checkpoint() c, pg_database d"
            " WHERE d.datname = current_database()"
        )
    )[0]
    row = ("", "", "")
    if built:
        found = database.rows(
            sql.SQL("SELECT side, id::text, playbook FROM bluegreen.identity")
        )
        row = found[0] if found else row
    return Identity(*row, system=system, database_oid=oid, timeline=timeline)


def identity_of(database: Database) -> str:
    """The identity row's id; our schema must be there."""
    return str(database.value(sql.SQL("SELECT id::text FROM bluegreen.identity")))


def version_of(database: Database) -> str:
    """The server's version as it says it, e.g. `18.4 (Debian 18.4-1)`."""
    return str(database.value(sql.SQL("SELECT current_setting('server_version')")))


def require_pair(blue: Database, green: Database) -> None:
    """Refuse two names for one database.

    Raises:
        ServerRefused: 3002.
    """
    here, there = read_identity(blue), read_identity(green)
    same = (here.system, here.database_oid) == (there.system, there.database_oid)
    if same or (here.id and here.id == there.id):
        raise ServerRefused(
            Code.NOT_A_PAIR,
            "blue and green are the same database",
            seen=f"{blue.address} and {green.address} both say system "
            f"{here.system}, database {here.database_oid}",
            wanted="two databases",
            hint="give green a server or a database of its own in the playbook; "
            "was green made by a physical copy of blue? Then make it again with initdb",
        )


def require_own_sides(*databases: Database) -> None:
    """Refuse a database that was set up as the other side.

    Everything here acts on a side by its name: with the two addresses exchanged, blue's
    fence would be opened in the place of green's.

    Raises:
        ServerRefused: 3002.
    """
    for database in databases:
        identity = read_identity(database)
        if identity.side not in {"", str(database.side)}:
            raise other_side(database, identity.side, identity.playbook)


def other_side(database: Database, side: str, playbook: str) -> ServerRefused:
    """The refusal of a database that says that it is the other side."""
    return ServerRefused(
        Code.NOT_A_PAIR,
        f"the database given as {database.side} says that it is {side}",
        seen=f"{database.address} was set up as {side} by playbook {playbook!r}",
        wanted=f"a database that is {database.side}, or was never set up",
        hint="are `blue` and `green` exchanged in the playbook or the call? "
        "Nothing was touched",
    )


def issue_pass(database: Database) -> Secret:
    """Make a new token that opens this side's fence for sessions that carry it.

    A session carries it by `SET bluegreen.pass`; only its SHA-256 is stored.
    """
    token = Secret(secrets.token_urlsafe(24))
    digest = hashlib.sha256(token.reveal().encode()).digest()
    database.run(sql.SQL("UPDATE bluegreen.identity SET pass = %s"), (digest,))
    return token


def withdraw_pass(database: Database) -> None:
    """Let no token open this side's fence any more."""
    database.run(sql.SQL("UPDATE bluegreen.identity SET pass = NULL"))

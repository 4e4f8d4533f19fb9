"""Fresh databases on shared servers, and leaving nothing of them behind."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass

import psycopg
from psycopg import sql

from bluegreen.lab.server import Server
from tests.kit.wait import wait_until

_counter = itertools.count(1)


@dataclass(frozen=True)
class Database:
    """One database on a shared server."""

    server: Server
    name: str

    @property
    def major(self) -> int:
        return self.server.major

    def conninfo(self, user: str = "postgres") -> str:
        return self.server.conninfo(self.name, user)

    def connect(self, **keywords: object) -> psycopg.Connection:
        """A connection as postgres, in autocommit mode. Close it, or use `with`."""
        return psycopg.connect(
            self.conninfo(),
            autocommit=True,
            **keywords,  # type: ignore[arg-type]
        )

    def run(self, *statements: str) -> None:
        """Run statements of a test, one by one, each on its own."""
        with self.connect() as session:
            for statement in statements:
                session.execute(statement.encode())

    def rows(self, query: str, *parameters: object) -> list[tuple[object, ...]]:
        with self.connect() as session:
            return session.execute(query.encode(), parameters or None).fetchall()

    def value(self, query: str, *parameters: object) -> object:
        [(answer,)] = self.rows(query, *parameters)
        return answer


@dataclass(frozen=True)
class DatabasePair:
    """Blue and green, always on two servers."""

    blue: Database
    green: Database


def create_database(server: Server, label: str, name: str = "") -> Database:
    """Make an empty database with a name that no other test has, unless it is given."""
    name = name or f"{label}_{os.getpid()}_{next(_counter)}"
    with server.connect() as session:
        session.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(
                sql.Identifier(name)
            )
        )
    return Database(server, name)


def drop_databases(*databases: Database) -> None:
    """Remove databases with their subscriptions, slots and origins.

    Subscriptions go first on all of them: each may feed from another's slot.
    """
    for database in databases:
        database.server.start_again()
    for database in databases:
        _drop_subscriptions(database)
    for database in databases:
        _drop_slots(database)
        _roll_back_prepared(database)
        with database.server.connect() as session:
            session.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(
                    sql.Identifier(database.name)
                )
            )
    for database in databases:
        _drop_origins(database.server)


def _drop_subscriptions(database: Database) -> None:
    """Without their slots, which stand on the other side and may be gone."""
    with database.connect() as session:
        found = session.execute(
            "SELECT s.subname FROM pg_catalog.pg_subscription AS s"
            " JOIN pg_catalog.pg_database AS d ON d.oid = s.subdbid"
            " WHERE d.datname = pg_catalog.current_database()"
        ).fetchall()
        for (name,) in found:
            for words in (
                "ALTER SUBSCRIPTION {} DISABLE",
                "ALTER SUBSCRIPTION {} SET (slot_name = NONE)",
                "DROP SUBSCRIPTION {}",
            ):
                session.execute(sql.SQL(words).format(sql.Identifier(name)))


def _drop_slots(database: Database) -> None:
    with database.server.connect() as session:

        def all_dropped() -> bool:
            session.execute(
                "SELECT pg_catalog.pg_terminate_backend(active_pid)"
                " FROM pg_catalog.pg_replication_slots"
                " WHERE database = %s AND active",
                [database.name],
            )
            session.execute(
                "SELECT pg_catalog.pg_drop_replication_slot(slot_name)"
                " FROM pg_catalog.pg_replication_slots"
                " WHERE database = %s AND NOT active",
                [database.name],
            )
            left = session.execute(
                "SELECT 1 FROM pg_catalog.pg_replication_slots WHERE database = %s",
                [database.name],
            ).fetchall()
            return not left

        wait_until(all_dropped, f"slots of {database.name} to go")


def _roll_back_prepared(database: Database) -> None:
    with database.connect() as session:
        found = session.execute(
            "SELECT gid FROM pg_catalog.pg_prepared_xacts"
            " WHERE database = pg_catalog.current_database()"
        ).fetchall()
        for (gid,) in found:
            session.execute(sql.SQL("ROLLBACK PREPARED {}").format(sql.Literal(gid)))


def _drop_origins(server: Server) -> None:
    """Origins belong to the whole server; those of living subscriptions stay."""
    with server.connect() as session:
        session.execute(
            "SELECT pg_catalog.pg_replication_origin_drop(o.roname)"
            " FROM pg_catalog.pg_replication_origin AS o WHERE NOT EXISTS"
            " (SELECT FROM pg_catalog.pg_subscription AS s"
            "  WHERE o.roname = 'pg_' || s.oid::pg_catalog.text)"
        )


def recreate(database: Database) -> None:
    """Drop a database with its subscriptions and make an empty one in its place."""
    _drop_subscriptions(database)
    with database.server.connect() as session:
        name = sql.Identifier(database.name)
        session.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
        session.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(name))
    _drop_origins(database.server)

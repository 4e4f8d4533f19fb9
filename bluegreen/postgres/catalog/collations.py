"""Encoding and collation of a database.

Owns reading them and telling whether the operating system's rules have changed since
the database was made.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from bluegreen.postgres.database import Database


@dataclass(frozen=True, slots=True)
class Collation:
    """How the database sorts and which characters it holds.

    Attributes:
        provider: `c` libc, `i` ICU, `b` built in (17).
        locale: of ICU or the built-in provider, empty for libc.
        recorded: the provider's version when the database was made; empty before 15
            and where the provider has none.
        actual: the same now.
        stale: collations other than the default whose version has changed.
    """

    encoding: str
    collate: str
    ctype: str
    provider: str = "c"
    locale: str = ""
    recorded: str = ""
    actual: str = ""
    stale: tuple[str, ...] = ()


def read_collation(database: Database) -> Collation:
    """Read the database's encoding and collation.

    The catalog's columns differ: the provider stands there from 15 on, its locale as
    `daticulocale` in 15 and 16 and `datlocale` from 17 on.
    """
    encoding, row = database.rows(_DATABASE)[0]
    return Collation(
        encoding=encoding,
        collate=row["datcollate"],
        ctype=row["datctype"],
        provider=row.get("datlocprovider", "c"),
        locale=row.get("datlocale") or row.get("daticulocale") or "",
        recorded=row.get("datcollversion") or "",
        actual=_actual_version(database) if "datcollversion" in row else "",
        stale=tuple(name for (name,) in database.rows(_STALE)),
    )


_DATABASE = sql.SQL(
    """
    SELECT pg_catalog.pg_encoding_to_char(d.encoding), to_jsonb(d)
    FROM pg_catalog.pg_database d
    WHERE d.datname = pg_catalog.current_database()
    """
)

_STALE = sql.SQL(
    """
    SELECT n.nspname || '.' || c.collname
    FROM pg_catalog.pg_collation c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace
    WHERE c.collversion <> pg_catalog.pg_collation_actual_version(c.oid)
        AND EXISTS (SELECT FROM pg_catalog.pg_attribute a
            WHERE a.attcollation = c.oid)
    ORDER BY 1
    """
)


def _actual_version(database: Database) -> str:
    return str(
        database.value(
            sql.SQL(
                "SELECT coalesce(pg_catalog.pg_database_collation_actual_version(oid),"
                " '') FROM pg_catalog.pg_database"
                " WHERE datname = pg_catalog.current_database()"
            )
        )
    )

"""A throw-away database on green's server.

Owns its name, its life and its end. The name holds a digest of green's and a token, so
that it is known for ours and meets no other. While one lives, a session on green holds
a lock; a call that gets that lock alone knows that what is left is of a dead call.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg import sql

from bluegreen.model.errors import BluegreenError
from bluegreen.postgres.database import Database, SqlError

PREFIX = "bluegreen_rehearsal_"

_LOCK = 7_236_214_190_877_341
"""Of all rehearsals on one database of green; the lease has another number."""

_TOKEN_LETTERS = 16


class NotPermitted(Exception):
    """Green's server makes no database for us; the text is its words.

    Attributes:
        sqlstate: five letters; empty where it refused the session.
    """

    def __init__(self, error: BluegreenError) -> None:
        super().__init__(error.seen)
        self.sqlstate = error.sqlstate if isinstance(error, SqlError) else ""


@contextmanager
def throw_away_database(green: Database) -> Iterator[Database]:
    """Make an empty database with green's locale; it is dropped in every ending.

    Raises:
        NotPermitted: it could not be made or entered.
    """
    with green.connect() as own, green.translated():
        drop_abandoned(green, own)
        own.execute(sql.SQL("SELECT pg_catalog.pg_advisory_lock_shared(%s)"), (_LOCK,))
        name = f"{_prefix(green)}{secrets.token_hex(_TOKEN_LETTERS // 2)}"
        database = green.beside(name)
        try:
            try:
                _create(green, own, name)
                with green.connect() as setting:
                    _set_as_green(green, setting, name)
                database.session  # noqa: B018 (it opens it)
            except BluegreenError as error:
                raise NotPermitted(error) from error
            yield database
        finally:
            database.close()
            # What cannot be dropped now is dropped by the next call.
            with suppress(psycopg.Error):
                _drop(own, name)


def drop_abandoned(green: Database, own: psycopg.Connection[Any]) -> int:
    """Drop what calls have left that were killed; how many.

    Nothing while another call is alive.
    """
    free = own.execute(
        sql.SQL("SELECT pg_catalog.pg_try_advisory_lock(%s)"), (_LOCK,)
    ).fetchone()
    if free != (True,):
        return 0
    try:
        names = own.execute(_OURS, (_prefix(green),)).fetchall()
        for (name,) in names:
            _drop(own, name)
    finally:
        own.execute(sql.SQL("SELECT pg_catalog.pg_advisory_unlock(%s)"), (_LOCK,))
    return len(names)


_OURS = sql.SQL(
    "SELECT datname FROM pg_catalog.pg_database"
    " WHERE starts_with(datname, %s) AND datname ~ '_[0-9a-f]{16}$'"
    " AND pg_catalog.pg_has_role(datdba, 'USAGE')"
)


def _prefix(green: Database) -> str:
    digest = hashlib.sha256(green.dbname.encode()).hexdigest()
    return f"{PREFIX}{digest[:8]}_"


def _drop(own: psycopg.Connection[Any], name: str) -> None:
    own.execute(
        sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    )


def _create(green: Database, own: psycopg.Connection[Any], name: str) -> None:
    [(row,)] = green.rows(_LOCALE)
    words = [
        sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)),
        *_locale(row),
    ]
    with green.translated():
        own.execute(sql.SQL(" ").join(words))


# Its columns depend on the version.
_LOCALE = sql.SQL(
    "SELECT to_jsonb(d) || jsonb_build_object('code', pg_encoding_to_char(encoding))"
    " FROM pg_database d WHERE datname = current_database()"
)


def _locale(row: Mapping[str, Any]) -> Iterator[sql.Composed]:
    """The words by which a database gets the locale of another one. Pure."""
    yield _word("ENCODING", row["code"])
    yield _word("LC_COLLATE", row["datcollate"])
    yield _word("LC_CTYPE", row["datctype"])
    if provider := _PROVIDERS.get(row.get("datlocprovider", "")):
        yield _word("LOCALE_PROVIDER", provider)
        locale = row.get("datlocale") or row.get("daticulocale")
        if provider != "libc" and locale:
            yield _word(f"{provider}_LOCALE".upper(), locale)
        if row.get("daticurules"):
            yield _word("ICU_RULES", row["daticurules"])


# search_path and the like decide what a user's SQL means. Those of our role in this
# database come last, as they hold in its sessions. A read-only one would stop us here.
_SETTINGS = sql.SQL(
    "SELECT split_part(c, '=', 1), substr(c, strpos(c, '=') + 1)"
    " FROM pg_db_role_setting s CROSS JOIN LATERAL unnest(s.setconfig) c"
    " WHERE s.setdatabase = (SELECT oid FROM pg_database"
    " WHERE datname = current_database())"
    " AND s.setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = current_user))"
    " AND c NOT LIKE 'default_transaction_read_only=%'"
    " ORDER BY s.setrole"
)


def _set_as_green(green: Database, own: psycopg.Connection[Any], name: str) -> None:
    """Give it the settings of green's database, those that our role may give."""
    for setting, value in green.rows(_SETTINGS):
        with suppress(psycopg.Error):
            own.execute(
                sql.SQL("SELECT pg_catalog.set_config(%s, %s, false)"), (setting, value)
            )
            own.execute(
                sql.SQL("ALTER DATABASE {} SET {} FROM CURRENT").format(
                    sql.Identifier(name), sql.Identifier(setting)
                )
            )


_PROVIDERS = {"c": "libc", "i": "icu", "b": "builtin"}


def _word(name: str, value: str) -> sql.Composed:
    return sql.SQL("{} {}").format(sql.SQL(name), sql.Literal(value))

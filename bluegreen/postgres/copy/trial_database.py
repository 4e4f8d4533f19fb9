"""A database of our own beside green, for a backup to be restored into and thrown away.

Owns making it and dropping it, and never dropping one that is not ours: it is known by
its comment, as a name proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import sql

from bluegreen.model.codes import Code
from bluegreen.model.errors import ServerRefused
from bluegreen.postgres.database import Database

_OURS = "made by bluegreen to try a backup; it may be dropped"


@contextmanager
def trial_database(beside: Database, playbook: str) -> Iterator[Database]:
    """Make an empty database like the given one, and drop it at the end.

    One that an earlier kill left behind is dropped first.

    Raises:
        ServerRefused: 3004, a database of that name is not ours; 3008, the role may
            not make databases.
    """
    name = f"bluegreen_trial_{playbook}"
    _require_right(beside)
    _drop(beside, name)
    beside.run(_create(beside, name))
    beside.run(
        sql.SQL("COMMENT ON DATABASE {} IS {}").format(
            sql.Identifier(name), sql.Literal(_OURS)
        )
    )
    trial = beside.beside(name)
    try:
        yield trial
    finally:
        trial.close()
        _drop(beside, name)


def find_trial(beside: Database, playbook: str) -> bool:
    """Whether one is left over."""
    return _comment(beside, f"bluegreen_trial_{playbook}") is not None


def _require_right(database: Database) -> None:
    may = database.value(
        sql.SQL(
            "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
        )
    )
    if not may:
        role = database.value(sql.SQL("SELECT quote_ident(current_user)"))
        raise ServerRefused(
            Code.RIGHT_MISSING,
            f"the backup cannot be tried on {database.side}'s server",
            seen=f"role {role} may not make databases there",
            wanted="a database of its own, for a moment, to restore the backup into",
            hint=f"on {database.side}: ALTER ROLE {role} CREATEDB; or write "
            "`proof: read` in the step",
        )


def _comment(database: Database, name: str) -> str | None:
    """A database's comment, empty where it has none; None where it is not there."""
    rows = database.rows(
        sql.SQL(
            "SELECT coalesce(shobj_description(oid, 'pg_database'), '')"
            " FROM pg_database WHERE datname = %s"
        ),
        (name,),
    )
    return str(rows[0][0]) if rows else None


def _drop(database: Database, name: str) -> None:
    comment = _comment(database, name)
    if comment is None:
        return
    if comment != _OURS:
        raise ServerRefused(
            Code.GREEN_NOT_EMPTY,
            f"database {name} on {database.side}'s server is not ours",
            seen=f"its comment: {comment!r}",
            wanted=f"no such database, or one with the comment {_OURS!r}",
            hint="rename or drop it if it is not needed, then run again",
        )
    database.run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _create(database: Database, name: str) -> sql.Composed:
    """CREATE DATABASE with encoding and locale of the given one.

    pg_database has datlocprovider since 15; daticulocale became datlocale in 17.
    """
    encoding, collate, ctype, provider, locale = database.rows(_LIKE)[0]
    options = [
        sql.SQL("ENCODING {} LC_COLLATE {} LC_CTYPE {}").format(
            sql.Literal(encoding), sql.Literal(collate), sql.Literal(ctype)
        )
    ]
    if provider in _PROVIDERS:
        options.append(_PROVIDERS[provider].format(sql.Literal(locale)))
    return sql.SQL("CREATE DATABASE {} TEMPLATE template0 {}").format(
        sql.Identifier(name), sql.SQL(" ").join(options)
    )


_PROVIDERS = {
    "i": sql.SQL("LOCALE_PROVIDER icu ICU_LOCALE {}"),
    "b": sql.SQL("LOCALE_PROVIDER builtin BUILTIN_LOCALE {}"),
}

_LIKE = sql.SQL(
    """
    SELECT pg_encoding_to_char(encoding), datcollate, datctype,
        to_jsonb(d) ->> 'datlocprovider',
        coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale')
    FROM pg_database d WHERE datname = current_database()
    """
)

"""CREATE SUBSCRIPTION without its connection string being seen.

Owns the way by which the string, with its password, reaches the server. When a
subscription is made, and over what, is for `stream.py`.

Written out, the statement stands in pg_stat_activity while it runs, in the log when
it fails or log_statement asks for it, and in pg_stat_statements. So the string goes
by COPY, whose rows no setting logs, into a table of this transaction, and a block
that holds no secret reads it from there. This needs no right beyond TEMPORARY.
"""

from __future__ import annotations

import psycopg
from psycopg import errors, sql

from bluegreen.model.codes import Code
from bluegreen.model.errors import ServerRefused
from bluegreen.postgres.database import Database, Row

# What the block runs is told as context of a warning, and counted as a statement of
# its own where pg_stat_statements.track is `all`. Who may not change these has
# neither: a publication that is missing, the one warning, is made before.
_HUSH = {"log_min_messages": "error", "pg_stat_statements.track_utility": "off"}

_HAND_OVER = sql.SQL(
    "CREATE TEMPORARY TABLE bluegreen_words (word text, value text) ON COMMIT DROP"
)
_COPY = sql.SQL("COPY pg_temp.bluegreen_words FROM STDIN")

# An error that leaves the block as it came brings the statement along as its context.
_CREATE = sql.SQL(
    """
    DO $create$
    DECLARE
        given pg_catalog.jsonb := (
            SELECT pg_catalog.jsonb_object_agg(w.word, w.value)
            FROM pg_temp.bluegreen_words w);
        told text;
        advice text;
    BEGIN
        EXECUTE pg_catalog.format(
            'CREATE SUBSCRIPTION %I CONNECTION %L PUBLICATION %I WITH'
            ' (create_slot = false, slot_name = %L, copy_data = %s, enabled = %s)',
            given->>'name', given->>'conninfo', given->>'name', given->>'name',
            given->>'copy_data', given->>'enabled');
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS
            told = PG_EXCEPTION_DETAIL, advice = PG_EXCEPTION_HINT;
        RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = SQLERRM,
            DETAIL = told, HINT = advice;
    END
    $create$
    """
)


def create_quietly(
    subscriber: Database,
    publisher: Database,
    name: str,
    *,
    copy_data: bool,
    enabled: bool,
) -> None:
    """Make the subscription `name` over publication and slot of the same name.

    Raises:
        ServerRefused: 3001, the subscriber's server cannot reach the publisher.
        SqlError: anything else that the server refuses.
    """
    words = {
        "name": name,
        "conninfo": publisher.conninfo_for_peer().reveal(),
        "copy_data": str(copy_data).lower(),
        "enabled": str(enabled).lower(),
    }
    with subscriber.connect() as own, subscriber.translated():
        _hush(own)
        try:
            with own.transaction():
                own.execute(_HAND_OVER)
                with own.cursor() as cursor, cursor.copy(_COPY) as copy:
                    for row in words.items():
                        copy.write_row(row)
                own.execute(_CREATE)
        except errors.ConnectionFailure as error:
            if own.broken:
                raise
            raise _out_of_reach(subscriber, publisher, error) from None


def _hush(own: psycopg.Connection[Row]) -> None:
    for name, value in _HUSH.items():
        try:
            own.execute(
                sql.SQL("SELECT pg_catalog.set_config(%s, %s, false)"), (name, value)
            )
        except errors.InsufficientPrivilege:
            continue


def _out_of_reach(
    subscriber: Database, publisher: Database, error: psycopg.Error
) -> ServerRefused:
    return ServerRefused(
        Code.SERVER_UNREACHABLE,
        f"{subscriber.side}'s server cannot reach {publisher.side}",
        seen=error.diag.message_primary or "",
        wanted=f"a session from {subscriber.side}'s host on "
        f"{publisher.address_for_peer}",
        hint="try psql there. Where that host needs another name, port or path of a\n"
        f"certificate, say so in `seen_from_peer` of {publisher.side}",
    )

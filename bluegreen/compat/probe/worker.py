"""Gives a session an apply worker's eyes: what fires, what resolves, what is checked.

Owns the settings and the blind spots of `session_replication_role = replica` done by
SQL. All of it happens in a transaction that is rolled back.
"""

from __future__ import annotations

import re

import psycopg
from psycopg import sql

from bluegreen.compat.probe.capture import as_sql
from bluegreen.compat.stream import Stream, limited_writer
from bluegreen.postgres.catalog.relations import Relation


def enter(session: psycopg.Connection, stream: Stream) -> None:
    """Take on an apply worker's session settings and leave its blind spots out."""
    session.execute("SET LOCAL session_replication_role = replica")
    session.execute("SET LOCAL search_path = ''")
    session.execute(
        "SELECT pg_catalog.set_config('TimeZone', %s, true)",
        [stream.receiver_zone],
    )
    _without_session_facts(session)
    for relation in stream.receiver.relations.values():
        if relation.takes_rows:
            _silence_rules(session, relation)
            _open_identity(session, relation)


def silence_event_triggers(session: psycopg.Connection) -> None:
    """Keep the user's event triggers out of what the rehearsal itself makes.

    Apply runs no DDL, so that none of them would fire there.
    """
    found = session.execute(
        "SELECT e.evtname FROM pg_catalog.pg_event_trigger e WHERE e.evtenabled <> 'D'"
    ).fetchall()
    for (name,) in found:
        session.execute(
            sql.SQL("ALTER EVENT TRIGGER {} DISABLE").format(sql.Identifier(name))
        )


def start_stream(session: psycopg.Connection, stream: Stream) -> None:
    """Leave out what a stream, unlike a copy, does not look at.

    It fires no statement trigger, ALWAYS or not (law 5), but for TRUNCATE (measured on
    16 and 18), and a NULL skips the type's input, so that neither a domain's NOT NULL
    nor its CHECK is seen (measured on 16).
    """
    _let_null_pass(session)
    for kind in stream.receiver.types.values():
        if kind.kind == "d" and kind.not_null:
            session.execute(
                sql.SQL("ALTER DOMAIN {} DROP NOT NULL").format(as_sql(kind.name))
            )
    for relation in stream.receiver.relations.values():
        _open_schema(session, stream, relation)
        for trigger in relation.triggers:
            on_rows = trigger.on_insert or trigger.on_update or trigger.on_delete
            on_rows = on_rows and not trigger.row
            if trigger.fires_on_apply and on_rows and relation.takes_rows:
                session.execute(
                    sql.SQL("ALTER TABLE {} DISABLE TRIGGER {}").format(
                        sql.Identifier(*relation.qualified),
                        sql.Identifier(trigger.name),
                    )
                )


def _let_null_pass(session: psycopg.Connection) -> None:
    """Let each CHECK of a domain that refuses NULL take it."""
    found = session.execute(_DOMAIN_CHECKS).fetchall()
    for schema, domain, name, definition in found:
        kept = definition.removeprefix("CHECK ").removesuffix(" NOT VALID")
        session.execute(
            sql.SQL(
                "ALTER DOMAIN {domain} DROP CONSTRAINT {name}; ALTER DOMAIN {domain} "
                "ADD CONSTRAINT {name} CHECK (VALUE IS NULL OR {kept}) NOT VALID"
            ).format(
                domain=sql.Identifier(schema, domain),
                name=sql.Identifier(name),
                kept=as_sql(kept),
            )
        )


_DOMAIN_CHECKS = r"""
SELECT n.nspname, t.typname, c.conname, pg_catalog.pg_get_constraintdef(c.oid)
  FROM pg_catalog.pg_constraint c
  JOIN pg_catalog.pg_type t ON t.oid = c.contypid
  JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
 WHERE c.contype = 'c' AND n.nspname <> 'information_schema'
   AND pg_catalog.pg_get_constraintdef(c.oid) ~* '\mnull\M'"""
"""Only a test that mentions NULL can refuse it: all others answer NULL, and pass."""


def _without_session_facts(session: psycopg.Connection) -> None:
    """Answer what functions ask of their session as a worker's session would.

    A worker has no client and no query (measured: NULL), and an origin.
    """
    asked = session.execute(_ASKS, ["|".join(_ANSWERS)]).fetchall()
    for (definition,) in asked:
        quiet = _QUESTION.sub(lambda found: _ANSWERS[found[1].lower()], definition)
        session.execute(as_sql(quiet))


_ANSWERS = {
    "inet_client_addr": "NULL::inet",
    "inet_client_port": "NULL::int",
    "current_query": "NULL::text",
    "pg_replication_origin_session_is_setup": "true",
}
_QUESTION = re.compile(
    rf"(?:\bpg_catalog\.)?\b({'|'.join(_ANSWERS)})\s*\(\s*\)", re.IGNORECASE
)
_ASKS = r"""
SELECT pg_catalog.pg_get_functiondef(p.oid) FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_language l ON l.oid = p.prolang
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE p.prokind = 'f' AND l.lanname IN ('plpgsql', 'sql')
   AND n.nspname NOT IN ('pg_catalog', 'information_schema')
   AND p.prosrc ~* %s"""


def _open_schema(
    session: psycopg.Connection, stream: Stream, relation: Relation
) -> None:
    """Give the writing role the schema for the length of the stream.

    A stream, unlike a copy, opens a table by its OID and asks no right to the schema it
    stands in (measured on 16 and 18: `shop_owner_role_writer`).
    """
    role = limited_writer(stream, relation)
    if role is not None and relation.takes_rows:
        session.execute(
            sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(
                sql.Identifier(relation.schema), sql.Identifier(role)
            )
        )


def _silence_rules(session: psycopg.Connection, relation: Relation) -> None:
    rules = session.execute(
        "SELECT r.rulename FROM pg_catalog.pg_rewrite r WHERE r.ev_class = %s "
        "AND r.ev_enabled IN ('A', 'R')",
        [relation.oid],
    ).fetchall()
    for (name,) in rules:
        session.execute(
            sql.SQL("ALTER TABLE {} DISABLE RULE {}").format(
                sql.Identifier(*relation.qualified), sql.Identifier(name)
            )
        )


def _open_identity(session: psycopg.Connection, relation: Relation) -> None:
    """Apply updates a GENERATED ALWAYS identity, which SQL refuses (measured)."""
    for column in relation.columns:
        if column.identity == "a" and not relation.is_partition:
            session.execute(
                sql.SQL(
                    "ALTER TABLE {} ALTER COLUMN {} SET GENERATED BY DEFAULT"
                ).format(
                    sql.Identifier(*relation.qualified), sql.Identifier(column.name)
                )
            )

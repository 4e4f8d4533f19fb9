"""Stands in for COMMIT in a transaction that is rolled back in the end.

Owns what a commit would set off, deferred constraints and triggers, and procedures that
commit by themselves. Both happen on scratch copies alone.
"""

from __future__ import annotations

import re

import psycopg
from psycopg import sql

COMMITS_INSIDE = "2D000"
"""SQLSTATE of a procedure or DO block that ends a transaction which is not its own."""

_COMMIT = re.compile(r"\bcommit(\s+and\s+(no\s+)?chain)?\s*;", re.IGNORECASE)

_DEFERRED = """
SELECT n.nspname, c.conname FROM pg_catalog.pg_constraint c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace
 WHERE c.condeferred ORDER BY 1, 2"""

_PROCEDURES = """
SELECT pg_catalog.pg_get_functiondef(p.oid) FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_language l ON l.oid = p.prolang
 WHERE p.prokind = 'p' AND l.lanname = 'plpgsql' AND p.prosrc ~* '\\mcommit\\M'"""


def as_if_committed(session: psycopg.Connection) -> None:
    """Run what waits for a commit, then let the same constraints wait again.

    What deferred triggers wrote stays, as it would after a commit.

    Raises:
        psycopg.Error: a deferred constraint does not hold, or its trigger fails.
    """
    session.execute("SET CONSTRAINTS ALL IMMEDIATE")
    names = session.execute(_DEFERRED).fetchall()
    if names:
        listed = sql.SQL(", ").join(sql.Identifier(*name) for name in names)
        session.execute(sql.SQL("SET CONSTRAINTS {} DEFERRED").format(listed))


def without_commits(session: psycopg.Connection, text: str) -> str:
    """Take COMMIT out of all procedures, and out of a text that stands for itself.

    Changes travel one by one, so that where a transaction ended changes little.
    """
    for (definition,) in session.execute(_PROCEDURES).fetchall():
        quiet = _COMMIT.sub("NULL;", definition)
        session.execute(sql.SQL(quiet))
    return _COMMIT.sub("NULL;", text)

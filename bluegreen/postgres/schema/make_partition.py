"""Making one partition more, like its siblings.

Owns these statements. Putting it into the stream is for `steps/partitions/`.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from bluegreen.model.clock import Clock
from bluegreen.model.codes import Code
from bluegreen.model.errors import BudgetError
from bluegreen.postgres.catalog.relations import Relation, read_relations
from bluegreen.postgres.database import Database, SqlError
from bluegreen.postgres.fence.fence import (
    LOCKED,
    MAKING_LOCK,
    MAKING_PAUSE_S,
    MAKING_TRIES,
)
from bluegreen.postgres.schema.partitions import Parent, Partition

MAKING_LASTS = "5s"
"""A DEFAULT partition with many rows is read through while the table is locked."""


def make_partition(
    database: Database, parent: Parent, partition: Partition, clock: Clock
) -> None:
    """Make a partition like its newest sibling: owner, grants, replica identity.

    The parent is locked for the moment of it, and waited for only briefly, as writers
    queue behind us.

    Raises:
        BudgetError: 5003; the parent stayed locked.
        SqlError: the server refused it.
    """
    like = parent.partitions[-1] if parent.partitions else None
    for attempt in range(MAKING_TRIES):
        try:
            with (
                database.connect(
                    lock_timeout=MAKING_LOCK, statement_timeout=MAKING_LASTS
                ) as own,
                database.translated(),
                own.transaction(),
            ):
                _make(own, parent, partition, like)
        except SqlError as error:
            if error.sqlstate not in LOCKED:
                raise
        else:
            break
        if attempt == MAKING_TRIES - 1:
            raise _stayed_locked(database, parent, partition)
        clock.sleep(MAKING_PAUSE_S)
    if like is not None:
        _set_identity(database, like, partition)


def _stayed_locked(
    database: Database, parent: Parent, partition: Partition
) -> BudgetError:
    return BudgetError(
        Code.FENCE_NOT_CLOSED,
        f"partition {partition.schema}.{partition.name} on {database.side} could not "
        "be made",
        seen=f"{parent.full_name} stayed locked",
        wanted=f"a moment without a transaction on it in {MAKING_TRIES} tries",
        hint="wait until long transactions have ended, or end them; then run again",
    )


def _make(
    own: psycopg.Connection[Any],
    parent: Parent,
    partition: Partition,
    like: Partition | None,
) -> None:
    table = sql.Identifier(partition.schema, partition.name)
    head = sql.SQL("CREATE TABLE {} PARTITION OF {} ").format(
        table, sql.Identifier(parent.schema, parent.name)
    )
    own.execute((head.as_string(own) + partition.bound).encode())
    owner = own.execute(_OWNER, (parent.schema, parent.name)).fetchone()
    if owner and owner[0] != owner[1]:
        own.execute(
            sql.SQL("ALTER TABLE {} OWNER TO {}").format(
                table, sql.Identifier(owner[0])
            )
        )
    if like is None:
        return
    for role, right, pass_on in own.execute(_GRANTS, (like.schema, like.name)):
        own.execute(
            sql.SQL("GRANT {} ON {} TO {}{}").format(
                sql.SQL(right),
                table,
                sql.Identifier(role) if role else sql.SQL("PUBLIC"),
                sql.SQL(" WITH GRANT OPTION" if pass_on else ""),
            )
        )


def _set_identity(database: Database, like: Partition, partition: Partition) -> None:
    """The replica identity of the sibling; UPDATE of a published table needs one."""
    there = {(r.schema, r.name): r for r in read_relations(database)}
    sibling = there.get((like.schema, like.name))
    made = there.get((partition.schema, partition.name))
    if sibling is None or made is None:
        return
    table = sql.Identifier(partition.schema, partition.name)
    if sibling.replica_identity == "f":
        database.run(sql.SQL("ALTER TABLE {} REPLICA IDENTITY FULL").format(table))
    index = _twin_index(sibling, made) if sibling.replica_identity == "i" else None
    if index is not None:
        database.run(
            sql.SQL("ALTER TABLE {} REPLICA IDENTITY USING INDEX {}").format(
                table, sql.Identifier(index)
            )
        )


def _twin_index(sibling: Relation, made: Relation) -> str | None:
    chosen = [index.columns for index in sibling.indexes if index.chosen]
    found = [i.name for i in made.indexes if i.usable and i.columns in chosen]
    return found[0] if found else None


_OWNER = sql.SQL(
    "SELECT pg_catalog.pg_get_userbyid(c.relowner), current_user"
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n"
    " ON n.oid = c.relnamespace WHERE (n.nspname, c.relname) = (%s, %s)"
)
_GRANTS = sql.SQL(
    "SELECT r.rolname, a.privilege_type, a.is_grantable FROM pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) a"
    " LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee"
    " WHERE (n.nspname, c.relname) = (%s, %s) AND a.grantee <> c.relowner"
    " AND (a.grantee = 0 OR r.oid IS NOT NULL)"
)

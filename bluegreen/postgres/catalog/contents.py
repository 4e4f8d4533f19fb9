"""What a database holds besides tables: large objects, triggers, constraints.

Owns reading what logical replication does not carry or treats in its own way.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from bluegreen.postgres.catalog.constraints import Constraint, read_constraints
from bluegreen.postgres.catalog.scope import OURS_OR_SYSTEM, not_of_extension
from bluegreen.postgres.catalog.triggers import Trigger, read_triggers
from bluegreen.postgres.database import Database


@dataclass(frozen=True, slots=True)
class Contents:
    """What stands in a database besides its tables.

    Attributes:
        large_objects: how many.
        sequences: how many.
        relations: how many of all kinds, indexes and TOAST tables counted.
        lockable: those of them that a dump or a publication locks.
        invalid_indexes: left behind by a CONCURRENTLY that failed.
        event_triggers: enabled ones that belong to no extension.
        event_writers: those of them whose function writes to a table.
        apply_triggers: those of rows that the apply worker fires.
        constraints: not valid, deferrable or exclusion ones.
        has_our_schema: a schema named `bluegreen` is there, made by us or not.
    """

    large_objects: int = 0
    sequences: int = 0
    relations: int = 0
    lockable: int = 0
    has_our_schema: bool = False
    invalid_indexes: tuple[str, ...] = ()
    event_triggers: tuple[str, ...] = ()
    event_writers: tuple[str, ...] = ()
    apply_triggers: tuple[Trigger, ...] = ()
    constraints: tuple[Constraint, ...] = ()


def read_contents(database: Database) -> Contents:
    """Read it, five queries."""
    counts = database.rows(_COUNTS)[0]
    large_objects, sequences, relations, lockable, has_our_schema = counts
    events = database.rows(_EVENT_TRIGGERS)
    triggers = read_triggers(database.rows, _ON_APPLY.format(_USERS))
    constraints = read_constraints(
        database.rows, _APART.format(_USERS), definitions=False
    )
    return Contents(
        large_objects=large_objects,
        sequences=sequences,
        relations=relations,
        lockable=lockable,
        has_our_schema=has_our_schema,
        invalid_indexes=tuple(name for (name,) in database.rows(_INVALID_INDEXES)),
        event_triggers=tuple(name for name, _ in events),
        event_writers=tuple(name for name, writes in events if writes),
        apply_triggers=tuple(one for _, one in triggers),
        constraints=tuple(
            one for _, one in constraints if one.enforced and not one.of_partition
        ),
    )


def read_filled_tables(database: Database) -> frozenset[str]:
    """Tables that take up space, `schema.table`, so that rows are or were in them.

    A table whose rows were all deleted shows too; after TRUNCATE it does not.
    """
    return frozenset(name for (name,) in database.rows(_FILLED))


_COUNTS = sql.SQL(
    """
    SELECT (SELECT count(*) FROM pg_catalog.pg_largeobject_metadata),
        (SELECT count(*) FROM pg_catalog.pg_class c
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND NOT {}),
        -- Those of the system have lower OIDs: FirstNormalObjectId in access/transam.h.
        (SELECT count(*) FROM pg_catalog.pg_class
            WHERE oid >= 16384 AND relpersistence <> 't'),
        (SELECT count(*) FROM pg_catalog.pg_class
            WHERE oid >= 16384 AND relpersistence <> 't'
                AND relkind IN ('r', 'p', 'f', 'v', 'm', 'S')),
        EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'bluegreen')
    """
).format(OURS_OR_SYSTEM)

_INVALID_INDEXES = sql.SQL(
    """
    SELECT i.indexrelid::pg_catalog.regclass::text
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT i.indisvalid AND c.relkind = 'i' AND NOT {}
    ORDER BY 1
    """
).format(OURS_OR_SYSTEM)

_EVENT_TRIGGERS = sql.SQL(
    r"""
    SELECT t.evtname, p.prosrc ~* '\m(insert\s+into|update|delete\s+from)\M'
    FROM pg_catalog.pg_event_trigger t
    JOIN pg_catalog.pg_proc p ON p.oid = t.evtfoid
    WHERE t.evtenabled <> 'D' AND {}
    ORDER BY 1
    """
).format(not_of_extension("pg_event_trigger", "t.oid"))

_USERS = not_of_extension("pg_class", "c.oid")

# Bit 0 of tgtype is FOR EACH ROW; statement triggers do not fire in the stream.
_ON_APPLY = sql.SQL("t.tgenabled IN ('A', 'R') AND t.tgtype & 1 = 1 AND {}")

_APART = sql.SQL(
    "k.contype IN ('f', 'c', 'n', 'u', 'x') AND (NOT k.convalidated"
    " OR k.contype = 'x' OR (k.contype = 'u' AND k.condeferrable)) AND {}"
)

_FILLED = sql.SQL(
    """
    SELECT n.nspname || '.' || c.relname
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND NOT {}
        AND pg_catalog.pg_relation_size(c.oid) > 0
    """
).format(OURS_OR_SYSTEM)

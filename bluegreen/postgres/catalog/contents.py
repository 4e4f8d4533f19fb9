"""What a database holds besides tables: large objects, triggers, constraints.

Owns reading what logical replication does not carry or treats in its own way.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from bluegreen.postgres.database import Database
from bluegreen.postgres.quoting import quote_name


@dataclass(frozen=True, slots=True)
class ApplyTrigger:
    """A row trigger that the apply worker fires: ENABLE ALWAYS or ENABLE REPLICA.

    Attributes:
        table: as it is pasted into SQL.
        schema: of the table, as it is pasted into SQL.
        function: name and argument types, as it is pasted into SQL.
        body: the function's source text; empty when it is not SQL or PL/pgSQL.
        pinned: the function has a search_path of its own.
    """

    name: str
    table: str
    schema: str
    function: str
    body: str
    pinned: bool


@dataclass(frozen=True, slots=True)
class Constraint:
    """A constraint that logical replication treats in its own way.

    Attributes:
        kind: pg_constraint.contype: `f`, `c`, `n`, `u`, `x`.
    """

    table: str
    name: str
    kind: str
    valid: bool
    deferrable: bool

    @property
    def quoted(self) -> str:
        """The name as it is pasted into SQL by a person."""
        return quote_name(self.name)


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
        constraints: not valid, deferrable or exclusion ones.
        has_our_schema: a schema named `bluegreen` is there, whoever made it.
    """

    large_objects: int = 0
    sequences: int = 0
    relations: int = 0
    lockable: int = 0
    has_our_schema: bool = False
    invalid_indexes: tuple[str, ...] = ()
    event_triggers: tuple[str, ...] = ()
    event_writers: tuple[str, ...] = ()
    apply_triggers: tuple[ApplyTrigger, ...] = ()
    constraints: tuple[Constraint, ...] = ()


def read_contents(database: Database) -> Contents:
    """Read it, five queries."""
    counts = database.rows(_COUNTS)[0]
    large_objects, sequences, relations, lockable, has_our_schema = counts
    events = database.rows(_EVENT_TRIGGERS)
    return Contents(
        large_objects=large_objects,
        sequences=sequences,
        relations=relations,
        lockable=lockable,
        has_our_schema=has_our_schema,
        invalid_indexes=tuple(name for (name,) in database.rows(_INVALID_INDEXES)),
        event_triggers=tuple(name for name, _ in events),
        event_writers=tuple(name for name, writes in events if writes),
        apply_triggers=tuple(ApplyTrigger(*row) for row in database.rows(_TRIGGERS)),
        constraints=tuple(Constraint(*row) for row in database.rows(_CONSTRAINTS)),
    )


def read_filled_tables(database: Database) -> frozenset[str]:
    """Tables that take up space, `schema.table`, so that rows are or were in them.

    A table whose rows were all deleted shows too; after TRUNCATE it does not.
    """
    return frozenset(name for (name,) in database.rows(_FILLED))


_COUNTS = sql.SQL(
    r"""
    SELECT (SELECT count(*) FROM pg_catalog.pg_largeobject_metadata),
        (SELECT count(*) FROM pg_catalog.pg_class c
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind = 'S' AND c.relpersistence <> 't'
                AND n.nspname NOT LIKE 'pg\_%'
                AND n.nspname NOT IN ('information_schema', 'bluegreen')),
        -- Those of the system have lower OIDs: FirstNormalObjectId in access/transam.h.
        (SELECT count(*) FROM pg_catalog.pg_class
            WHERE oid >= 16384 AND relpersistence <> 't'),
        (SELECT count(*) FROM pg_catalog.pg_class
            WHERE oid >= 16384 AND relpersistence <> 't'
                AND relkind IN ('r', 'p', 'f', 'v', 'm', 'S')),
        EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'bluegreen')
    """
)

_INVALID_INDEXES = sql.SQL(
    r"""
    SELECT i.indexrelid::pg_catalog.regclass::text
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT i.indisvalid AND c.relkind = 'i' AND n.nspname NOT LIKE 'pg\_%'
    ORDER BY 1
    """
)

_EVENT_TRIGGERS = sql.SQL(
    r"""
    SELECT t.evtname, p.prosrc ~* '\m(insert\s+into|update|delete\s+from)\M'
    FROM pg_catalog.pg_event_trigger t
    JOIN pg_catalog.pg_proc p ON p.oid = t.evtfoid
    WHERE t.evtenabled <> 'D' AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend d
        WHERE d.classid = 'pg_catalog.pg_event_trigger'::pg_catalog.regclass
            AND d.objid = t.oid AND d.deptype = 'e')
    ORDER BY 1
    """
)

# Bit 0 of tgtype is FOR EACH ROW; statement triggers do not fire in the stream.
_TRIGGERS = sql.SQL(
    """
    SELECT t.tgname, t.tgrelid::pg_catalog.regclass::text,
        pg_catalog.quote_ident(n.nspname), p.oid::pg_catalog.regprocedure::text,
        CASE WHEN l.lanname IN ('sql', 'plpgsql') THEN p.prosrc ELSE '' END,
        EXISTS (SELECT FROM unnest(p.proconfig) AS s
            WHERE starts_with(s, 'search_path='))
    FROM pg_catalog.pg_trigger t
    JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    WHERE t.tgenabled IN ('A', 'R') AND NOT t.tgisinternal AND t.tgtype & 1 = 1
        AND n.nspname <> 'bluegreen'
    ORDER BY 2, 1
    """
)

# NOT ENFORCED (18) is never valid and never checked, so it is left out.
_CONSTRAINTS = sql.SQL(
    """
    SELECT c.conrelid::pg_catalog.regclass::text, c.conname, c.contype::text,
        c.convalidated, c.condeferrable
    FROM pg_catalog.pg_constraint c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace
    WHERE c.conrelid <> 0 AND c.contype IN ('f', 'c', 'n', 'u', 'x')
        AND (NOT c.convalidated OR c.contype = 'x'
            OR (c.contype = 'u' AND c.condeferrable))
        AND to_jsonb(c) ->> 'conenforced' IS DISTINCT FROM 'false'
        AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'bluegreen')
    ORDER BY 1, 2
    """
)

_FILLED = sql.SQL(
    r"""
    SELECT n.nspname || '.' || c.relname
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
        AND n.nspname NOT LIKE 'pg\_%'
        AND n.nspname NOT IN ('information_schema', 'bluegreen')
        AND pg_catalog.pg_relation_size(c.oid) > 0
    """
)

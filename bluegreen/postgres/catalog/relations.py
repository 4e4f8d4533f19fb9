"""The tables of a database as its catalog describes them.

Owns reading relations with their columns and keys, and what serves as a replica
identity. What a missing identity means is for those who ask. PostgreSQL's own schemas,
our schema `bluegreen` and temporary tables are never in the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from psycopg import sql

from bluegreen.postgres.catalog.columns import Column, read_columns
from bluegreen.postgres.catalog.constraints import Constraint, read_constraints
from bluegreen.postgres.catalog.indexes import Index, read_indexes
from bluegreen.postgres.catalog.scope import OURS_OR_SYSTEM, Ask, Name, by_table
from bluegreen.postgres.catalog.triggers import Trigger, read_triggers
from bluegreen.postgres.database import Database, Row
from bluegreen.postgres.quoting import quote_name

RelationKind = Literal["table", "partitioned", "view", "matview", "foreign"]


@dataclass(frozen=True, slots=True)
class Relation:
    """One table, view or foreign table.

    Attributes:
        oid: stable while the table lives, different on each side.
        kind: `table` is an ordinary one, a partition too.
        persistence: `p` permanent or `u` unlogged.
        is_partition: it is attached to a partitioned table.
        root: oid of the topmost partitioned table; its own where there is none.
        root_name: the same as `schema.table`.
        inherits: it is a child by INHERITS, not a partition.
        replica_identity: pg_class.relreplident, `d` default, `n` nothing, `f` full,
            `i` index.
        owner: the role that owns it.
        owned: our role has the rights of the owner.
        row_security: policies are on; `forced` even for the owner.
        extension: the extension it belongs to, empty where none.
        parents: partitioned tables above it, nearest first.
        columns: in table order, dropped ones left out.
        indexes: the unique ones, or all for a whole picture.
        constraints: read for a whole picture only, as triggers are.
    """

    oid: int
    schema: str
    name: str
    kind: RelationKind = "table"
    persistence: str = "p"
    is_partition: bool = False
    root: int = 0
    root_name: str = ""
    inherits: bool = False
    replica_identity: str = "d"
    owner: str = ""
    owned: bool = True
    row_security: bool = False
    forced: bool = False
    extension: str = ""
    parents: tuple[Name, ...] = ()
    columns: tuple[Column, ...] = ()
    indexes: tuple[Index, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    triggers: tuple[Trigger, ...] = ()

    @property
    def qualified(self) -> Name:
        """Schema and name."""
        return self.schema, self.name

    @property
    def full_name(self) -> str:
        """`schema.table`, as playbooks name it."""
        return f"{self.schema}.{self.name}"

    @property
    def quoted(self) -> str:
        """The name as it is pasted into SQL by a person."""
        return quote_name(self.schema, self.name)

    @property
    def holds_rows(self) -> bool:
        """Whether rows stand in it itself: tables and partitions, no parents."""
        return self.kind == "table"

    @property
    def takes_rows(self) -> bool:
        """Whether apply may write into it: `CheckSubscriptionRelkind`."""
        return self.kind in {"table", "partitioned"}

    def column(self, name: str) -> Column | None:
        """The column of that name."""
        return next((c for c in self.columns if c.name == name), None)

    @property
    def primary(self) -> Index | None:
        """The primary key's index."""
        return next((i for i in self.indexes if i.primary), None)

    @property
    def primary_key(self) -> tuple[str, ...]:
        """Columns of the primary key, a deferrable one too; empty without one."""
        return self.primary.columns if self.primary else ()

    @property
    def identity_columns(self) -> tuple[str, ...]:
        """Columns that an UPDATE sends as the old key; empty when none can be sent."""
        if self.replica_identity == "f":
            return tuple(c.name for c in self.columns if not c.generated)
        return next((i.columns for i in self.indexes if self._serves(i)), ())

    @property
    def found_by(self) -> tuple[str, ...]:
        """Columns by which apply looks for a row: the identity's index, or the key.

        GetRelationIdentityOrPK() in PostgreSQL's execReplication.c; the key too where
        the identity's index was dropped. Empty where whole rows are compared.
        """
        chosen = [i for i in self.indexes if i.usable and self._serves(i)]
        keys = [i for i in self.indexes if i.usable and i.primary]
        return next((i.columns for i in (*chosen, *keys)), ())

    @property
    def candidate(self) -> Index | None:
        """The narrowest unique index that could be made the replica identity."""
        usable = [index for index in self.indexes if index.usable]
        return min(usable, key=lambda i: (len(i.columns), i.name), default=None)

    def _serves(self, index: Index) -> bool:
        if self.replica_identity == "i":
            return index.chosen and index.usable
        return self.replica_identity == "d" and index.primary and index.usable


def read_relations(
    database: Database, *, expressions: bool = True
) -> tuple[Relation, ...]:
    """Read every relation of the database, in order of schema and name.

    Four queries, whatever the number of tables.

    Args:
        database: the side.
        expressions: read default expressions, for which PostgreSQL takes an ACCESS
            SHARE lock on each table (pg_get_expr): a table that another session has
            locked in full holds it up. Without them nothing waits, and `default` is
            empty.
    """
    columns = read_columns(database.rows, expressions=expressions)
    indexes = read_indexes(database.rows, columns)
    return _assembled(database.rows(_RELATIONS), columns, indexes)


def read_whole_relations(ask: Ask) -> tuple[Relation, ...]:
    """The same with definitions, constraints and triggers, in six queries."""
    found = ask(_RELATIONS)
    columns = read_columns(ask, whole=True)
    indexes = read_indexes(ask, columns, whole=True)
    constraints = by_table(read_constraints(ask))
    triggers = by_table(read_triggers(ask))
    return tuple(
        replace(one, constraints=constraints[one.oid], triggers=triggers[one.oid])
        for one in _assembled(found, columns, indexes)
    )


def _assembled(
    rows: list[Row],
    columns: Mapping[int, tuple[Column, ...]],
    indexes: Mapping[int, tuple[Index, ...]],
) -> tuple[Relation, ...]:
    names = {oid: (schema, name) for oid, schema, name, *_ in rows}
    above = {row[0]: row[-1] for row in rows}
    made: list[Any] = [
        (*row[:-1], _chain(row[0], above, names), columns[row[0]], indexes[row[0]])
        for row in rows
    ]
    return tuple(Relation(*values) for values in made)


def _chain(
    oid: int, above: Mapping[int, int | None], names: Mapping[int, Name]
) -> tuple[Name, ...]:
    chain = []
    while (parent := above[oid]) is not None and parent in names:
        chain.append(names[parent])
        oid = parent
    return tuple(chain)


def is_named(relation: Relation, names: Iterable[str]) -> bool:
    """Whether a playbook's list means this table: it, or the table it is a part of."""
    return bool({relation.full_name, relation.root_name} & set(names))


def tables_without_identity(
    relations: Iterable[Relation],
    *,
    exclude: Iterable[str] = (),
    identity_full: Iterable[str] = (),
) -> tuple[Relation, ...]:
    """Tables whose UPDATE and DELETE would fail on blue once they are published.

    Only tables that hold rows are named, so a partitioned table shows as its
    partitions: each has a replica identity of its own (ALTER TABLE … REPLICA IDENTITY
    does not go down to partitions). Unlogged tables are never published.
    """
    spared = {*exclude, *identity_full}
    return tuple(
        relation
        for relation in relations
        if relation.holds_rows
        and relation.persistence == "p"
        and not relation.extension
        and not relation.identity_columns
        and not is_named(relation, spared)
    )


_RELATIONS = sql.SQL(
    """
    SELECT c.oid::bigint, n.nspname, c.relname,
        CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned'
            WHEN 'v' THEN 'view' WHEN 'm' THEN 'matview' ELSE 'foreign' END,
        c.relpersistence::text, c.relispartition, root.oid::bigint,
        root_schema.nspname || '.' || root.relname,
        NOT c.relispartition AND EXISTS (
            SELECT FROM pg_catalog.pg_inherits h WHERE h.inhrelid = c.oid),
        c.relreplident::text, pg_catalog.pg_get_userbyid(c.relowner),
        pg_catalog.pg_has_role(c.relowner, 'USAGE'),
        c.relrowsecurity, c.relforcerowsecurity, coalesce(e.extname, ''),
        CASE WHEN c.relispartition THEN (SELECT h.inhparent::bigint
            FROM pg_catalog.pg_inherits h WHERE h.inhrelid = c.oid) END
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_class root ON root.oid = CASE WHEN c.relispartition
        THEN coalesce(pg_catalog.pg_partition_root(c.oid), c.oid) ELSE c.oid END
    JOIN pg_catalog.pg_namespace root_schema ON root_schema.oid = root.relnamespace
    LEFT JOIN pg_catalog.pg_depend d
        ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        AND d.objid = c.oid AND d.objsubid = 0 AND d.deptype = 'e'
        AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
    LEFT JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't'
        AND NOT {}
    ORDER BY n.nspname, c.relname
    """
).format(OURS_OR_SYSTEM)

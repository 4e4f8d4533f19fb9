"""The tables of a database as its catalog describes them.

Owns reading relations with their columns and keys, and what serves as a replica
identity. What a missing identity means is for those who ask. PostgreSQL's own schemas,
our schema `bluegreen` and temporary tables are never in the answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from psycopg import sql

from bluegreen.postgres.database import Database, Row
from bluegreen.postgres.quoting import quote_name

RelationKind = Literal["table", "partitioned", "view", "matview", "foreign"]

_KINDS: dict[str, RelationKind] = {
    "r": "table",
    "p": "partitioned",
    "v": "view",
    "m": "matview",
    "f": "foreign",
}

OURS_OR_SYSTEM = sql.SQL(
    "(n.nspname IN ('information_schema', 'bluegreen')"
    r" OR n.nspname LIKE 'pg\_%%')"
)
"""True for schemas that are never copied; `n` must be pg_namespace."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column, in the words of pg_attribute.

    Attributes:
        type: as `format_type` prints it, with length and precision.
        default: the default's or generated expression, empty where there is none.
        generated: empty, `s` stored or `v` virtual (18).
        identity: empty, `a` always or `d` by default.
    """

    name: str
    type: str
    not_null: bool = False
    default: str = ""
    generated: str = ""
    identity: str = ""


@dataclass(frozen=True, slots=True)
class UniqueIndex:
    """A unique index over plain columns.

    Attributes:
        usable: valid, immediate, without a predicate and over NOT NULL columns: what
            REPLICA IDENTITY USING INDEX asks for. A DEFERRABLE key is not usable.
        chosen: it is the table's REPLICA IDENTITY USING INDEX.
    """

    name: str
    columns: tuple[str, ...]
    primary: bool
    usable: bool
    chosen: bool

    @property
    def quoted(self) -> str:
        """The name as it is pasted into SQL by a person."""
        return quote_name(self.name)


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
        columns: in table order, dropped ones left out.
        indexes: its unique indexes.
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
    columns: tuple[Column, ...] = ()
    indexes: tuple[UniqueIndex, ...] = ()

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
    def primary_key(self) -> tuple[str, ...]:
        """Columns of the primary key, a deferrable one too; empty without one."""
        return next((i.columns for i in self.indexes if i.primary), ())

    @property
    def identity_columns(self) -> tuple[str, ...]:
        """Columns that an UPDATE sends as the old key; empty when none can be sent."""
        if self.replica_identity == "f":
            return tuple(c.name for c in self.columns if not c.generated)
        return next((i.columns for i in self.indexes if self._serves(i)), ())

    @property
    def found_by(self) -> tuple[str, ...]:
        """Columns by which apply looks for a row: the identity's index, or the key.

        GetRelationIdentityOrPK() in PostgreSQL's execReplication.c. Empty where whole
        rows are compared.
        """
        if self.replica_identity == "i":
            return self.identity_columns
        return next((i.columns for i in self.indexes if i.primary and i.usable), ())

    @property
    def candidate(self) -> UniqueIndex | None:
        """The narrowest unique index that could be made the replica identity."""
        usable = [index for index in self.indexes if index.usable]
        return min(usable, key=lambda i: (len(i.columns), i.name), default=None)

    def _serves(self, index: UniqueIndex) -> bool:
        if self.replica_identity == "i":
            return index.chosen and index.usable
        return self.replica_identity == "d" and index.primary and index.usable


def read_relations(
    database: Database, *, expressions: bool = True
) -> tuple[Relation, ...]:
    """Read every relation of the database, in order of schema and name.

    Three queries, whatever the number of tables.

    Args:
        database: the side.
        expressions: read default expressions, for which PostgreSQL takes an ACCESS
            SHARE lock on each table (pg_get_expr): a table that somebody has locked
            in full holds it up. Without them nothing waits, and `default` is empty.
    """
    columns = _read_columns(database, expressions=expressions)
    indexes = _read_indexes(database)
    return tuple(
        _relation(row, tuple(columns[row[0]]), tuple(indexes[row[0]]))
        for row in database.rows(_RELATIONS)
    )


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
    SELECT c.oid::bigint, n.nspname, c.relname, c.relkind::text,
        c.relpersistence::text, c.relispartition, root.oid::bigint,
        root_schema.nspname || '.' || root.relname,
        NOT c.relispartition AND EXISTS (
            SELECT FROM pg_catalog.pg_inherits h WHERE h.inhrelid = c.oid),
        c.relreplident::text, pg_catalog.pg_get_userbyid(c.relowner),
        pg_catalog.pg_has_role(c.relowner, 'USAGE'),
        c.relrowsecurity, c.relforcerowsecurity, coalesce(e.extname, '')
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

_EXPRESSION = sql.SQL("coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), '')")

_COLUMNS = sql.SQL(
    """
    SELECT a.attrelid::bigint, a.attname,
        pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull,
        {},
        a.attgenerated::text, a.attidentity::text
    FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_attrdef d
        ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attnum > 0 AND NOT a.attisdropped
        AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't'
        AND NOT {}
    ORDER BY a.attrelid, a.attnum
    """
)

# RelationGetIndexList() in PostgreSQL's relcache.c says which index may serve.
_INDEXES = sql.SQL(
    """
    SELECT i.indrelid::bigint, x.relname,
        array_agg(a.attname ORDER BY k.place)::text[],
        i.indisprimary,
        i.indimmediate AND i.indisvalid AND i.indpred IS NULL
            AND bool_and(a.attnotnull),
        i.indisreplident
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
    JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL unnest(i.indkey::pg_catalog.int2[])
        WITH ORDINALITY AS k (attnum, place)
    JOIN pg_catalog.pg_attribute a
        ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    WHERE i.indisunique AND i.indexprs IS NULL AND k.place <= i.indnkeyatts
        AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND NOT {}
    GROUP BY i.indexrelid, i.indrelid, x.relname, i.indisprimary, i.indimmediate,
        i.indisvalid, i.indpred IS NULL, i.indisreplident
    ORDER BY i.indrelid, x.relname
    """
).format(OURS_OR_SYSTEM)


def _relation(
    row: Row, columns: tuple[Column, ...], indexes: tuple[UniqueIndex, ...]
) -> Relation:
    oid, schema, name, kind, *rest = row
    values: list[Any] = [*rest, columns, indexes]
    return Relation(oid, schema, name, _KINDS[kind], *values)


def _read_columns(database: Database, *, expressions: bool) -> dict[int, list[Column]]:
    found = defaultdict(list)
    expression = _EXPRESSION if expressions else sql.Literal("")
    query = _COLUMNS.format(expression, OURS_OR_SYSTEM)
    for oid, *values in database.rows(query):
        found[oid].append(Column(*values))
    return found


def _read_indexes(database: Database) -> dict[int, list[UniqueIndex]]:
    found = defaultdict(list)
    for oid, name, columns, *flags in database.rows(_INDEXES):
        found[oid].append(UniqueIndex(name, tuple(columns), *flags))
    return found

"""What both catalogs have under the names that a playbook gives, for expanding blue.

Owns these queries, and a table as SQL text that the linter can learn. What follows from
them is decided in `expansion.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from psycopg import sql

from bluegreen.postgres.catalog.columns import Column
from bluegreen.postgres.catalog.constraints import read_constraints
from bluegreen.postgres.catalog.relations import Relation
from bluegreen.postgres.catalog.scope import OURS_OR_SYSTEM
from bluegreen.postgres.catalog.types import read_types
from bluegreen.postgres.database import Database
from bluegreen.postgres.user_session import verbatim


@dataclass(frozen=True, slots=True)
class Catalog:
    """What of one side's catalog names may mean.

    Attributes:
        version: the server's major version.
        tables: by `schema.table`.
        constraints: definition of CHECK, UNIQUE, FOREIGN KEY and EXCLUDE constraints by
            `schema.table.constraint`.
        indexes: definition of other unique indexes by `schema.table.index`.
        labels: labels of enums by `schema.type`, in order.
    """

    version: int
    tables: Mapping[str, Relation] = field(default_factory=dict)
    constraints: Mapping[str, str] = field(default_factory=dict)
    indexes: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def column(self, name: str) -> Column | None:
        """The column that `schema.table.column` names."""
        table, _, column = name.rpartition(".")
        found = self.tables.get(table)
        columns = found.columns if found else ()
        return next((one for one in columns if one.name == column), None)

    def knows(self, name: str) -> bool:
        """Whether the name means anything on this side."""
        known = (self.tables, self.constraints, self.indexes, self.labels)
        return any(name in one for one in known) or self.column(name) is not None


_CHECKED = sql.SQL("k.contype IN ('c', 'u', 'f', 'x')")

_INDEXES = sql.SQL(
    "SELECT n.nspname || '.' || c.relname || '.' || x.relname,"
    " pg_get_indexdef(i.indexrelid) FROM pg_index i"
    " JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class c ON c.oid = i.indrelid"
    " JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE i.indisunique AND NOT i.indisprimary AND NOT EXISTS ("
    "  SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid"
    "  AND k.contype IN ('u', 'x')) AND NOT {}"
).format(OURS_OR_SYSTEM)


def read_catalog(
    database: Database, relations: Iterable[Relation], version: int
) -> Catalog:
    """Read what expansions are decided by."""
    return Catalog(
        version,
        {r.full_name: r for r in relations if r.kind in {"table", "partitioned"}},
        _constraints(database),
        dict(database.rows(_INDEXES)),
        {
            ".".join(one.qualified): one.labels
            for one in read_types(database.rows)
            if one.kind == "e"
        },
    )


def constraint_names(database: Database) -> set[str]:
    """Every constraint and unique index, as `schema.table.name`."""
    return {*_constraints(database), *(name for name, _ in database.rows(_INDEXES))}


def _constraints(database: Database) -> dict[str, str]:
    return {
        ".".join((*one.table, one.name)): one.definition
        for _, one in read_constraints(database.rows, _CHECKED)
        if not one.of_partition
    }


def describe_table(database: Database, relation: Relation) -> str:
    """A table as SQL that the linter can learn it from: types, checks and indexes."""
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(c.name), verbatim(c.type))
        for c in relation.columns
    )
    own = sql.Identifier(relation.schema, relation.name)
    lines = [sql.SQL("CREATE TABLE {} ({})").format(own, columns).as_string(None)]
    its = sql.SQL("k.conrelid = {} AND k.contype IN ('c', 'f', 'p', 'u')")
    lines += [
        sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}")
        .format(own, sql.Identifier(one.name), verbatim(one.definition))
        .as_string(None)
        for _, one in read_constraints(database.rows, its.format(relation.oid))
        if not one.of_partition
    ]
    lines += [
        text
        for (text,) in database.rows(
            sql.SQL(
                "SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i"
                " WHERE i.indrelid = %s::bigint::oid AND NOT EXISTS ("
                "  SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)"
            ),
            (relation.oid,),
        )
    ]
    return ";\n".join(lines) + ";\n"


def estimated_rows(database: Database, relation: Relation) -> int | None:
    """Rows by the planner's statistics; None where they were not counted."""
    rows = database.value(
        sql.SQL("SELECT reltuples::bigint FROM pg_class WHERE oid = %s::bigint::oid"),
        (relation.oid,),
    )
    return int(rows) if rows >= 0 else None

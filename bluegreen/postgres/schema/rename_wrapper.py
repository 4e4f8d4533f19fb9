"""A shell: the old name of a renamed table, as a partitioned table around it.

Owns making, reading and removing it. Logical replication matches tables by name and
takes no view under the old name; a partitioned table whose one partition is the renamed
table takes the stream, and sends it back under the old name.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from bluegreen.postgres.catalog.relations import Relation
from bluegreen.postgres.database import Database

NOTE = "bluegreen: the old name of a renamed table, until blue is released"
"""The comment by which a shell is known for ours."""

LOCK_WAIT = "5s"


@dataclass(frozen=True, slots=True)
class RenameWrapper:
    """The old name and the table that stands under the new one."""

    schema: str
    name: str
    over_schema: str
    over: str

    @property
    def old(self) -> str:
        """`schema.table` as blue knows it."""
        return f"{self.schema}.{self.name}"

    @property
    def new(self) -> str:
        """`schema.table` as green's application knows it."""
        return f"{self.over_schema}.{self.over}"


def read_rename_wrappers(database: Database) -> tuple[RenameWrapper, ...]:
    """The shells of ours that stand in this database."""
    rows = database.rows(
        sql.SQL(
            "SELECT n.nspname, c.relname, m.nspname, p.relname FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace"
            " JOIN pg_inherits i ON i.inhparent = c.oid"
            " JOIN pg_class p ON p.oid = i.inhrelid"
            " JOIN pg_namespace m ON m.oid = p.relnamespace"
            " WHERE c.relkind = 'p'"
            " AND obj_description(c.oid, 'pg_class') = %s ORDER BY 1, 2"
        ),
        (NOTE,),
    )
    return tuple(RenameWrapper(*row) for row in rows)


def unfit(relation: Relation, version: int) -> str:
    """Why a renamed table cannot stand in a shell, in words; empty where it can."""
    if not relation.primary_key:
        return "it has no primary key"
    if version >= 17 and any(column.identity for column in relation.columns):
        # ATExecAttachPartition() in PostgreSQL's tablecmds.c.
        return f"PostgreSQL {version} attaches no table with an identity column"
    return ""


def make_rename_wrapper(
    database: Database, shell: RenameWrapper, key: tuple[str, ...]
) -> None:
    """Put the renamed table into a shell, in one transaction."""
    own = sql.Identifier(shell.schema, shell.name)
    over = sql.Identifier(shell.over_schema, shell.over)
    columns = sql.SQL(", ").join(map(sql.Identifier, key))
    with database.transaction() as session:
        session.execute(
            sql.SQL("SELECT set_config('lock_timeout', %s, true)"), (LOCK_WAIT,)
        )
        session.execute(
            sql.SQL(
                "CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS INCLUDING GENERATED)"
                " PARTITION BY RANGE ({})"
            ).format(own, over, columns)
        )
        session.execute(
            sql.SQL("ALTER TABLE {} ADD PRIMARY KEY ({})").format(own, columns)
        )
        session.execute(
            sql.SQL("ALTER TABLE {} ATTACH PARTITION {} DEFAULT").format(own, over)
        )
        session.execute(
            sql.SQL("COMMENT ON TABLE {} IS {}").format(own, sql.Literal(NOTE))
        )


def drop_rename_wrapper(database: Database, shell: RenameWrapper) -> None:
    """Take the table out of its shell and drop the old name, in one transaction."""
    own = sql.Identifier(shell.schema, shell.name)
    over = sql.Identifier(shell.over_schema, shell.over)
    with database.transaction() as session:
        session.execute(
            sql.SQL("SELECT set_config('lock_timeout', %s, true)"), (LOCK_WAIT,)
        )
        session.execute(sql.SQL("ALTER TABLE {} DETACH PARTITION {}").format(own, over))
        session.execute(sql.SQL("DROP TABLE {}").format(own))

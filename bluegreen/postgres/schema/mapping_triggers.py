"""Row triggers that keep columns of two shapes in step on green.

Owns the function, its trigger, reading and removing both. What follows from what is
said by the caller; rows that were there before are for `mapping_fill.py`.

The trigger is ENABLE ALWAYS, so that it fires for the apply worker too, and its
function pins search_path, as apply workers have an empty one. A change that comes with
the stream goes forward; one of green's application goes back where it sets the new
columns, and forward where it sets the old ones alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from bluegreen.postgres.database import Database
from bluegreen.postgres.user_session import verbatim

TRIGGER = "bluegreen_map"
LOCK_WAIT = "5s"

Connection = psycopg.Connection[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class MappedGroup:
    """Columns that follow from each other: expressions by column, both ways."""

    forward: Mapping[str, str]
    reverse: Mapping[str, str]
    given: Sequence[str]


@dataclass(frozen=True, slots=True)
class MappedTable:
    """One table's columns and what keeps them in step.

    Attributes:
        types: type by column that is made where it is missing.
    """

    schema: str
    table: str
    groups: Sequence[MappedGroup]
    types: Mapping[str, str]

    @property
    def name(self) -> sql.Identifier:
        """The table."""
        return sql.Identifier(self.schema, self.table)

    @property
    def function(self) -> sql.Identifier:
        """The trigger function, in our schema, so that no dump or comparison has it."""
        full = f"{self.schema}.{self.table}"
        digest = hashlib.sha256(full.encode()).hexdigest()[:12]
        return sql.Identifier("bluegreen", f"map_{digest}")

    @property
    def digest(self) -> str:
        """Short name of all that it says."""
        return hashlib.sha256(_body(self).as_string(None).encode()).hexdigest()[:16]


def read_mappings(database: Database) -> dict[tuple[str, str], str]:
    """Digest of the mapping of each table that has one and fires always."""
    rows = database.rows(
        sql.SQL(
            "SELECT n.nspname, c.relname, obj_description(t.tgfoid, 'pg_proc')"
            " FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
            " JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE t.tgname = %s AND t.tgparentid = 0 AND t.tgenabled = 'A'"
        ),
        (TRIGGER,),
    )
    return {(schema, table): str(digest) for schema, table, digest in rows}


def read_given(database: Database) -> dict[tuple[str, str], frozenset[str]]:
    """Columns of each table that its mapping gives a value of its own."""
    rows = database.rows(
        sql.SQL(
            "SELECT n.nspname, c.relname, string_to_array("
            "  substring(p.prosrc FROM 'gives: ([^\n]*)'), chr(1))"
            " FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid"
            " JOIN pg_class c ON c.oid = t.tgrelid"
            " JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE t.tgname = %s AND t.tgparentid = 0"
        ),
        (TRIGGER,),
    )
    return {(schema, table): frozenset(names or ()) for schema, table, names in rows}


def create_mapping(database: Database, table: MappedTable) -> None:
    """Make missing columns, the function and its trigger, in one transaction.

    Raises:
        SqlError: an expression does not fit the table, or the lock was not free.
    """
    with database.transaction() as session:
        session.execute(
            sql.SQL("SELECT set_config('lock_timeout', %s, true)"), (LOCK_WAIT,)
        )
        for column, kind in table.types.items():
            session.execute(
                sql.SQL("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {} {}").format(
                    table.name, sql.Identifier(column), verbatim(kind)
                )
            )
        for expression in _expressions(table):
            session.execute(
                sql.SQL("SELECT ({}\n) FROM {} LIMIT 0").format(
                    verbatim(expression), table.name
                )
            )
        session.execute(_function(table))
        session.execute(
            sql.SQL("COMMENT ON FUNCTION {}() IS {}").format(
                table.function, sql.Literal(table.digest)
            )
        )
        _attach(session, table)


def _attach(session: Connection, table: MappedTable) -> None:
    trigger = sql.Identifier(TRIGGER)
    session.execute(
        sql.SQL("DROP TRIGGER IF EXISTS {} ON {}").format(trigger, table.name)
    )
    session.execute(
        sql.SQL(
            "CREATE TRIGGER {} BEFORE INSERT OR UPDATE ON {}"
            " FOR EACH ROW EXECUTE FUNCTION {}()"
        ).format(trigger, table.name, table.function)
    )
    session.execute(
        sql.SQL("ALTER TABLE {} ENABLE ALWAYS TRIGGER {}").format(table.name, trigger)
    )


def drop_mapping(database: Database, schema: str, table: str) -> None:
    """Take trigger and function away; columns that it filled may be NULL from then on.

    Otherwise an application that writes the new columns alone could not write at all
    until the old ones are gone.
    """
    mapped = MappedTable(schema, table, (), {})
    columns = database.rows(
        sql.SQL(
            "SELECT a.attname FROM pg_attribute a"
            " WHERE a.attrelid = to_regclass(%s) AND a.attnotnull AND a.attnum > 0"
            " AND NOT a.attisdropped AND a.attname = ANY (coalesce((SELECT"
            "  string_to_array(substring(p.prosrc FROM 'fills: ([^\n]*)'), chr(1))"
            "  FROM pg_proc p WHERE p.oid = to_regprocedure(%s)), '{}'))"
            " AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid"
            "  AND (i.indisprimary OR i.indisreplident) AND a.attnum = ANY (i.indkey))"
        ),
        (
            mapped.name.as_string(None),
            mapped.function.as_string(None) + "()",
        ),
    )
    with database.transaction() as session:
        session.execute(
            sql.SQL("SELECT set_config('lock_timeout', %s, true)"), (LOCK_WAIT,)
        )
        for (column,) in columns:
            session.execute(
                sql.SQL("ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL").format(
                    mapped.name, sql.Identifier(column)
                )
            )
        session.execute(
            sql.SQL("DROP TRIGGER IF EXISTS {} ON {}").format(
                sql.Identifier(TRIGGER), mapped.name
            )
        )
        session.execute(sql.SQL("DROP FUNCTION IF EXISTS {}()").format(mapped.function))


def _expressions(table: MappedTable) -> Iterable[str]:
    for group in table.groups:
        yield from group.forward.values()
        yield from group.reverse.values()


def _function(table: MappedTable) -> sql.Composed:
    body = _body(table).as_string(None)
    return sql.SQL(
        "CREATE OR REPLACE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql"
        " SET search_path = pg_catalog, pg_temp AS {}"
    ).format(table.function, sql.Literal(body))


def _body(table: MappedTable) -> sql.Composed:
    fills = "\1".join(name for group in table.groups for name in group.reverse)
    gives = "\1".join(name for group in table.groups for name in group.forward)
    groups = sql.SQL("").join(map(_branch, table.groups))
    return sql.SQL(
        "\n#variable_conflict use_column\n-- fills: {}\n-- gives: {}\nDECLARE\n"
        "    forward boolean := pg_catalog.current_setting('session_replication_role')"
        " = 'replica'\n"
        "        OR coalesce(pg_catalog.current_setting('bluegreen.fill', true), '')"
        " = 'on';\n"
        "BEGIN\n{}    RETURN NEW;\nEND "
    ).format(verbatim(fills), verbatim(gives), groups)


def _branch(group: MappedGroup) -> sql.Composed:
    """What one group does on a write."""
    forward = _assign(group.forward)
    if not group.reverse:
        return sql.SQL(
            "    IF forward OR (TG_OP = 'INSERT' AND {blank})\n"
            "        OR (TG_OP = 'UPDATE' AND NOT ({news}) AND ({olds})) THEN\n"
            "{forward}    END IF;\n"
        ).format(
            blank=_all_null(group.forward),
            news=_changed(group.forward),
            olds=_changed(group.given),
            forward=forward,
        )
    return sql.SQL(
        "    IF forward OR (TG_OP = 'INSERT' AND {blank})\n"
        "        OR (TG_OP = 'UPDATE' AND NOT ({news}) AND ({olds})) THEN\n"
        "{forward}"
        "    ELSIF TG_OP = 'INSERT' OR {news} THEN\n"
        "{reverse}    END IF;\n"
    ).format(
        blank=_all_null(group.forward),
        news=_changed(group.forward),
        olds=_changed(group.given),
        forward=forward,
        reverse=_assign(group.reverse),
    )


def _assign(expressions: Mapping[str, str]) -> sql.Composed:
    return sql.SQL(
        "        SELECT {} INTO {} FROM (SELECT NEW.*) AS bluegreen_row;\n"
    ).format(
        sql.SQL(", ").join(
            sql.SQL("({}\n)").format(verbatim(text)) for text in expressions.values()
        ),
        sql.SQL(", ").join(
            sql.SQL("NEW.{}").format(sql.Identifier(name)) for name in expressions
        ),
    )


def _all_null(columns: Iterable[str]) -> sql.Composed:
    return sql.SQL(" AND ").join(
        sql.SQL("NEW.{} IS NULL").format(sql.Identifier(name)) for name in columns
    )


def _changed(columns: Iterable[str]) -> sql.Composable:
    """TG_OP is asked first; OLD is all NULL in an INSERT since version 11."""
    parts = [
        sql.SQL("NEW.{0} IS DISTINCT FROM OLD.{0}").format(sql.Identifier(name))
        for name in sorted(columns)
    ]
    return sql.SQL(" OR ").join(parts) if parts else sql.SQL("false")

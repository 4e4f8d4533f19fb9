"""Which tables and columns travel in a channel, and the publication that says so.

Owns choosing them by the catalogs of both sides, and reading, making and dropping the
publication. Always an explicit list: `FOR ALL TABLES` takes in every table that is ever
made, breaks the application's own UPDATE on one without a key, and allows no column
lists.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from psycopg import sql

from bluegreen.postgres.catalog.columns import Column
from bluegreen.postgres.catalog.relations import Relation, is_named
from bluegreen.postgres.database import Database

MARKER_TABLE = ("bluegreen", "marker")
COLUMN_LISTS_SINCE = 15

ColumnName = tuple[str, str, str]
"""Schema, table and column."""


@dataclass(frozen=True, slots=True, order=True)
class PublishedTable:
    """A table in a publication; `columns` is None where all of them travel.

    `through_root` says that it is a partitioned table whose partitions travel under
    its name.
    """

    schema: str
    name: str
    columns: tuple[str, ...] | None = None
    through_root: bool = False


def choose_tables(
    publisher: Iterable[Relation],
    subscriber: Iterable[Relation],
    *,
    exclude: Iterable[str] = (),
    through_root: Iterable[str] = (),
    kept_back: Collection[ColumnName] = frozenset(),
) -> tuple[PublishedTable, ...]:
    """The tables that both sides have, with a column list where the publisher has more.

    Partitions are named one by one and their parents not at all, so that a column
    list, a replica identity and a row's way are each table's own. A partitioned table
    whose twin is a plain one has no such twins for its partitions: those travel under
    its name. Pure.

    Args:
        publisher: all of its relations.
        subscriber: all of its relations.
        exclude: tables that stay behind, `schema.table`.
        through_root: partitioned tables whose partitions travel under their name.
        kept_back: columns of the publisher that are not sent though the subscriber has
            them.
    """
    there = {(r.schema, r.name): r for r in subscriber}
    named, spared = set(through_root), set(exclude)
    chosen = [PublishedTable(*MARKER_TABLE)]
    roots = set()
    others = []
    for relation in publisher:
        twin = there.get((relation.schema, relation.name))
        if twin is None or not _has_rows(twin) or is_named(relation, spared):
            continue
        if relation.kind == "partitioned" and (
            relation.full_name in named or twin.kind == "table"
        ):
            roots.add(relation.full_name)
            chosen.append(_published(relation, twin, kept_back))
        elif travels(relation):
            others.append((relation, twin))
    chosen += [
        _published(relation, twin, kept_back)
        for relation, twin in others
        if not relation.is_partition or relation.root_name not in roots
    ]
    return tuple(sorted(chosen, key=_by_name))


def _by_name(table: PublishedTable) -> tuple[str, str]:
    return table.schema, table.name


def _has_rows(relation: Relation) -> bool:
    return relation.kind in {"table", "partitioned"}


def travels(relation: Relation) -> bool:
    """Whether logical replication carries the relation's rows at all."""
    return (
        relation.holds_rows and relation.persistence == "p" and not relation.extension
    )


def _published(
    relation: Relation, twin: Relation, kept_back: Collection[ColumnName]
) -> PublishedTable:
    takes = {column.name for column in twin.columns if not column.generated}
    takes -= {c for s, t, c in kept_back if (s, t) == (relation.schema, relation.name)}
    sent = [column.name for column in relation.columns if not column.generated]
    common = tuple(name for name in sent if name in takes)
    return PublishedTable(
        relation.schema,
        relation.name,
        None if len(common) == len(sent) else common,
        through_root=relation.kind == "partitioned",
    )


def obstacles(
    tables: Iterable[PublishedTable],
    publisher: Iterable[Relation],
    subscriber: Iterable[Relation],
    publisher_version: int,
) -> list[str]:
    """What would break apply, or the application's own writes, in words. Pure.

    The laws: every published column must be on the subscriber; a column without a value
    must be nullable or have a default; the subscriber's key must be sent; a column list
    must hold the whole replica identity and cannot meet REPLICA IDENTITY FULL
    (PostgreSQL docs, "Column Lists").
    """
    here = {(r.schema, r.name): r for r in publisher}
    there = {(r.schema, r.name): r for r in subscriber}
    found = []
    for table in tables:
        key = (table.schema, table.name)
        if key != MARKER_TABLE:
            found += _obstacles(table, here[key], there[key], publisher_version)
    return found


def _obstacles(
    table: PublishedTable, publisher: Relation, subscriber: Relation, version: int
) -> list[str]:
    sent = set(table.columns or [c.name for c in publisher.columns if not c.generated])
    found = [
        f"{subscriber.quoted}.{column.name} is NOT NULL without a default and is not "
        "sent"
        for column in subscriber.columns
        if column.name not in sent and _must_be_sent(column)
    ]
    # With FULL there may be nothing to send, and whole rows are compared all the same.
    if not publisher.identity_columns and publisher.replica_identity != "f":
        found.append(f"{publisher.quoted} has no replica identity: UPDATE would fail")
    if publisher.replica_identity != "f" and publisher.identity_columns:
        if not subscriber.found_by:
            found.append(
                f"{subscriber.quoted} has no key, and {publisher.quoted} sends one"
            )
        elif not set(subscriber.found_by) <= set(publisher.identity_columns):
            found.append(
                f"{subscriber.quoted} has a key that {publisher.quoted} does not send"
            )
    if table.columns is None:
        return found
    extra = [
        c.name for c in publisher.columns if not c.generated and c.name not in sent
    ]
    columns = ", ".join(extra)
    if version < COLUMN_LISTS_SINCE:
        found.append(
            f"{publisher.quoted} has more columns ({columns}) and PostgreSQL {version} "
            "has no column lists (since 15)"
        )
    if publisher.replica_identity == "f":
        found.append(
            f"{publisher.quoted} has more columns ({columns}) and REPLICA IDENTITY "
            "FULL, which a column list cannot meet"
        )
    elif not set(publisher.identity_columns) <= sent:
        found.append(f"{subscriber.quoted} lacks a column of {publisher.quoted}'s key")
    return found


def _must_be_sent(column: Column) -> bool:
    return column.not_null and not (
        column.default or column.identity or column.generated
    )


def read_publication(
    database: Database, name: str
) -> tuple[PublishedTable, ...] | None:
    """The tables of a publication, or None where it does not exist."""
    exists = sql.SQL("SELECT EXISTS (SELECT FROM pg_publication WHERE pubname = %s)")
    if not database.value(exists, (name,)):
        return None
    lists = server_version(database) >= COLUMN_LISTS_SINCE
    columns = sql.SQL(
        "(SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a"
        " WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs))"
        if lists
        else "NULL::text[]"
    )
    rows = database.rows(
        sql.SQL(
            "SELECT n.nspname, c.relname, {}, c.relkind = 'p' FROM pg_publication_rel r"
            " JOIN pg_publication p ON p.oid = r.prpubid"
            " JOIN pg_class c ON c.oid = r.prrelid"
            " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE p.pubname = %s"
        ).format(columns),
        (name,),
    )
    return tuple(sorted((_read(*row) for row in rows), key=_by_name))


def _read(
    schema: str, name: str, columns: list[str] | None, parted: bool
) -> PublishedTable:
    return PublishedTable(schema, name, tuple(columns) if columns else None, parted)


def publish(database: Database, name: str, tables: tuple[PublishedTable, ...]) -> None:
    """Make the publication, or bring its list of tables to what is wanted.

    A partition that is listed by itself travels under its own name even with
    publish_via_partition_root: only ancestors in the publication count
    (get_rel_sync_entry() in PostgreSQL's pgoutput.c).
    """
    listed = sql.SQL(", ").join(_listed(table) for table in tables)
    root = sql.Literal(any(table.through_root for table in tables))
    own = sql.Identifier(name)
    if read_publication(database, name) is None:
        database.run(
            sql.SQL(
                "CREATE PUBLICATION {} FOR TABLE {}"
                " WITH (publish_via_partition_root = {})"
            ).format(own, listed, root)
        )
        return
    with database.transaction() as session:
        # PostgreSQL refuses a list with a partitioned table while the option is off.
        off = sql.SQL("ALTER PUBLICATION {} SET (publish_via_partition_root = {})")
        session.execute(off.format(own, sql.Literal(True)))
        session.execute(
            sql.SQL("ALTER PUBLICATION {} SET TABLE {}").format(own, listed)
        )
        session.execute(off.format(own, root))


def drop_publication(database: Database, name: str) -> None:
    """Drop the publication if it is there."""
    database.run(sql.SQL("DROP PUBLICATION IF EXISTS {}").format(sql.Identifier(name)))


def subscribed_tables(database: Database, name: str) -> frozenset[tuple[str, str]]:
    """Schema and name of every table that a subscription of this database takes."""
    rows = database.rows(
        sql.SQL(
            "SELECT n.nspname, c.relname FROM pg_subscription_rel r"
            " JOIN pg_subscription s ON s.oid = r.srsubid"
            " JOIN pg_class c ON c.oid = r.srrelid"
            " JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE s.subname = %s AND s.subdbid ="
            " (SELECT oid FROM pg_database WHERE datname = current_database())"
        ),
        (name,),
    )
    return frozenset((schema, table) for schema, table in rows)


def server_version(database: Database) -> int:
    """The server's major version, 13 … 18."""
    number = database.value(
        sql.SQL("SELECT current_setting('server_version_num')::integer")
    )
    return int(number) // 10000


def _listed(table: PublishedTable) -> sql.Composed:
    # ONLY: children by inheritance are listed by themselves.
    name = sql.SQL("ONLY {}").format(sql.Identifier(table.schema, table.name))
    if table.columns is None:
        return name
    names = sql.SQL(", ").join(map(sql.Identifier, table.columns))
    return sql.SQL("{} ({})").format(name, names)


def published_by_others(
    database: Database, ours: Sequence[str]
) -> set[tuple[str, str]]:
    """Tables in publications that are not among these."""
    published = sql.SQL(
        "SELECT schemaname, tablename FROM pg_publication_tables"
        " WHERE pubname <> ALL (%s)"
    )
    return set(database.rows(published, (list(ours),)))

"""Which tables are compared, by which columns and which key.

Owns pairing blue's tables with green's. How a pair is compared is in `rows.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from psycopg import sql

from bluegreen.model.side import Side
from bluegreen.postgres.catalog.relations import Relation, read_relations
from bluegreen.postgres.compare.checksum import ColumnType, SharedColumn, TablePlan
from bluegreen.postgres.database import Database
from bluegreen.postgres.replication.publication import PublishedTable

RECORD_HASH_SINCE = 14
"""The first major version that can hash a record."""

Types = Mapping[int, Mapping[str, ColumnType]]


def read_plans(
    blue: Database, green: Database, subscription: str
) -> tuple[TablePlan, ...]:
    """Plans for the tables that both sides have.

    Where the subscription exists, only for those that it feeds; a partitioned table
    is compared as a whole, and its partitions not one by one.
    """
    fed = _fed_roots(green, subscription)
    return plan_tables(
        (read_relations(blue), _read_types(blue)),
        (read_relations(green), _read_types(green)),
        only=fed,
        record=min(blue.major, green.major) >= RECORD_HASH_SINCE,
    )


def plan_single(database: Database, *, record: bool) -> tuple[TablePlan, ...]:
    """Plans for all tables of one database, with all their columns."""
    here = (read_relations(database), _read_types(database))
    return plan_tables(here, here, only=None, record=record)


def plan_tables(
    blue: tuple[Sequence[Relation], Types],
    green: tuple[Sequence[Relation], Types],
    *,
    only: Collection[str] | None,
    record: bool,
) -> tuple[TablePlan, ...]:
    """Pair relations by name. Pure. `only` holds `schema.table`; None means all."""
    there = {relation.full_name: relation for relation in green[0] if _counts(relation)}
    plans = []
    for here in filter(_counts, blue[0]):
        twin = there.get(here.full_name)
        if twin is None or (only is not None and here.full_name not in only):
            continue
        columns = _shared(blue[1].get(here.oid, {}), green[1].get(twin.oid, {}))
        sides = {Side.BLUE: here, Side.GREEN: twin}
        whole = {side for side, one in sides.items() if one.kind == "partitioned"}
        plans.append(
            TablePlan(
                here.schema,
                here.name,
                columns,
                _key(here, {column.name for column in columns}),
                frozenset(whole),
                record,
            )
        )
    return tuple(plans)


def sent_only(
    plans: Iterable[TablePlan],
    published: Iterable[PublishedTable],
    given: Mapping[tuple[str, str], Collection[str]],
) -> tuple[TablePlan, ...]:
    """The plans less the columns on which both sides rightly do not agree. Pure.

    Args:
        plans: all columns that both sides have.
        published: tables as blue sends them; it was given some columns for what green
            will send back, and keeps them back by a list.
        given: columns by table that a mapping on green gives a value of its own.
    """
    lists = {(t.schema, t.name): t.columns for t in published}
    return tuple(
        _sent(plan, lists.get(name), given.get(name, ()))
        for plan in plans
        for name in [(plan.schema, plan.name)]
    )


def _sent(
    plan: TablePlan, sent: Collection[str] | None, given: Collection[str]
) -> TablePlan:
    columns = tuple(
        column
        for column in plan.columns
        if (sent is None or column.name in sent) and column.name not in given
    )
    key = plan.key if set(plan.key) <= {column.name for column in columns} else ()
    return replace(plan, columns=columns, key=key)


def subscription_oid(database: Database, name: str) -> int:
    """OID of a subscription of this database, 0 where there is none."""
    rows = database.rows(
        sql.SQL(
            "SELECT s.oid::bigint FROM pg_subscription s"
            " JOIN pg_database d ON d.oid = s.subdbid"
            " WHERE s.subname = %s AND d.datname = current_database()"
        ),
        (name,),
    )
    return int(rows[0][0]) if rows else 0


def _counts(relation: Relation) -> bool:
    return (
        relation.kind in {"table", "partitioned"}
        and not relation.is_partition
        and not relation.extension
    )


def _shared(
    blue: Mapping[str, ColumnType], green: Mapping[str, ColumnType]
) -> tuple[SharedColumn, ...]:
    return tuple(
        SharedColumn(name, type_, green[name])
        for name, type_ in blue.items()
        if name in green
    )


def _key(relation: Relation, shared: Collection[str]) -> tuple[str, ...]:
    """Columns of the primary key, else of the narrowest usable unique index."""
    usable = sorted(
        (index for index in relation.indexes if index.usable),
        key=lambda index: (not index.primary, len(index.columns), index.name),
    )
    for index in usable:
        if set(index.columns) <= set(shared):
            return index.columns
    return ()


def _read_types(database: Database) -> Types:
    found: dict[int, dict[str, ColumnType]] = defaultdict(dict)
    for oid, name, *words in database.rows(_TYPES):
        found[oid][name] = ColumnType(*words)
    return found


def _fed_roots(database: Database, subscription: str) -> set[str] | None:
    rows = database.rows(_FED, (subscription,))
    return {name for (name,) in rows} if rows else None


# A domain is compared as the type under it. Strategy 3 of btree is equality.
_TYPES = sql.SQL(
    """
    WITH RECURSIVE based (oid, base, modifier) AS (
        SELECT oid, oid, NULL::integer FROM pg_type WHERE typtype <> 'd'
        UNION ALL
        SELECT d.oid, b.base, coalesce(b.modifier, NULLIF(d.typtypmod, -1))
        FROM pg_type d JOIN based b ON b.oid = d.typbasetype WHERE d.typtype = 'd'
    ), equality (type, schema) AS (
        SELECT k.opcintype, n.nspname
        FROM pg_opclass k
        JOIN pg_am m ON m.oid = k.opcmethod AND m.amname = 'btree'
        JOIN pg_amop p ON p.amopfamily = k.opcfamily AND p.amopstrategy = 3
            AND p.amoplefttype = k.opcintype AND p.amoprighttype = k.opcintype
        JOIN pg_operator o ON o.oid = p.amopopr AND o.oprname = '='
        JOIN pg_namespace n ON n.oid = o.oprnamespace
        WHERE k.opcdefault AND n.nspname <> 'pg_catalog'
    )
    SELECT a.attrelid::bigint, a.attname,
        CASE WHEN t.typnamespace = 'pg_catalog'::regnamespace THEN t.typname::text
            ELSE format_type(t.oid, NULL) END,
        format_type(t.oid, coalesce(b.modifier, NULLIF(a.atttypmod, -1))),
        coalesce(e.schema, '')
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
    JOIN based b ON b.oid = a.atttypid
    JOIN pg_type t ON t.oid = b.base
    LEFT JOIN equality e ON e.type = t.oid
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relpersistence <> 't'
    ORDER BY a.attrelid, a.attnum
    """
)

_FED = sql.SQL(
    """
    SELECT DISTINCT n.nspname || '.' || c.relname
    FROM pg_subscription s
    JOIN pg_database d ON d.oid = s.subdbid AND d.datname = current_database()
    JOIN pg_subscription_rel r ON r.srsubid = s.oid
    JOIN pg_class leaf ON leaf.oid = r.srrelid
    JOIN pg_class c ON c.oid = CASE WHEN leaf.relispartition
        THEN coalesce(pg_partition_root(leaf.oid), leaf.oid) ELSE leaf.oid END
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE s.subname = %s AND n.nspname <> 'bluegreen'
    """
)

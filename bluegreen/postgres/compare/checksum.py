"""The canonical form of a row, alike on both sides, and hashes over it.

Owns which cast makes two types comparable, the hash expressions, and the SQL that sums
them in buckets of the key. What equal and unequal sums mean is for `rows.py`.

A row is hashed as a record of its common columns, hashed once more and summed, so that
values swapped between two rows show. PostgreSQL's hash functions take 1.10 and 1.1, -0
and 0, 24 h and 1 day as equal: such types go through text, which is strict.
`hash_record_extended` came with 14; with 13 on either side the record's text is hashed,
which costs twice the time. Both forms give the same numbers on 13 to 18.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from psycopg import sql

from bluegreen.model.side import Side
from bluegreen.postgres.user_session import verbatim

COARSE_BITS = 10
"""1,024 buckets cost about as much as one plain sum."""

FINE_BITS = 20
"""About a million buckets still fit a server's hash table, and hold few rows each."""

SESSION = {
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "lc_monetary": "C",
    # A policy that hides rows must be an error and not a smaller count.
    "row_security": "off",
}
"""What the text of a value rests on, beside what all our sessions pin."""

_INTEGERS = {"int2", "int4", "int8"}
_TEXTS = {"text", "varchar", "bpchar", "name"}
_FLOATS = {"float4", "float8"}
_MOMENTS = {"date", "timestamp", "timestamptz"}
# Types whose own hash tells every two values apart.
_STRICT = {"bool", "bytea", "date", "oid", "time", "timestamp", "timestamptz", "uuid"}


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A column's type on one side.

    Attributes:
        base: name of the type in pg_catalog, domains looked through; for a type that
            is not PostgreSQL's own, its full name.
        full: with length and precision, for a cast back from text.
        equality: schema of the operator by which its keys are equal; empty for
            pg_catalog, which alone is on our search_path.
    """

    base: str
    full: str
    equality: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class SharedColumn:
    """A column that both sides have."""

    name: str
    blue: ColumnType
    green: ColumnType

    def on(self, side: Side) -> ColumnType:
        """Its type on one side."""
        return self.blue if side is Side.BLUE else self.green


@dataclass(frozen=True, slots=True)
class TablePlan:
    """How one table is compared.

    Attributes:
        schema: the same on both sides.
        name: the same on both sides.
        columns: what both sides have.
        key: columns that tell rows apart; empty for a table without a key.
        whole: sides on which the table is partitioned and read with its partitions.
        record: use the hash of records; both sides are 14 or newer.
    """

    schema: str
    name: str
    columns: tuple[SharedColumn, ...]
    key: tuple[str, ...] = ()
    whole: frozenset[Side] = frozenset()
    record: bool = True

    @property
    def full_name(self) -> str:
        """`schema.table`."""
        return f"{self.schema}.{self.name}"

    @property
    def key_columns(self) -> tuple[SharedColumn, ...]:
        """The key's columns in its order."""
        known = {column.name: column for column in self.columns}
        return tuple(known[name] for name in self.key)


def canonical(column: SharedColumn, side: Side) -> sql.Composed:
    """The column as an expression whose value is the same on both sides.

    Types on both sides decide: bigint and integer meet as bigint, text and varchar as
    text, a timestamp is taken as UTC. Whatever is not named meets as text.
    """
    types = {column.blue.base, column.green.base}
    form = _form(column.on(side).base, types, same=column.blue == column.green)
    return form.format(sql.Identifier("t", column.name))


def bucket_query(
    plan: TablePlan, side: Side, bits: int, within: int = 0
) -> sql.Composed:
    """Count and sum of each bucket of `2 ** bits`: rows (bucket, count, sum).

    With `within`, its one parameter is a list of buckets of `2 ** within` to stay in.
    """
    return sql.SQL(
        "SELECT k & {}, count(*), {} FROM (SELECT {} AS k, {} AS h FROM {}) s{}"
        " GROUP BY 1"
    ).format(
        sql.Literal(_mask(bits)),
        _SUM,
        _key_hash(plan, side),
        _row_hash(plan, side),
        _table(plan, side),
        _within(within),
    )


def row_query(plan: TablePlan, side: Side, within: int) -> sql.Composed:
    """Count and sum of each key in some buckets: rows (key as texts, count, sum).

    A table without a key has its row hashes for keys.
    """
    return sql.SQL(
        "SELECT name, count(*), {} FROM (SELECT {} AS name, {} AS k, {} AS h FROM {}) s"
        "{} GROUP BY 1"
    ).format(
        _SUM,
        _key_texts(plan, side),
        _key_hash(plan, side),
        _row_hash(plan, side),
        _table(plan, side),
        _within(within),
    )


def look_up_query(plan: TablePlan, side: Side) -> sql.Composed:
    """The same for some keys; one parameter, a list of texts, for each key column."""
    if not plan.key:
        return sql.SQL(
            "SELECT ARRAY[h::text], count(*), {} FROM (SELECT {} AS h FROM {}) s"
            " WHERE h IN (SELECT unnest(%s::int8[])) GROUP BY 1"
        ).format(_SUM, _row_hash(plan, side), _table(plan, side))
    return sql.SQL(
        "SELECT name, count(*), {} FROM (SELECT {} AS name, {} AS h FROM {} JOIN {})"
        " s GROUP BY 1"
    ).format(
        _SUM,
        _key_texts(plan, side),
        _row_hash(plan, side),
        _table(plan, side),
        _wanted(plan, side),
    )


def cell_query(plan: TablePlan, side: Side) -> sql.Composed:
    """Every column's canonical text of some rows, by key: rows (key, texts)."""
    cells = [_as_text(column, side) for column in plan.columns]
    return sql.SQL("SELECT {}, ARRAY[{}]::text[] FROM {} JOIN {}").format(
        _key_texts(plan, side),
        sql.SQL(", ").join(cells),
        _table(plan, side),
        _wanted(plan, side),
    )


def count_query(plan: TablePlan, side: Side) -> sql.Composed:
    """How many rows there are."""
    return sql.SQL("SELECT count(*) FROM {}").format(_table(plan, side))


# As text: a million sums as Decimal objects cost seconds here.
_SUM = sql.SQL("sum(hashint8extended(h, 1))::text")


def _form(here: str, types: set[str], *, same: bool) -> sql.SQL:
    """How a column of one side's type is written, `{}` standing for it."""
    if types <= _INTEGERS:
        return sql.SQL("{}::int8")
    if types <= _INTEGERS | {"bool"} and len(types) > 1:
        return sql.SQL("{}::int4::int8" if here == "bool" else "{}::int8")
    if len(types) == 1 and types <= _STRICT:
        return sql.SQL("{}")
    if types <= _MOMENTS:
        zoned = here == "timestamptz"
        return sql.SQL("({} AT TIME ZONE 'UTC')" if zoned else "{}::timestamp")
    if types <= _INTEGERS | {"numeric"} and not same:
        # Another scale is a change of type and not of value: 1.1 is 1.1000 there.
        return sql.SQL("trim_scale({}::numeric)::text")
    if types == _FLOATS:
        return sql.SQL("{}::float4::text")
    if types == {"json", "jsonb"}:
        return sql.SQL('({}::jsonb::text COLLATE "C")')
    return sql.SQL('({}::text COLLATE "C")')


def _hash(plan: TablePlan, parts: Sequence[sql.Composed]) -> sql.Composed:
    row = sql.SQL("ROW({})").format(sql.SQL(", ").join(parts))
    if plan.record:
        return sql.SQL("hash_record_extended({}, 0)").format(row)
    return sql.SQL('hashtextextended({}::text COLLATE "C", 0)').format(row)


def _row_hash(plan: TablePlan, side: Side) -> sql.Composed:
    return _hash(plan, [canonical(column, side) for column in plan.columns])


def _key_hash(plan: TablePlan, side: Side) -> sql.Composed:
    columns = plan.key_columns or plan.columns
    return _hash(plan, [canonical(column, side) for column in columns])


def _key_texts(plan: TablePlan, side: Side) -> sql.Composed:
    if not plan.key:
        return sql.SQL("ARRAY[{}::text]").format(_row_hash(plan, side))
    texts = [_as_text(column, side) for column in plan.key_columns]
    return sql.SQL("ARRAY[{}]").format(sql.SQL(", ").join(texts))


def _as_text(column: SharedColumn, side: Side) -> sql.Composed:
    return sql.SQL("{}::text").format(canonical(column, side))


def _table(plan: TablePlan, side: Side) -> sql.Composed:
    only = sql.SQL("" if side in plan.whole else "ONLY ")
    return sql.SQL("{}{} AS t").format(only, sql.Identifier(plan.schema, plan.name))


def _wanted(plan: TablePlan, side: Side) -> sql.Composed:
    """The keys that are looked for, cast back to this side's types for its index."""
    names = [sql.Identifier(f"k{number}") for number in range(len(plan.key))]
    casts = [
        # format_type() quotes what it prints; a type has no other spelling in SQL.
        sql.SQL("{} OPERATOR({}.=) w.{}::{}").format(
            sql.Identifier("t", column.name),
            sql.Identifier(column.on(side).equality or "pg_catalog"),
            name,
            verbatim(column.on(side).full),
        )
        for column, name in zip(plan.key_columns, names, strict=True)
    ]
    return sql.SQL("unnest({}) AS w ({}) ON {}").format(
        sql.SQL(", ").join(sql.SQL("%s::text[]") for _ in names),
        sql.SQL(", ").join(names),
        sql.SQL(" AND ").join(casts),
    )


def _within(bits: int) -> sql.Composed:
    if not bits:
        return sql.Composed([])
    # = ANY of an array is searched from its start for each row before 14.
    return sql.SQL(" WHERE k & {} IN (SELECT unnest(%s::int8[]))").format(
        sql.Literal(_mask(bits))
    )


def _mask(bits: int) -> int:
    return (1 << bits) - 1

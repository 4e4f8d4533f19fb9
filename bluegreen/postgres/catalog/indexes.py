"""The indexes of a database's tables and materialized views. Owns reading them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from bluegreen.postgres.catalog.columns import Column
from bluegreen.postgres.catalog.scope import ALL, OURS_OR_SYSTEM, Ask, by_table
from bluegreen.postgres.quoting import quote_name


@dataclass(frozen=True, slots=True)
class Index:
    """An index, in the words of pg_index.

    Attributes:
        columns: those of its key, an expression as an empty name; not those that it
            only includes.
        chosen: it is the table's REPLICA IDENTITY USING INDEX.
        definition: as `pg_get_indexdef` prints it; empty where it was not asked for.
        not_null: each part of the key is a column that is NOT NULL.
    """

    name: str
    columns: tuple[str, ...]
    unique: bool = False
    primary: bool = False
    exclusion: bool = False
    valid: bool = True
    immediate: bool = True
    chosen: bool = False
    partial: bool = False
    definition: str = ""
    not_null: bool = True

    @property
    def quoted(self) -> str:
        """The name as it is pasted into SQL by a person."""
        return quote_name(self.name)

    @property
    def usable(self) -> bool:
        """Whether it may be the replica identity; a DEFERRABLE key may not.

        RelationGetIndexList() in PostgreSQL's relcache.c.
        """
        sound = self.unique and self.immediate and self.valid
        return sound and self.not_null and not self.partial


def read_indexes(
    ask: Ask, columns: Mapping[int, tuple[Column, ...]], *, whole: bool = False
) -> Mapping[int, tuple[Index, ...]]:
    """Indexes by their table's OID, in order of name.

    Args:
        ask: runs the query.
        columns: of all tables, by OID.
        whole: read those that are not unique too, and definitions, for which
            PostgreSQL takes an ACCESS SHARE lock where an index computes something.
    """
    query = _INDEXES.format(
        definition=_DEFINITION if whole else sql.SQL("''"),
        only=ALL if whole else sql.SQL("i.indisunique"),
        ours=OURS_OR_SYSTEM,
    )
    return by_table(
        (oid, _index(name, _key(columns.get(oid, ()), numbers), values))
        for oid, name, numbers, *values in ask(query)
    )


def _key(columns: Iterable[Column], numbers: Sequence[int]) -> list[Column | None]:
    found = {
        column.position: column for column in columns if column.position in numbers
    }
    return [found.get(number) for number in numbers]


def _index(name: str, key: list[Column | None], values: list[Any]) -> Index:
    not_null = all(column is not None and column.not_null for column in key)
    names = tuple(column.name if column else "" for column in key)
    made: list[Any] = [*values, not_null]
    return Index(name, names, *made)


_DEFINITION = sql.SQL("pg_catalog.pg_get_indexdef(i.indexrelid)")

_INDEXES = sql.SQL(
    """
    SELECT i.indrelid::bigint, x.relname,
        (i.indkey::pg_catalog.int2[])[0:i.indnkeyatts - 1],
        i.indisunique, i.indisprimary, i.indisexclusion, i.indisvalid, i.indimmediate,
        i.indisreplident, i.indpred IS NOT NULL, {definition}
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
    JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't' AND {only}
        AND NOT {ours}
    ORDER BY x.relname
    """
)

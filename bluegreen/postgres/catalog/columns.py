"""The columns of a database's tables and views. Owns reading them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from psycopg import sql

from bluegreen.postgres.catalog.scope import OURS_OR_SYSTEM, Ask, by_table


@dataclass(frozen=True, slots=True)
class Column:
    """A column that has not been dropped, in the words of pg_attribute.

    Attributes:
        type: as `format_type` prints it, with length and precision.
        default: the default's or generated expression, empty where there is none.
            DEFAULT NULL is none, but for a domain, whose own default it takes away.
        generated: empty, `s` stored or `v` virtual (18).
        identity: empty, `a` always or `d` by default.
        position: attnum, which a dropped column keeps for itself.
        plain_type: the type without length and precision; read for a whole picture.
        collation: as it is pasted into SQL, empty where it is the type's; the same.
    """

    name: str
    type: str
    not_null: bool = False
    default: str = ""
    generated: str = ""
    identity: str = ""
    position: int = 0
    plain_type: str = ""
    collation: str = ""

    @property
    def full_type(self) -> str:
        """The type with a collation of the column's own."""
        return f"{self.type} COLLATE {self.collation}" if self.collation else self.type

    @property
    def fills_itself(self) -> bool:
        """Whether an INSERT that does not name it still gives it a value."""
        return bool(self.default or self.generated or self.identity)


def read_columns(
    ask: Ask, *, expressions: bool = True, whole: bool = False
) -> Mapping[int, tuple[Column, ...]]:
    """Columns by their relation's OID, in table order.

    Args:
        ask: runs the query.
        expressions: read defaults, see `read_relations`.
        whole: read plain types and collations too, a third of the time again.
    """
    query = _COLUMNS.format(
        default=_DEFAULT if expressions else sql.SQL("''"),
        more=_MORE if whole else sql.SQL("'', ''"),
        ours=OURS_OR_SYSTEM,
    )
    rows = ask(query)
    domains = {name for (name,) in ask(_DOMAINS)} if expressions else set()
    return by_table(
        (oid, _defaulted(Column(*values), domains)) for oid, *values in rows
    )


def _defaulted(column: Column, domains: AbstractSet[str]) -> Column:
    """What PostgreSQL stores of `varchar(9) DEFAULT NULL`, cast and all, is none."""
    if not column.default.startswith("NULL") or column.generated:
        return column
    none = column.type not in domains and _NULL.fullmatch(column.default)
    return replace(column, default="") if none else column


_NULL = re.compile(r"NULL(::.*)?", re.DOTALL)

_DOMAINS = sql.SQL(
    "SELECT pg_catalog.format_type(oid, NULL) FROM pg_catalog.pg_type"
    " WHERE typtype = 'd'"
)
_DEFAULT = sql.SQL("coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), '')")
_MORE = sql.SQL(
    "pg_catalog.format_type(a.atttypid, NULL),"
    " CASE WHEN a.attcollation = 0 OR a.attcollation = (SELECT t.typcollation"
    " FROM pg_catalog.pg_type t WHERE t.oid = a.atttypid) THEN ''"
    " ELSE a.attcollation::pg_catalog.regcollation::text END"
)
_COLUMNS = sql.SQL(
    """
    SELECT a.attrelid::bigint, a.attname,
        pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, {default},
        a.attgenerated::text, a.attidentity::text, a.attnum, {more}
    FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_attrdef d
        ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attnum > 0 AND NOT a.attisdropped
        AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't'
        AND NOT {ours}
    ORDER BY a.attrelid, a.attnum
    """
)

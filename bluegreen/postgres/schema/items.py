"""A database's schema as a list of named things with their definitions.

Owns reading them, all of one moment. The queries are in `item_queries.py`: the server
puts each definition together, so they are none of `postgres/catalog`. What a difference
means is for `compare.py`.

Left out: our own schema and fence triggers, members of extensions, publications and
subscriptions, comments, statistics targets, and what each version of the catalog keeps
for itself (NOT NULL as constraints in 18, the privilege MAINTAIN from 17 on). The
session's search_path must be `pg_catalog, pg_temp`, so that every definition names its
schemas. Names in keys are quoted as messages quote them, and those in definitions all:
which ones a server would quote depends on the key words of its version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from bluegreen.postgres.database import (
    DROPPED_MEANWHILE,
    DROPPED_TRIES,
    Database,
    SqlError,
)
from bluegreen.postgres.quoting import QUOTE_ALL, fewer_quotes
from bluegreen.postgres.schema.item_queries import QUERIES


@dataclass(frozen=True, slots=True)
class Item:
    """One thing of a schema.

    Attributes:
        kind: `table`, `column`, `grant` and so on.
        name: with its schema and, where it has one, its table.
        parent: key of the thing that it goes with; empty where it stands alone.
        definition: what must be the same on both sides; may be empty.
        expressions: those that stand in the definition, in this order.
        source: what a query over the expressions reads from.
    """

    kind: str
    name: str
    parent: str
    definition: str
    expressions: tuple[str, ...] = ()
    source: str = ""

    @property
    def key(self) -> str:
        """`column public.orders.note`, as a playbook's `differs` names it."""
        return f"{self.kind} {self.name}"


_GONE = {DROPPED_MEANWHILE, "42P01", "42704"}
"""What a look says of a thing that was dropped a moment ago."""


def read_items(database: Database, tries: int = DROPPED_TRIES) -> dict[str, Item]:
    """Everything that is compared, by key, in a stable order.

    All of one moment: a table that comes or goes meanwhile is there with all its parts
    or not at all.
    """
    try:
        found = {item.key: item for item in _read(database)}
    except SqlError as error:
        if tries <= 1 or error.sqlstate not in _GONE:
            raise
        return read_items(database, tries - 1)
    return dict(sorted(found.items()))


def _read(database: Database) -> list[Item]:
    with database.transaction() as own:
        own.execute(_ONE_MOMENT)
        own.execute(QUOTE_ALL)
        rows = [row for query in QUERIES for row in own.execute(query).fetchall()]
    # A definition is NULL where the thing was dropped while it was read.
    return [_item(*row) for row in rows if row[3] is not None]


def _item(
    kind: str,
    name: str,
    parent: str,
    definition: str,
    expressions: Sequence[str | None] | None = None,
    source: str = "",
) -> Item:
    found = tuple(one for one in expressions or () if one is not None)
    return Item(
        kind, fewer_quotes(name), fewer_quotes(parent), definition, found, source
    )


_ONE_MOMENT = sql.SQL("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")

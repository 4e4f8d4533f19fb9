"""The triggers of a database's tables, less our own. Owns reading them."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from bluegreen.postgres.catalog.scope import ALL, OURS_OR_SYSTEM, Ask, Name, frozen


@dataclass(frozen=True, slots=True)
class Trigger:
    """A user's trigger, `enabled` as in pg_trigger.tgenabled (O, D, R, A).

    Attributes:
        function: name and argument types, as it is pasted into SQL.
        body: the function's source text.
        language: that it is written in.
        pinned: the function has a search_path of its own.
        definition: as `pg_get_triggerdef` prints it; empty where not asked for.
    """

    name: str
    enabled: str
    row: bool
    on_insert: bool
    function: str
    body: str = ""
    on_update: bool = False
    on_delete: bool = False
    language: str = ""
    pinned: bool = False
    table: Name = ("", "")

    @property
    def fires_on_apply(self) -> bool:
        """ENABLE REPLICA and ENABLE ALWAYS: what an apply worker's session fires."""
        return self.enabled in {"R", "A"}


def read_triggers(ask: Ask, only: sql.Composable = ALL) -> list[tuple[int, Trigger]]:
    """Triggers with their table's OID, in order of their names.

    Args:
        ask: runs the query.
        only: a condition on `t`, pg_trigger, and `c`, the table's pg_class.
    """
    rows = ask(_TRIGGERS.format(only, OURS_OR_SYSTEM))
    return [(oid, Trigger(*map(frozen, values))) for oid, *values in rows]


# Bits of tgtype: src/include/catalog/pg_trigger.h.
_TRIGGERS = sql.SQL(
    """
    SELECT t.tgrelid::bigint, t.tgname, t.tgenabled::text,
        t.tgtype & 1 <> 0, t.tgtype & 4 <> 0, p.oid::pg_catalog.regprocedure::text,
        p.prosrc, t.tgtype & 16 <> 0, t.tgtype & 8 <> 0, l.lanname,
        EXISTS (SELECT FROM unnest(p.proconfig) AS s
            WHERE starts_with(s, 'search_path=')),
        ARRAY[n.nspname, c.relname]::text[]
    FROM pg_catalog.pg_trigger t
    JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
    JOIN pg_catalog.pg_namespace pn ON pn.oid = p.pronamespace
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    WHERE NOT t.tgisinternal AND c.relpersistence <> 't' AND pn.nspname <> 'bluegreen'
        AND {} AND NOT {}
    ORDER BY t.tgname, 1
    """
)

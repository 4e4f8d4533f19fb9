"""What only the migration's text can tell: data it derives, and zones it assumes.

Owns what is asked of texts as a whole. What a statement means by itself is for
`meaning.py`; what a migration leaves in the catalog is read from the catalog instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bluegreen.compat.cast import Cast
from bluegreen.sql.expressions import zone_named
from bluegreen.sql.ops import Kind, Op
from bluegreen.sql.reading.statements import inside, ops
from bluegreen.sql.source import Statement, statements_of

_DERIVING = frozenset(
    {Kind.ALTER_TYPE, Kind.CREATE_TABLE_AS, Kind.INSERT, Kind.MERGE, Kind.UPDATE}
)


@dataclass(frozen=True, slots=True)
class Derived:
    """Data that a statement computed from other columns, and what shows it broken.

    Attributes:
        statement: index in the migration.
        table: as the statement names it, schema empty when it names none.
        columns: those that were filled; empty for rows that a query gave.
        broken: SELECT count(*) of rows for which it does not hold.
        path: the search_path that the migration had set by then, empty for none.
    """

    statement: int
    table: tuple[str, str]
    columns: tuple[str, ...]
    broken: str
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """All that the text told.

    Attributes:
        casts: changes of a column's type, in order.
        zones: table, column and the zone of its USING ... AT TIME ZONE.
        refreshed: whether it refreshes a subscription's relation set.
        opaque: indexes of statements whose effect cannot be read.
    """

    derived: tuple[Derived, ...] = ()
    zones: tuple[tuple[tuple[str, str], str, str], ...] = ()
    refreshed: bool = False
    opaque: tuple[int, ...] = ()
    casts: tuple[Cast, ...] = ()


def read_statements(texts: Sequence[str]) -> Told:
    """Read a migration. A text that does not parse counts as opaque."""
    derived: list[Derived] = []
    zones: list[tuple[tuple[str, str], str, str]] = []
    opaque: list[int] = []
    casts: list[Cast] = []
    settings: tuple[str, ...] = ()
    refreshed = False
    path: tuple[str, ...] = ()
    for number, text in enumerate(texts):
        statements = statements_of(text)
        if statements is None:
            opaque.append(number)
            continue
        for statement in flattened(statements):
            done = ops(statement)
            derived += _derived(number, statement, path)
            zones += [zone for op in done for zone in _zones(op)]
            casts += _casts(statement, settings)
            settings += _settings(statement)
            if statement.kind == "VariableSetStmt" and done[0].name == "search_path":
                path = done[0].names
            elif statement.kind == "AlterSubscriptionStmt":
                refreshed = refreshed or done[0].name == "refresh"
            elif statement.kind in {"ExecuteStmt", "CallStmt"}:
                opaque.append(number)
    return Told(tuple(derived), tuple(zones), refreshed, tuple(opaque), tuple(casts))


def flattened(statements: Sequence[Statement]) -> Iterator[Statement]:
    """The statements, and those written plainly inside DO bodies."""
    for statement in statements:
        if statement.kind == "DoStmt":
            yield from inside(statement)
        else:
            yield statement


def _derived(
    number: int, statement: Statement, path: tuple[str, ...]
) -> Iterator[Derived]:
    if _DERIVING.isdisjoint(op.kind for op in ops(statement)):
        return
    # It takes longer to load than most migrations take to judge.
    from bluegreen.sql.promises import promises

    for promise in promises(statement):
        yield Derived(number, *promise, path=path)


def _casts(statement: Statement, settings: tuple[str, ...]) -> Iterator[Cast]:
    if all(op.kind is not Kind.ALTER_TYPE for op in ops(statement)):
        return
    from bluegreen.sql.type_changes import type_changes

    for change in type_changes(statement):
        table = (change.table.schema, change.table.name)
        yield Cast(table, change.column, change.command, settings)


def _settings(statement: Statement) -> tuple[str, ...]:
    if statement.kind != "VariableSetStmt":
        return ()
    from bluegreen.sql.type_changes import setting_of_casts

    said = setting_of_casts(statement)
    return (said,) if said else ()


def _zones(op: Op) -> Iterator[tuple[tuple[str, str], str, str]]:
    if op.kind is Kind.ALTER_TYPE and op.table and (zone := zone_named(op.expr)):
        yield op.table, op.name, zone

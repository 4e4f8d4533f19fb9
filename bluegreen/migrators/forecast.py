"""What migration files will take away: columns and tables that blue still sends.

Owns finding these in the text, before anything runs. What stands in a function's body
or a DO block that does not parse is not seen; a playbook names that by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

TableName = tuple[str, str]
"""Schema, empty where none is written, and name."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the files drop.

    Attributes:
        columns: table and column; one that is dropped and made again, or renamed, too.
        tables: tables that go.
    """

    columns: frozenset[tuple[TableName, str]] = frozenset()
    tables: frozenset[TableName] = frozenset()


def forecast(scripts: Iterable[Sequence[str]]) -> Forecast:
    """Read the statements of every file, in order. Pure.

    A table that one statement drops and a later one makes again stays in the stream:
    it is taken up again when the stream starts.
    """
    from bluegreen.sql.ops import Kind
    from bluegreen.sql.reading.statements import ops
    from bluegreen.sql.source import read

    columns: set[tuple[TableName, str]] = set()
    tables: dict[TableName, TableName] = {}
    source = read("migrations", ";\n".join(t for texts in scripts for t in texts))
    for statement in source.statements:
        for op in ops(statement):
            if op.table is None:
                continue
            table = (op.table.schema, op.table.name)
            if op.kind is Kind.DROP_COLUMN:
                columns.add((table, op.name))
            elif op.kind is Kind.DROP and op.what == "table":
                tables[op.table.key] = table
            elif op.kind is Kind.RENAME and op.what == "table":
                tables.pop((op.table.key[0], op.value), None)
            elif op.kind in {Kind.CREATE_TABLE, Kind.CREATE_TABLE_AS}:
                tables.pop(op.table.key, None)
    return Forecast(frozenset(columns), frozenset(tables.values()))

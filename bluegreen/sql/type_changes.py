"""The type changes of an ALTER TABLE as SQL that can be run on another table.

Owns the text only. Which values come out of it is asked of a server, by
`compat/probe/conversion.py`.

Reads pglast's own trees, which alone can be printed. They are heavy to import.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from bluegreen.sql.ops import Name
from bluegreen.sql.printing import printed, printed_name
from bluegreen.sql.source import Statement

_SETTINGS = frozenset(
    {
        *("search_path", "datestyle", "intervalstyle", "timezone", "bytea_output"),
        *("extra_float_digits", "lc_monetary", "xmloption"),
    }
)
"""Settings that decide what a cast between two types makes of a value."""


class TypeChange(NamedTuple):
    """One column's change of type.

    Attributes:
        table: as the statement names it.
        column: its name.
        command: `ALTER COLUMN c TYPE t USING e`, to stand behind ALTER TABLE.
    """

    table: Name
    column: str
    command: str


def type_changes(statement: Statement) -> Iterator[TypeChange]:
    """Every ALTER COLUMN ... TYPE of a statement, in the order in which it stands."""
    if statement.kind != "AlterTableStmt":
        return
    from pglast.enums import AlterTableType

    tree: Any = statement.node
    table = Name(tree.relation.schemaname or "", tree.relation.relname)
    for command in tree.cmds or ():
        if AlterTableType(command.subtype) is AlterTableType.AT_AlterColumnType:
            yield TypeChange(table, command.name, _words(command))


def _words(command: Any) -> str:
    definition = command.def_
    words = f"ALTER COLUMN {printed_name(command.name)} TYPE "
    words += printed(definition.typeName)
    if definition.collClause is not None:
        words += f" {printed(definition.collClause)}"
    if definition.raw_default is not None:
        words += f" USING {printed(definition.raw_default)}"
    return words


def setting_of_casts(statement: Statement) -> str:
    """A SET or RESET of what decides how values are cast, as SQL; empty for others."""
    if statement.kind != "VariableSetStmt":
        return ""
    name = (statement.node.name or "all").lower()
    return printed(statement.node) if name in {*_SETTINGS, "all"} else ""

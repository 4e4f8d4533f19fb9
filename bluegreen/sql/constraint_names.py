"""The names that PostgreSQL gives to constraints without one."""

from __future__ import annotations

from bluegreen.sql import expressions
from bluegreen.sql.knowledge import Table
from bluegreen.sql.ops import Constraint, Name

_SUFFIXES = {"primary": "pkey", "unique": "key", "check": "check", "foreign": "fkey"}


def default_name(table: Name, constraint: Constraint) -> str:
    """The name that PostgreSQL gives (`ChooseConstraintName`), clashes left out."""
    suffix = _SUFFIXES.get(constraint.kind, "excl")
    if constraint.kind == "notnull":
        suffix = "not_null"
    columns = () if constraint.kind == "primary" else constraint.columns
    if constraint.kind == "check" and not columns:
        mentioned = tuple(expressions.columns(constraint.expr))
        columns = mentioned if len(mentioned) == 1 else ()
    return "_".join((table.name, *columns, suffix))


def named(table: Table, constraint: Constraint) -> Constraint:
    """The constraint with a name, as PostgreSQL chooses it on this table."""
    if constraint.name:
        return constraint
    plain = default_name(table.name, constraint)
    taken = {known.name for known in table.constraints}
    taken |= {index.name for index in table.indexes}
    name, number = plain, 0
    while name in taken:
        number += 1
        name = f"{plain}{number}"
    return constraint._replace(name=name)

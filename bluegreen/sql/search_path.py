"""Names without a schema, and the schema that they mean.

Owns making both spellings of one name the same, where the schema is known, and where
the search_path leads a name. Names are
kept as people write them: without the schema where it is the usual one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from bluegreen.sql.knowledge import Key
from bluegreen.sql.ops import Column, Constraint, Kind, Name, Op, Type

T = TypeVar("T")
TEMPORARY = "pg_temp"
_DEEP = (Op, Column, Constraint)


def homed(value: T, schema: str) -> T:
    """The same with every name of the usual schema written without it.

    `value` is an op or a part of one; parse trees in it stay as they are.
    """

    def at_home(name: Any) -> Any:
        return name._replace(schema="") if name.schema == schema else name

    return _with_names(value, at_home)  # type: ignore[no-any-return]


def qualified(value: T, schema: str) -> T:
    """The same with every name that says no schema put into this one.

    Types stay as they are: those of PostgreSQL say no schema either.
    """

    def put(name: Any) -> Any:
        here = isinstance(name, Name) and not name.schema
        return name._replace(schema=schema) if here else name

    return _with_names(value, put)  # type: ignore[no-any-return]


def placed(op: Op, path: Sequence[str], known: Callable[[Key], bool]) -> Op:
    """The op with the names that say no schema where the search_path leads them.

    Args:
        op: as written.
        path: schemas in order; temporary tables are in `pg_temp`, looked up first.
        known: whether a table or type is; what is not is in the first schema.
    """
    made = TEMPORARY if "temporary" in op.flags else path[0]
    lookup = (TEMPORARY, *path)

    def put(name: Any) -> Any:
        if name.schema:
            return name
        there = (schema for schema in lookup if known((schema, name.name)))
        found = next(there, "" if isinstance(name, Type) else path[0])
        return name._replace(schema="" if found == "public" else found)

    if op.kind in _MAKING and op.table and not op.table.schema:
        op = op._replace(table=Name("" if made == "public" else made, op.table.name))
    return _with_names(op, put)  # type: ignore[no-any-return]


_MAKING = frozenset(
    {
        *(Kind.CREATE_TABLE, Kind.CREATE_TABLE_AS, Kind.CREATE_VIEW),
        *(Kind.CREATE_DOMAIN, Kind.CREATE_ENUM),
    }
)


def _with_names(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, Name | Type):
        return change(value)
    if isinstance(value, _DEEP):
        return type(value)._make(_with_names(part, change) for part in value)
    if type(value) is tuple:
        return tuple(_with_names(part, change) for part in value)
    return value


def same_name(one: Name | None, two: Name | None) -> bool:
    """Whether two names may mean one thing: one without a schema may be in any."""
    if one is None or two is None or one.name != two.name:
        return False
    return one.key == two.key or not one.schema or not two.schema


def at_home(key: tuple[str, str], schema: str) -> tuple[str, str]:
    """The key under which the database itself has a table.

    Unqualified names have keys in `public`, whatever the usual schema is.
    """
    return (schema, key[1]) if key[0] == "public" else key

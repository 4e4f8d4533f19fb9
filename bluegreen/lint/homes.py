"""Names without a schema, and the schema that they mean.

Owns making both spellings of one name the same, where the schema is known. Names are
kept as people write them: without the schema where it is the usual one.
"""

from __future__ import annotations

from typing import Any, TypeVar

from bluegreen.lint.ops import Column, Constraint, Name, Op, Type

T = TypeVar("T")
_DEEP = (Op, Column, Constraint)


def homed(value: T, schema: str) -> T:
    """The same with every name of the usual schema written without it.

    `value` is an op or a part of one; parse trees in it stay as they are.
    """
    return _homed(value, schema)  # type: ignore[no-any-return]


def _homed(value: Any, schema: str) -> Any:
    if isinstance(value, Name | Type):
        return value._replace(schema="") if value.schema == schema else value
    if isinstance(value, _DEEP):
        return type(value)._make(_homed(part, schema) for part in value)
    if type(value) is tuple:
        return tuple(_homed(part, schema) for part in value)
    return value


def qualified(value: T, schema: str) -> T:
    """The same with every name that says no schema put into this one.

    Types stay as they are: those of PostgreSQL say no schema either.
    """
    return _qualified(value, schema)  # type: ignore[no-any-return]


def _qualified(value: Any, schema: str) -> Any:
    if isinstance(value, Name):
        return value if value.schema else value._replace(schema=schema)
    if isinstance(value, _DEEP):
        return type(value)._make(_qualified(part, schema) for part in value)
    if type(value) is tuple:
        return tuple(_qualified(part, schema) for part in value)
    return value


def at_home(key: tuple[str, str], schema: str) -> tuple[str, str]:
    """The key under which the database itself has a table.

    Unqualified names have keys in `public`, whatever the usual schema is.
    """
    return (schema, key[1]) if key[0] == "public" else key

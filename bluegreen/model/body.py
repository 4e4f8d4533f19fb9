"""The facts of a record as a frozen dataclass: writing it as JSON and reading it back.

Owns the one pair of functions that does so for all of them, by the types of their
fields. What is stored stays as it is: a key that a class does not name is ignored when
it is read, and stays in the record itself. Which facts there are is in `bodies.py` and
beside the actions that write them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Self, cast, get_args, get_origin, get_type_hints

from bluegreen.model.lsn import Lsn

_Reader = Callable[[Any], Any]


class Body:
    """A dataclass whose fields are the keys of a record's body."""

    __slots__ = ()

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """Read it.

        Raises:
            KeyError: a field that has no default is missing.
            ValueError: a value is not of its type.
        """
        read: Self = _read(cls, body)
        return read

    def as_body(self) -> dict[str, Any]:
        """As JSON values; an optional fact that is None is left out."""
        written: dict[str, Any] = _write(self)
        return written


def _write(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _write(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_write(one) for one in value]
    if is_dataclass(value) and not isinstance(value, Lsn):
        found = ((one, getattr(value, one.name)) for one in fields(value))
        return {
            one.name: _write(fact)
            for one, fact in found
            if fact is not None or one.default is not None
        }
    return str(value)


def _read(kind: Callable[..., Any], body: Mapping[str, Any]) -> Any:
    return kind(
        **{
            name: read(body[name])
            for name, (read, needed) in _fields(kind).items()
            if needed or body.get(name) is not None
        }
    )


@cache
def _fields(kind: Callable[..., Any]) -> Mapping[str, tuple[_Reader, bool]]:
    """How each field is read, and whether it must be there."""
    hints, known = get_type_hints(kind), cast("Any", kind)
    return {
        one.name: (
            _reader(hints[one.name]),
            one.default is MISSING and one.default_factory is MISSING,
        )
        for one in fields(known)
    }


def _reader(hint: Any) -> _Reader:
    origin, args = get_origin(hint), get_args(hint)
    if origin is UnionType:
        [one] = (_reader(arg) for arg in args if arg is not NoneType)
        return lambda value: None if value is None else one(value)
    if origin is tuple:
        return _tuple_reader(args)
    if origin is Mapping:
        key, fact = map(_reader, args)
        return lambda value: {key(k): fact(v) for k, v in value.items()}
    if hint is Any or origin is Literal:
        return lambda value: value
    if hint is not Lsn and is_dataclass(hint):
        kind: Any = hint
        return lambda value: _read(kind, value)
    known: Mapping[Any, _Reader] = {datetime: datetime.fromisoformat, Lsn: Lsn.parse}
    return known.get(hint, hint)


def _tuple_reader(args: tuple[Any, ...]) -> _Reader:
    if args[-1] is Ellipsis:
        each = _reader(args[0])
        return lambda value: tuple(map(each, value))
    parts = tuple(map(_reader, args))
    return lambda value: tuple(
        read(one) for read, one in zip(parts, value, strict=True)
    )

"""Results as JSON: exact, with the names that the types have.

Owns the mapping of our values to JSON: times in ISO 8601, spans in seconds, secrets
never.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from functools import singledispatch
from pathlib import Path
from typing import Any
from uuid import UUID

from bluegreen.engine.plan import PlannedAction
from bluegreen.model.lsn import Lsn
from bluegreen.model.secret import Secret


def dump(result: object) -> str:
    """One line of JSON."""
    return json.dumps(as_json(result), ensure_ascii=False, allow_nan=False)


@singledispatch
def as_json(value: object) -> Any:
    """The value as JSON values.

    Raises:
        TypeError: a type that has no form here; better than a form by accident.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return _parts(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


@as_json.register(str)
@as_json.register(int)
@as_json.register(float)
@as_json.register(type(None))
def _itself(value: object) -> Any:
    return value


@as_json.register
def _enum(value: Enum) -> Any:
    return value.value


@as_json.register(Lsn)
@as_json.register(Path)
@as_json.register(Secret)
@as_json.register(UUID)
def _printed(value: object) -> str:
    return str(value)


@as_json.register
def _time(value: datetime) -> str:
    return value.isoformat()


@as_json.register
def _span(value: timedelta) -> float:
    return value.total_seconds()


@as_json.register(list)
@as_json.register(tuple)
def _several(value: Any) -> list[Any]:
    return [as_json(one) for one in value]


@as_json.register(set)
@as_json.register(frozenset)
def _unordered(value: Any) -> list[Any]:
    return sorted((as_json(one) for one in value), key=str)


@as_json.register(Mapping)
def _named(value: Mapping[object, object]) -> dict[str, Any]:
    return {str(key): as_json(one) for key, one in value.items()}


@as_json.register
def _planned(value: PlannedAction) -> dict[str, Any]:
    """The verdict's kind stands beside its parts, as its type does not show in JSON."""
    return {**_parts(value), "kind": value.kind}


def _parts(value: Any) -> dict[str, Any]:
    return {f.name: as_json(getattr(value, f.name)) for f in fields(value)}

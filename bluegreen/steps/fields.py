"""Field types that several steps' parameters share. Owns reading them, no more."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, PlainValidator, WithJsonSchema

from bluegreen.model.duration import Size, format_duration, parse_duration


def _duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^(\d+(\.\d+)?\s*(ms|min|s|m|h|d)\s*)+$",
            "examples": ["500ms", "2s", "30m", "24h", "7d"],
        }
    ),
]
"""A span of time with its unit, `500ms`, `2s`, `24h`."""


def _size(value: object) -> Size:
    return value if isinstance(value, Size) else Size.parse(str(value))


SizeText = Annotated[
    Size,
    PlainValidator(_size),
    PlainSerializer(str, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^\d+(\.\d+)? ?(B|kB|MB|GB|TB)$",
            "examples": ["512MB", "20GB", "1.5TB"],
        }
    ),
]
"""A number of bytes with its unit, `512MB`, `20GB`."""

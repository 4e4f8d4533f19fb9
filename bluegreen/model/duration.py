"""Durations and sizes as people write and read them: `24h`, `1.2 s`, `64 kB`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|min|s|m|h|d)")

DURATION_WANTED = "a time with its unit, 3650d at most: 500ms, 2s, 30m, 24h, 7d"

_LONGEST_TEXT = 40
"""Characters; the search below takes quadratic time on digits without a unit."""

_LONGEST_S = 3650 * 86400.0
"""Added to today, more would leave the years that a date can hold."""


_SIZE = re.compile(r"(\d{1,12}(?:\.\d{1,6})?) ?(B|kB|MB|GB|TB)")
_SIZE_UNITS = ("B", "kB", "MB", "GB", "TB")


@dataclass(frozen=True, order=True, slots=True)
class Size:
    """A number of bytes, written with its unit."""

    bytes: int

    @classmethod
    def parse(cls, text: str) -> Size:
        """Read `64kB`, `512MB`, `1.5GB` as PostgreSQL does: 1024 to the next unit.

        Raises:
            ValueError: no unit, or an unknown one.
        """
        found = _SIZE.fullmatch(text.strip())
        if found is None:
            raise ValueError("a size with its unit: 512MB, 20GB, 1.5TB")
        factor = 1024 ** _SIZE_UNITS.index(found[2])
        return cls(int(float(found[1]) * factor))

    def __str__(self) -> str:
        for power, unit in reversed(list(enumerate(_SIZE_UNITS))):
            if self.bytes and self.bytes % 1024**power == 0:
                return f"{self.bytes // 1024**power}{unit}"
        return f"{self.bytes}B"


def parse_duration(text: str) -> timedelta:
    """Read `500ms`, `2s`, `30m`, `24h`, `7d` or a run of them, `1h30m`.

    Raises:
        ValueError: no unit, an unknown unit, nothing at all, or over ten years.
    """
    compact = text.replace(" ", "")
    parts = list(_PART.finditer(compact)) if len(compact) <= _LONGEST_TEXT else []
    if not parts or "".join(part.group(0) for part in parts) != compact:
        raise ValueError(DURATION_WANTED)
    seconds = sum(float(part.group(1)) * _UNITS_S[part.group(2)] for part in parts)
    if seconds > _LONGEST_S:
        raise ValueError(DURATION_WANTED)
    return timedelta(seconds=seconds)


def format_duration(span: timedelta | float) -> str:
    """Print for a person: `38 ms`, `1.2 s`, `4 min 10 s`, `23 h 59 min`."""
    seconds = span.total_seconds() if isinstance(span, timedelta) else span
    if abs(seconds) < 1:
        return f"{seconds * 1000:.0f} ms"
    if abs(seconds) < 60:
        return f"{seconds:.1f} s"
    if abs(seconds) < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    if abs(seconds) < 48 * 3600:
        return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"
    return f"{int(seconds // 86400)} d {int(seconds % 86400 // 3600)} h"


def format_bytes(count: float) -> str:
    """Print a size as PostgreSQL writes units: `512 B`, `64 kB`, `1.5 GB`."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size) < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.3g} TB"

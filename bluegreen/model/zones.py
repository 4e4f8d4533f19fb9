"""Names of time zones. Owns which of them mean UTC; pure."""

from __future__ import annotations

_NAMES = (
    *("utc", "uct", "universal", "zulu", "greenwich"),
    *("gmt", "gmt0", "gmt+0", "gmt-0"),
)
UTC = frozenset({*_NAMES, *(f"etc/{name}" for name in _NAMES), "0", "+00", "+00:00"})
"""Names of zones that are UTC at all times, in lower case. Measured: no other spares a
change between `timestamp` and `timestamptz` the rewrite."""


def same_zone(one: str, two: str) -> bool:
    """Whether two names are one zone, as far as the names tell.

    PostgreSQL takes names in any case; those of UTC are links in the tz database.
    """
    ours, theirs = one.lower(), two.lower()
    return ours == theirs or {ours, theirs} <= UTC

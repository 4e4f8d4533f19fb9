"""Names of time zones. Owns which of them mean the same; pure."""

from __future__ import annotations

_UTC = frozenset(
    {
        *("utc", "etc/utc", "uct", "etc/uct", "universal", "etc/universal"),
        *("zulu", "etc/zulu", "gmt", "etc/gmt", "etc/greenwich", "greenwich"),
    }
)


def same_zone(one: str, two: str) -> bool:
    """Whether two names are one zone, as far as the names tell.

    PostgreSQL takes names in any case; those of UTC are links in the tz database.
    """
    ours, theirs = one.lower(), two.lower()
    return ours == theirs or {ours, theirs} <= _UTC

"""How many of what, for people. Owns the plural."""

from __future__ import annotations


def counted(count: int, one: str, many: str = "") -> str:
    """`1 table`, `2 tables`; `many` where more than an s is added to `one`."""
    return f"{count} {one if count == 1 else many or f'{one}s'}"

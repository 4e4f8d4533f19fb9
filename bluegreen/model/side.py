"""Blue and green. Owns the two names and nothing about servers."""

from __future__ import annotations

from enum import StrEnum


class Side(StrEnum):
    """One of the two databases. A colour never changes hands."""

    BLUE = "blue"
    GREEN = "green"

    @property
    def other(self) -> Side:
        """The opposite side."""
        return Side.GREEN if self is Side.BLUE else Side.BLUE

"""The LSN, a place in a server's write-ahead log, as a value.

Owns parsing, printing, order and distance; reading one from a server is for
`postgres/`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True, slots=True)
class Lsn:
    """A WAL position in bytes, printed as PostgreSQL prints `pg_lsn`."""

    bytes: int

    @classmethod
    def parse(cls, text: str) -> Lsn:
        """Read `16/B374D848`.

        Raises:
            ValueError: the text is not a position.
        """
        high, slash, low = text.partition("/")
        if not slash:
            raise ValueError(f"not an LSN: {text!r}")
        return cls((int(high, 16) << 32) | int(low, 16))

    def __str__(self) -> str:
        return f"{self.bytes >> 32:X}/{self.bytes & 0xFFFFFFFF:X}"

    def __sub__(self, other: Lsn) -> int:
        """Distance in bytes; negative when `other` is ahead."""
        return self.bytes - other.bytes

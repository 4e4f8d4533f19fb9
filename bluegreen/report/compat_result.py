"""What the verb `compat` answers with. Owns the value and its exit status."""

from __future__ import annotations

from dataclasses import dataclass

from bluegreen.steps.compatibility.rows import Row

STOPS = 3
"""As the run would end: BG-3009."""


@dataclass(frozen=True, slots=True)
class CompatResult:
    """Verdicts of both directions.

    Attributes:
        name: the playbook's, or the files'.
        tiers: what was looked at, in words.
        rows: every verdict.
        note: why not more was looked at; empty when all was.
        unused: names in `accept` that fit nothing.
    """

    name: str
    tiers: str
    rows: tuple[Row, ...]
    note: str = ""
    unused: tuple[str, ...] = ()

    @property
    def exit_status(self) -> int:
        """0, or what the run would end with as far as can be told now."""
        stops = any(row.weight == "stops" for row in self.rows) or bool(self.unused)
        return STOPS if stops else 0

"""How much a look at live data may cost. Owns the value, apart from what reads SQL."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a look may cost.

    Attributes:
        each: the longest that one question may take.
        trial_writes: whether rows are tried on the receiver, rolled back.
        samples: whether rows are compared; only where both sides are in step.
        alike: of how many tables that are made alike rows are compared too: a
            migration may have changed rows and no table.
        fills: whether columns that only the receiver has are looked at for values of
            a migration; clients have written none while traffic has never moved.
        spared: columns, `schema.table.column`, that are meant to differ.
    """

    each: timedelta = timedelta(seconds=30)
    trial_writes: bool = True
    samples: bool = True
    alike: int = 0
    fills: bool = False
    spared: frozenset[str] = frozenset()

    def questions_only(self) -> Limits:
        """The same without samples and trial writes."""
        return replace(self, samples=False, trial_writes=False)

"""Progress of long work, as a value. Owns its fields; showing it is for `report/`."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Progress:
    """One look at work that takes a while.

    Attributes:
        what: snake_case noun with a past verb, e.g. `rows_copied`.
        text: the same in plain words for a person.
        done: how much, in `unit`; None where only words are known.
        total: out of how much; None where it is not known.
        unit: `rows`, `bytes`, `tables`, `statements`.
        values: exact figures for the log.
    """

    what: str
    text: str
    done: float | None = None
    total: float | None = None
    unit: str = ""
    values: dict[str, object] = field(default_factory=dict)

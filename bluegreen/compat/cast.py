"""A column's change of type, as a value: what was done to the rows that were there.

Rows that travel later get none of it: their text goes through the new type's input.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cast:
    """A column's change of type, as the migration's session carries it out.

    Attributes:
        table: as the statement names it, schema empty when it names none.
        column: its name.
        command: `ALTER COLUMN c TYPE t USING e`.
        settings: the SETs before it that decide what a cast makes of a value.
    """

    table: tuple[str, str]
    column: str
    command: str
    settings: tuple[str, ...] = ()

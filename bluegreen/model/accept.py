"""What a playbook accepts: findings that are known and meant, each with a reason.

Owns when an entry of `accept` fits, and how the entry for a finding is written. What
an accepted finding then lets pass is for the code that found it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

SCHEMA_DIFFERENCE = "schema-difference"
"""What `validate` finds when it compares both schemas; its object is the thing."""

ORPHANS = "rows-without-parent"
"""Rows of blue that break a foreign key; its object is the key's constraint. Accepted,
the key stays NOT VALID on green."""

VIEW_CANNOT_BE_FILLED = "view-cannot-be-filled"
"""A materialized view that stays empty on green where this is accepted."""

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./ -]*[A-Za-z0-9]")
"""What YAML reads as the same text without quotes."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """One entry.

    Attributes:
        id: of a finding, or a verdict's direction, answer and rule,
            `reverse/LOSSY/column-left-out`.
        reason: why it may be.
        object: a pattern for what it was found on; `*` matches anything.
    """

    id: str
    reason: str
    object: str = "*"

    @property
    def name(self) -> str:
        """A verdict's whole name, as a pattern."""
        return f"{self.id}/{self.object}"

    @property
    def is_of_verdicts(self) -> bool:
        """Whether it is about what the compatibility analyser says."""
        return "/" in self.id


def fits(pattern: str, text: str) -> bool:
    """Whether a pattern is that text, or matches it: a name may hold a `[`."""
    return pattern == text or fnmatchcase(text, pattern)


def is_accepted(accept: Iterable[Accepted], finding: str, found_on: str) -> bool:
    """Whether an entry is about a finding of this id on this object.

    A verdict's name is matched as a whole.
    """
    name = f"{finding}/{found_on}"
    return any(
        fits(one.name, name)
        if one.is_of_verdicts
        else one.id == finding and fits(one.object, found_on)
        for one in accept
    )


def verdicts_accepted(accept: Iterable[Accepted]) -> dict[str, str]:
    """Patterns of verdicts' names, each with its reason.

    A foreign key that may stay broken is accepted in both directions.
    """
    entries = list(accept)
    told = {one.name: one.reason for one in entries if one.is_of_verdicts}
    keys = [one for one in entries if one.id == ORPHANS]
    return told | {
        f"{way}/SILENT/foreign-key/{one.object.removeprefix('constraint ')}": one.reason
        for one in keys
        for way in ("forward", "reverse")
    }


def entries(found: Iterable[tuple[str, str]]) -> list[str]:
    """The lines that accept these, ids and objects, as they stand in a playbook."""
    return ["accept:", *(_entry(*one) for one in dict.fromkeys(found))]


def unused(accept: Sequence[Accepted], seen: Iterable[tuple[str, str]]) -> list[str]:
    """Entries that fit none of these findings, as `id` or `id on object`."""
    told = list(seen)
    return [
        one.id if one.object == "*" else f"{one.id} on {one.object}"
        for one in accept
        if not any(is_accepted((one,), *each) for each in told)
    ]


def _entry(finding: str, found_on: str) -> str:
    where = f", object: {as_yaml(found_on)}" if found_on else ""
    return f"  - {{id: {as_yaml(finding)}{where}, reason: why}}"


def as_yaml(text: str) -> str:
    """A text as it stands in a playbook, quoted where it must be."""
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)

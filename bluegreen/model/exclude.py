"""What a playbook's `exclude` names: tables whose rows stay, and objects of any kind.

Owns telling both apart. An object is named as messages name it, `view mon.bg` or
`function public.plain(text)`, and is not made on green. A bare `schema.table` is a
table that green has, without its rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

KINDS = (
    "access method",
    "aggregate",
    "cast",
    "collation",
    "constraint",
    "conversion",
    "domain",
    "enum",
    "event trigger",
    "extension",
    "foreign data wrapper",
    "foreign server",
    "foreign table",
    "function",
    "index",
    "language",
    "materialized view",
    "multirange",
    "operator",
    "operator class",
    "operator family",
    "policy",
    "procedure",
    "range",
    "rule",
    "sequence",
    "statistics",
    "table",
    "text search configuration",
    "text search dictionary",
    "text search parser",
    "text search template",
    "trigger",
    "type",
    "view",
)
"""What an object may be called in front of its name."""

_PART = re.compile(r'"((?:[^"]|"")*)"|([^."]+)')


@dataclass(frozen=True, slots=True)
class Excluded:
    """An object that is not made on green.

    Attributes:
        name: as the playbook has it.
        line: where it stands in the playbook; 0 where that is not known.
    """

    name: str
    line: int = 0

    @property
    def place(self) -> str:
        """`line 12: view mon.bg`."""
        return f"line {self.line}: {self.name}" if self.line else self.name


def is_object(name: str) -> bool:
    """Whether an entry names an object, and not the rows of a table."""
    return name.startswith(tuple(f"{kind} " for kind in KINDS))


def tables_in(exclude: Iterable[str]) -> tuple[str, ...]:
    """Tables that do not travel, `schema.table` without quotes."""
    return tuple(
        _unquoted(name.removeprefix("table ")) if name.startswith("table ") else name
        for name in exclude
        if name.startswith("table ") or not is_object(name)
    )


def _unquoted(name: str) -> str:
    parts = (quoted.replace('""', '"') or bare for quoted, bare in _PART.findall(name))
    return ".".join(parts)

"""All rules, in the order of the docs.

A rule belongs to the module that bears its subject's name; here they are only put
together.
"""

from __future__ import annotations

from collections.abc import Iterable

from bluegreen.lint.rule import Rule
from bluegreen.lint.rules import (
    clients,
    columns,
    constraints,
    data,
    files,
    hygiene,
    indexes,
    maintenance,
    objects,
    partitions,
    rows,
    sessions,
    twice,
    types,
)
from bluegreen.sql.ops import Kind

SUBJECTS: dict[str, tuple[Rule, ...]] = {
    "The file itself": files.RULES,
    "What cannot run": twice.RULES,
    "Indexes": indexes.RULES,
    "Constraints": constraints.RULES,
    "New columns": columns.RULES,
    "Types": types.RULES,
    "Partitions": partitions.RULES,
    "Maintenance": maintenance.RULES,
    "Transactions and timeouts": sessions.RULES,
    "Clients that still run": clients.RULES,
    "Other objects": objects.RULES,
    "Data": data.RULES,
    "With a database at hand": rows.RULES,
    "Hygiene": hygiene.RULES,
}
RULES: dict[str, Rule] = {
    rule.id: rule for rules in SUBJECTS.values() for rule in rules
}


def by_kind(rules: Iterable[Rule]) -> dict[Kind, tuple[Rule, ...]]:
    """The rules that look at each kind of op."""
    table: dict[Kind, list[Rule]] = {}
    for rule in rules:
        for kind in rule.kinds:
            table.setdefault(kind, []).append(rule)
    return {kind: tuple(found) for kind, found in table.items()}

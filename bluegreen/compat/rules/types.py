"""What happens to a column's values between two types, as far as the types tell.

Owns the table of type pairs (rows 15 to 26m). Values themselves are for probes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bluegreen.compat.catalog import Catalog
from bluegreen.compat.rules.same import family
from bluegreen.compat.verdict import Answer
from bluegreen.postgres.catalog.columns import Column

_WIDTH = {"smallint": 2, "integer": 4, "bigint": 8}
_EXACT = {**_WIDTH, "numeric": 99}
_MODIFIER = re.compile(r"\((\d+)(?:,(-?\d+))?\)")
_SAME_WIRE = {
    "text": "text",
    "character varying": "text",
    "character": "text",
    "name": "text",
    "json": "text",
    "timestamp without time zone": "stamp",
    "timestamp with time zone": "stamp",
}
"""Types whose binary form another type of the group reads as well."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What becomes of values: an answer, why, and what decides an OK_IF.

    `predicate` names a check in words, e.g. `no value is longer than 10`.
    """

    answer: Answer
    why: str = ""
    predicate: str = ""
    rule: str = "type-may-not-fit"


FITS = Carried(Answer.OK)


def carry(
    sender: Catalog,
    one: Column,
    receiver: Catalog,
    two: Column,
    *,
    binary: bool = False,
) -> Carried:
    """Say what sending column `one` into column `two` does to values."""
    left, right = sender.base_type(one.plain_type), receiver.base_type(two.plain_type)
    said = f"{one.full_type} arrives in {two.full_type}"
    if binary and unreadable(sender, receiver, one, two):
        return Carried(Answer.BREAK, f"{said}, in binary form", "", "binary-type")
    if _domain_is_new(sender, one, receiver, two):
        return Carried(
            Answer.OK_IF, said, f"every value fits {two.plain_type}", "domain"
        )
    if left == right:
        return _same_type(sender, one, receiver, two, left, said)
    return _other_type(sender, receiver, left, right, one, two, said)


def unreadable(sender: Catalog, receiver: Catalog, one: Column, two: Column) -> bool:
    """Whether the receiver cannot read this column's binary form (law 3)."""
    left, right = sender.base_type(one.plain_type), receiver.base_type(two.plain_type)
    return _wire(sender, left) != _wire(receiver, right)


def _wire(catalog: Catalog, name: str) -> str:
    known = catalog.types.get(name)
    return "text" if known and known.kind == "e" else _SAME_WIRE.get(name, name)


def _domain_is_new(
    sender: Catalog, one: Column, receiver: Catalog, two: Column
) -> bool:
    domain = receiver.types.get(two.plain_type)
    if domain is None or domain.kind != "d" or not (domain.checks or domain.not_null):
        return False
    return sender.types.get(one.plain_type) != domain


def modifier(full_type: str) -> tuple[int, int] | None:
    """Length and 0, or precision and scale, of `numeric(10,2)`; None without one."""
    found = _MODIFIER.search(full_type)
    return (int(found[1]), int(found[2] or 0)) if found else None


def _same_type(
    sender: Catalog, one: Column, receiver: Catalog, two: Column, kind: str, said: str
) -> Carried:
    left, right = sender.types.get(kind), receiver.types.get(kind)
    if left and right and left.kind == "e":
        lost = sorted(set(left.labels) - set(right.labels))
        text = f"{', '.join(lost)} is no label on the receiving side"
        return Carried(Answer.OK_IF, text, "no such label is written") if lost else FITS
    if left and right and len(left.attributes) != len(right.attributes):
        why = f"{kind} has other attributes"
        return Carried(Answer.BREAK, why, "", "type-never-fits")
    before, after = modifier(one.full_type), modifier(two.full_type)
    if before == after or after is None:
        return FITS
    return _modifiers(kind, before, after, said)


def _modifiers(
    kind: str, before: tuple[int, int] | None, after: tuple[int, int], said: str
) -> Carried:
    size, scale = after
    if kind.removesuffix("[]") in {"character varying", "character"}:
        longer = before is not None and before[0] <= size
        predicate = f"no value is longer than {size}"
        return FITS if longer else Carried(Answer.OK_IF, said, predicate)
    if kind.removesuffix("[]") == "numeric":
        if before is None or before[1] > scale:
            return Carried(
                Answer.SILENT, f"{said} and is rounded", "", "type-changes-value"
            )
        whole = before[0] - before[1] <= size - scale
        return FITS if whole else Carried(Answer.OK_IF, said, "no value overflows")
    if before is None or before[0] > size:
        return Carried(
            Answer.SILENT, f"{said} and is rounded", "", "type-changes-value"
        )
    return FITS


def _other_type(
    sender: Catalog,
    receiver: Catalog,
    left: str,
    right: str,
    one: Column,
    two: Column,
    said: str,
) -> Carried:
    kinds = family(left), family(right)
    changed = Carried(
        Answer.SILENT, f"{said} in another form", "", "type-changes-value"
    )
    never = Carried(
        Answer.BREAK, f"{said}, which reads no such text", "", "type-never-fits"
    )
    if right.endswith("[]") != left.endswith("[]") and kinds[1] != "text":
        return never
    if kinds == ("stamp", "stamp"):
        return _stamps(left, right, said)
    if kinds == ("number", "number"):
        return _numbers(left, right, one, said, changed, never)
    if kinds[1] == "text":
        return _to_text(sender, left, one, two, said, changed)
    if kinds[0] == "boolean" and kinds[1] == "number":
        return never
    if kinds == ("number", "boolean"):
        return Carried(Answer.OK_IF, said, "every value is 0 or 1")
    if kinds == ("json", "json"):
        return Carried(Answer.OK_IF, said, r"no value holds \u0000")
    del receiver
    return Carried(Answer.OK_IF, said, f"every value reads as {two.full_type}")


def _stamps(left: str, right: str, said: str) -> Carried:
    if right == "date":
        return Carried(Answer.SILENT, f"{said} and is cut", "", "type-changes-value")
    if left == "date":
        return FITS
    predicate = "both sides' TimeZone is the zone the column was read in"
    return Carried(Answer.OK_IF, said, predicate, "time-zone")


def _numbers(
    left: str, right: str, one: Column, said: str, changed: Carried, never: Carried
) -> Carried:
    if left in _WIDTH and right in _WIDTH:
        fits = _WIDTH[left] <= _WIDTH[right]
        predicate = f"no value is out of range for {right}"
        return FITS if fits else Carried(Answer.OK_IF, said, predicate)
    if left in _WIDTH:
        return FITS if right in {"numeric", "double precision"} else changed
    if left == "money":
        return never
    if right in _WIDTH and left == "numeric":
        scale = (modifier(one.full_type) or (0, 0))[1]
        return never if scale else Carried(Answer.OK_IF, said, "every value is whole")
    if left == "real" and right == "double precision":
        return FITS
    if left == "numeric" and right == "double precision":
        return Carried(Answer.OK_IF, said, "no value has more than 15 digits")
    return changed


def _to_text(
    sender: Catalog, left: str, one: Column, two: Column, said: str, changed: Carried
) -> Carried:
    if left in {"bytea", "jsonb", "character"}:
        return changed
    limit = modifier(two.full_type)
    known = sender.types.get(left)
    if limit is None or (known and known.kind == "e"):
        return FITS
    had = modifier(one.full_type)
    if family(left) == "text" and had and had[0] <= limit[0]:
        return FITS
    return Carried(Answer.OK_IF, said, f"no value is longer than {limit[0]}")

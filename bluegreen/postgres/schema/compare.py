"""Whether green has everything that blue has, alike.

Owns what counts as missing, different and extra. Reading is for `items.py`, seeing past
the words in which servers print the same thing for `meaning.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from bluegreen.model.accept import fits
from bluegreen.postgres.database import Database
from bluegreen.postgres.quoting import fewer_quotes
from bluegreen.postgres.schema.items import Item, read_items
from bluegreen.postgres.schema.meaning import alike_in_meaning

_SHOWN_CHARACTERS = 200

Same = Callable[[Item, Item], bool]


@dataclass(frozen=True, slots=True)
class Difference:
    """What blue has and green lacks (`green` is None) or has otherwise."""

    key: str
    blue: str
    green: str | None

    def __str__(self) -> str:
        if self.green is None:
            return f"{self.key} is missing on green"
        blue, green = fewer_quotes(self.blue), fewer_quotes(self.green)
        if blue == green:
            blue, green = self.blue, self.green
        if "\n" in blue or len(blue + green) > _SHOWN_CHARACTERS:
            return f"{self.key} differs: {_first_change(blue, green)}"
        return f"{self.key} differs: blue {blue!r}, green {green!r}"


@dataclass(frozen=True, slots=True)
class SchemaComparison:
    """What came out.

    Attributes:
        compared: how many things blue has.
        blocking: differences that were not meant.
        accepted: differences that a pattern of the playbook names.
        left_out: keys of what the playbook leaves out of green.
        extra: keys of what only green has.
        unused: patterns that named nothing.
    """

    compared: int
    blocking: tuple[Difference, ...]
    accepted: tuple[Difference, ...]
    extra: tuple[str, ...]
    unused: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def compare_schemas(
    blue: Database,
    green: Database,
    differs: Iterable[str] = (),
    left_out: Collection[str] = (),
) -> SchemaComparison:
    """Read both schemas and compare them.

    Args:
        blue: the side that green is held against.
        green: the side that must have all of it.
        differs: patterns of keys that may differ.
        left_out: keys of what green need not have.
    """
    return compare_with(read_items(blue), green, differs, left_out)


def compare_with(
    here: Mapping[str, Item],
    green: Database,
    differs: Iterable[str] = (),
    left_out: Collection[str] = (),
) -> SchemaComparison:
    """The same where blue's things were read already.

    Definitions that read differently are printed once more by green: what they say is
    made there in a transaction that is rolled back.
    """
    there = read_items(green)
    unlike = [
        (item, there[key])
        for key, item in here.items()
        if key in there and item.definition != there[key].definition
    ]
    alike = alike_in_meaning(green, unlike)
    return compare_items(
        here, there, tuple(differs), lambda one, _: one.key in alike, left_out
    )


def compare_items(
    blue: Mapping[str, Item],
    green: Mapping[str, Item],
    differs: tuple[str, ...] = (),
    same: Same = lambda here, there: False,
    left_out: Collection[str] = (),
) -> SchemaComparison:
    """Compare two schemas. Pure where `same` is.

    What goes with a missing thing is not named again: a table that is missing stands
    for its columns.
    """
    found = [
        Difference(key, item.definition, there.definition if there else None)
        for key, item in blue.items()
        if not _lacks_parent(item, blue, green)
        and ((there := green.get(key)) is None or not _alike(item, there, same))
    ]
    accepted = [one for one in found if _named(one.key, differs)]
    left = [one.key for one in found if _is_left_out(one, left_out)]
    blocking = [
        one for one in found if one.key not in left and not _named(one.key, differs)
    ]
    extra = [
        key
        for key, item in green.items()
        if key not in blue and not _lacks_parent(item, green, blue)
    ]
    unused = [p for p in differs if not any(fits(p, d.key) for d in found)]
    return SchemaComparison(
        len(blue),
        tuple(blocking),
        tuple(accepted),
        tuple(extra),
        tuple(unused),
        tuple(left),
    )


def fingerprint(items: Mapping[str, Item]) -> str:
    """SHA-256 over a schema: another one means that something was changed."""
    whole = hashlib.sha256()
    for key, item in items.items():
        whole.update(f"{key}\0{item.definition}\0".encode())
    return whole.hexdigest()


def _is_left_out(one: Difference, left_out: Collection[str]) -> bool:
    """Whether it is missing on purpose; a default that is goes with its column."""
    if one.green is None:
        return one.key in left_out
    default = one.key.replace("column ", "default value ", 1)
    return default in left_out


def _alike(blue: Item, green: Item, same: Same) -> bool:
    return blue.definition == green.definition or same(blue, green)


def _lacks_parent(
    item: Item, here: Mapping[str, Item], there: Mapping[str, Item]
) -> bool:
    """Whether the thing it goes with, or that one's, is missing over there."""
    parent = item.parent
    while parent:
        if parent not in there:
            return True
        parent = here[parent].parent if parent in here else ""
    return False


def _named(key: str, patterns: Iterable[str]) -> bool:
    return any(fits(pattern, key) for pattern in patterns)


def _first_change(blue: str, green: str) -> str:
    pairs = zip(blue.splitlines(), green.splitlines(), strict=False)
    for here, there in pairs:
        if here != there:
            return f"blue {here.strip()!r}, green {there.strip()!r}"
    return "one is longer"

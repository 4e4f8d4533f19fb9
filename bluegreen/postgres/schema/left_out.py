"""Objects of blue's schema that a playbook leaves out of green, and what needs them.

Owns which entries of a dump those are. What the dump itself says of what needs what
decides, as it does for the order in which objects are made.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

from bluegreen.postgres.database import Database
from bluegreen.postgres.quoting import fewer_quotes
from bluegreen.postgres.schema.dump import SECTIONS, Dump, Entry, schema_dump
from bluegreen.postgres.schema.object_names import names_of

_VIEW_RULE = '."_RETURN"'


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What is not made.

    Attributes:
        ids: dump ids of the entries, in the dump that was looked at.
        named: objects that were asked for and are there.
        needing: others that cannot be made without these, each with the one that was
            asked for.
        unknown: names that were asked for and fit nothing, each with one that is like
            it, or an empty text.
    """

    ids: frozenset[int] = frozenset()
    named: tuple[str, ...] = ()
    needing: Mapping[str, str] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(sorted({*self.named, *self.needing}))

    @property
    def tables(self) -> tuple[str, ...]:
        """Tables that were not asked for, and whose rows would stay behind."""
        return tuple(name for name in self.needing if name.startswith("table "))

    def keep(self, entries: Iterable[Entry]) -> list[Entry]:
        """The entries that are made."""
        return [one for one in entries if one.dump_id not in self.ids]


def left_out_of(blue: Database, dump: Dump, wanted: Sequence[str]) -> LeftOut:
    """Find what is asked for, and all that needs it."""
    if not wanted:
        return LeftOut()
    entries = [
        entry
        for section in SECTIONS
        for entry in replace(dump, section=section).entries()
    ]
    places = names_of(blue, [(one.catalog, one.oid) for one in entries])
    names = {
        one.dump_id: places[one.catalog, one.oid]
        for one in entries
        if (one.catalog, one.oid) in places
    }
    return find(names, dump.needs(), wanted)


def read_left_out(blue: Database, wanted: Sequence[str]) -> LeftOut:
    """The same from a dump of its own.

    Raises:
        StepError: 4003; the schema could not be read.
    """
    if not wanted:
        return LeftOut()
    with schema_dump(blue, "pre-data") as dump:
        return left_out_of(blue, dump, wanted)


def find(
    names: Mapping[int, str], needs: Mapping[int, set[int]], wanted: Sequence[str]
) -> LeftOut:
    """What follows from the names of entries and what each needs. Pure."""
    by_name: dict[str, list[int]] = defaultdict(list)
    for number, name in names.items():
        by_name[name].append(number)
    needed_by: dict[int, set[int]] = defaultdict(set)
    for number, others in needs.items():
        for other in others:
            needed_by[other].add(number)
    asked = {fewer_quotes(one): one for one in wanted}
    cause = {number: name for name in asked for number in by_name.get(name, ())}
    waiting = list(cause)
    while waiting:
        number = waiting.pop()
        others = {*needed_by[number], *_views_of(names.get(number, ""), by_name)}
        for other in others - cause.keys():
            cause[other] = cause[number]
            waiting.append(other)
    return LeftOut(
        frozenset(cause),
        tuple(sorted(name for name in asked if name in by_name)),
        {
            names[number]: by
            for number, by in sorted(cause.items())
            if number in names and names[number] not in asked
        },
        {
            given: next(iter(get_close_matches(name, by_name, 1)), "")
            for name, given in asked.items()
            if name not in by_name
        },
    )


def _views_of(name: str, by_name: Mapping[str, Sequence[int]]) -> Iterable[int]:
    """The view whose query is made apart from it: without that it is an empty shell."""
    if not (name.startswith("rule ") and name.endswith(_VIEW_RULE)):
        return
    view = name.removeprefix("rule ").removesuffix(_VIEW_RULE)
    for kind in ("view", "materialized view"):
        yield from by_name.get(f"{kind} {view}", ())

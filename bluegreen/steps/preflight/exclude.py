"""Looks at what the playbook leaves out of green. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bluegreen.model.accept import as_yaml
from bluegreen.model.exclude import Excluded, is_object
from bluegreen.model.finding import Finding, checked
from bluegreen.postgres.catalog.server_facts import ServerFacts
from bluegreen.postgres.schema.left_out import LeftOut
from bluegreen.steps.preflight.intent import listed

_FORM = (
    "name it as messages do: `view mon.bg`, `function public.plain(text)`; a bare "
    "`schema.table` is a table whose rows stay behind"
)


def check_excluded_tables(
    blue: ServerFacts, excluded: Sequence[Excluded]
) -> Iterator[Finding]:
    """Entries of `exclude` that name the rows of a table which is not there."""
    there = {relation.full_name for relation in blue.relations}
    for one in excluded:
        if not is_object(one.name) and one.name not in there:
            yield _unknown(one.place, "")


def check_left_out(left: LeftOut, excluded: Sequence[Excluded]) -> Iterator[Finding]:
    """What is not made on green, and what cannot be left out as it was asked for."""
    places = {one.name: one.place for one in excluded}
    for name, like in left.unknown.items():
        yield _unknown(places.get(name, name), like)
    for name in left.tables:
        yield checked(
            "exclude-takes-table",
            "playbook",
            f"{name} needs {left.needing[name]}, which `exclude` leaves out of green",
            "the table could not be made on green, and its rows would stay behind",
            "let the table do without it on blue; or name the table too: "
            f"exclude: [{as_yaml(name)}]",
            blocks=True,
        )
    if left.named:
        needing = [f"{name} (needs {by})" for name, by in left.needing.items()]
        more = f"; and what needs it: {listed(needing, _MOST)}" if needing else ""
        yield checked(
            "left-out",
            "playbook",
            f"left out of green: {listed(left.named, _MOST)}{more}",
            "`exclude` names it; it is not made on green and nothing misses it there",
        )


_MOST = 50
"""An object that is left out is told by its name."""


def _unknown(place: str, like: str) -> Finding:
    return checked(
        "exclude-unknown",
        "playbook",
        f"`exclude` names what blue's schema does not have: {place}",
        "a name that fits nothing is misspelt, and what it was for would come to green",
        f"is {like} meant?" if like else _FORM,
        blocks=True,
    )

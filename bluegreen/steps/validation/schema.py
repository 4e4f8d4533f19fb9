"""The proof that green has everything that blue has, alike.

Owns what a difference means; comparing is in `postgres/schema/compare.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bluegreen.model.accept import ORPHANS, SCHEMA_DIFFERENCE, entries
from bluegreen.model.record import Record
from bluegreen.postgres.quoting import quote_name
from bluegreen.postgres.schema.compare import compare_schemas
from bluegreen.postgres.schema.left_out import read_left_out
from bluegreen.steps.schema_change.journal_queries import (
    kept_back,
    shells,
    was_migrated,
)
from bluegreen.steps.validation.proof import MOST_SHOWN, Proof, differs
from bluegreen.steps.world import World

_MOST_LISTED = 200


def given_to_blue(records: Sequence[Record]) -> tuple[str, ...]:
    """What blue was given for green's rows: wider than green has it, and meant. Pure.

    Its columns are nullable and have no default, so that blue's own writes know none.
    """
    columns = {f"column {quote_name(*one)}" for one in kept_back(records)}
    tables = {f"column {quote_name(*one)}.*" for one in shells(records)}
    return tuple(sorted(columns | tables))


def _way_on(migrated: bool) -> str:
    if migrated:
        return "fix green and run again; or where the migration means it:"
    return (
        "no migration changed green: make both sides alike and run again; or where"
        " green is to have it so:"
    )


def _told_left_out(names: Sequence[str]) -> str:
    return f"; left out of green: {', '.join(names)}" if names else ""


def _accepted(world: World) -> tuple[str, ...]:
    """Differences by name, and foreign keys that stay NOT VALID on green."""
    ids = {SCHEMA_DIFFERENCE, ORPHANS}
    return tuple(one.object for one in world.limits.accept if one.id in ids)


class CompareSchema(Proof):
    """Everything that blue's schema has is on green, alike, or accepted.

    What is printed differently is made on green, among the temporary objects, in a
    transaction that is rolled back, and printed there once more.

    Crash: the transaction ends with the session; the proof is made again.
    """

    title = "green's schema holds all of blue's"

    def asked(self, world: World) -> Mapping[str, Any]:
        """The accepted differences, and what is left out."""
        asked: dict[str, Any] = {"differs": list(_accepted(world))}
        if world.limits.left_out:
            asked["left_out"] = list(world.limits.left_out)
        return asked

    def prove(self, world: World) -> dict[str, Any]:
        """Compare both catalogs."""
        records = world.journal.records()
        ours = given_to_blue(records)
        patterns = (*_accepted(world), *ours)
        left = read_left_out(world.blue, world.limits.left_out)
        found = compare_schemas(world.blue, world.green, patterns, left.names)
        if found.blocking:
            count = len(found.blocking)
            what = "1 thing" if count == 1 else f"{count} things"
            raise differs(
                f"{what} of blue's schema {'is' if count == 1 else 'are'} not alike on "
                "green",
                [str(one) for one in found.blocking],
                wanted="everything that blue has on green, alike",
                hint="\n".join(
                    [
                        _way_on(was_migrated(records)),
                        *entries(
                            (SCHEMA_DIFFERENCE, one.key)
                            for one in found.blocking[:MOST_SHOWN]
                        ),
                    ]
                ),
            )
        return {
            "summary": f"{found.compared} things of blue's schema are on green, "
            f"{len(found.accepted)} accepted differences, {len(found.extra)} things on "
            f"green only{_told_left_out(found.left_out)}",
            "compared": found.compared,
            "accepted": [one.key for one in found.accepted][:_MOST_LISTED],
            "left_out": list(left.names),
            "green_only": list(found.extra)[:_MOST_LISTED],
            "unused_patterns": [one for one in found.unused if one not in ours],
        }

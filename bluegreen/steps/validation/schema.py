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
from bluegreen.steps.schema_change.journal_queries import kept_back, shells
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


def _accepted(world: World) -> tuple[str, ...]:
    """Differences by name, and foreign keys that stay NOT VALID on green."""
    ids = {SCHEMA_DIFFERENCE, ORPHANS}
    return tuple(one.object for one in world.limits.accept if one.id in ids)


class CompareSchema(Proof):
    """Everything that blue's schema has is on green, alike, or accepted.

    Views and routines that print differently are made on green in a transaction that
    is rolled back.

    Crash: the transaction ends with the session; the proof is made again.
    """

    title = "green's schema holds all of blue's"

    def asked(self, world: World) -> Mapping[str, Any]:
        """The accepted differences."""
        return {"differs": list(_accepted(world))}

    def prove(self, world: World) -> dict[str, Any]:
        """Compare both catalogs."""
        ours = given_to_blue(world.journal.records())
        patterns = (*_accepted(world), *ours)
        found = compare_schemas(world.blue, world.green, patterns)
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
                        "fix green and run again; or where the migration means it:",
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
            "green only",
            "compared": found.compared,
            "accepted": [one.key for one in found.accepted][:_MOST_LISTED],
            "green_only": list(found.extra)[:_MOST_LISTED],
            "unused_patterns": [one for one in found.unused if one not in ours],
        }

"""The proof that no row on green names a parent that is not there.

Owns which foreign keys are looked at again; the anti-join is in
`postgres/catalog/foreign_keys.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bluegreen.model.accept import ORPHANS, is_accepted
from bluegreen.model.body import Body
from bluegreen.model.progress import Progress
from bluegreen.postgres.catalog.foreign_keys import (
    orphans_of,
    read_foreign_keys,
    unproved,
)
from bluegreen.steps.validation.proof import Proof, differs
from bluegreen.steps.world import World


@dataclass(frozen=True, slots=True)
class KeysLookedAt(Body):
    """What the certificate takes from the result.

    Attributes:
        accepted_orphans: rows without a parent, by the key that is accepted so.
    """

    accepted_orphans: dict[str, int] = field(default_factory=dict)


class CheckForeignKeys(Proof):
    """Foreign keys that only green has, or that are NOT VALID, hold for every row.

    Crash: nothing was changed; the proof is made again.
    """

    title = "green's new foreign keys hold"

    def asked(self, world: World) -> Mapping[str, Any]:
        """The schema decides, and which keys may be broken."""
        accept = world.limits.accept
        return {"accepted": [one.object for one in accept if one.id == ORPHANS]}

    def prove(self, world: World) -> dict[str, Any]:
        """Look for orphans; applying the stream does not."""
        blue = read_foreign_keys(world.blue)
        keys = unproved(blue, read_foreign_keys(world.green))
        broken: dict[str, int] = {}
        accepted: dict[str, int] = {}
        for done, (key, one) in enumerate(keys.items(), start=1):
            if count := world.green.value(orphans_of(one)):
                meant = is_accepted(world.limits.accept, ORPHANS, key)
                # What blue's own rows break may be broken on green too, and no more.
                if meant and key in blue and world.blue.value(orphans_of(blue[key])):
                    accepted[key] = count
                else:
                    broken[key] = count
            text = f"{key} looked at"
            world.tell(
                Progress("foreign_key_checked", text, done, len(keys), "foreign keys")
            )
        if broken:
            raise differs(
                f"{len(broken)} foreign keys do not hold on green",
                [
                    f"{key}: {count} rows without a parent"
                    for key, count in broken.items()
                ],
                wanted="a parent for every row",
                hint="fix the rows on blue, from where they come again, or leave the "
                "foreign key out until the window has ended; then run again. Where "
                "blue's rows break the same key it may stay NOT VALID: accept "
                f"`{ORPHANS}` with the constraint as its object",
            )
        held = len(keys) - len(accepted)
        summary = f"{held} foreign keys that blue does not prove hold"
        if accepted:
            summary += (
                f"; accepted, as blue's rows break them too: {', '.join(accepted)}"
            )
        return {
            "summary": summary,
            "foreign_keys": list(keys),
            "accepted_orphans": accepted,
        }

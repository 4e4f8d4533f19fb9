"""The proof that no row on green names a parent that is not there.

Owns which foreign keys are looked at again; the anti-join is in
`postgres/catalog/foreign_keys.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bluegreen.model.progress import Progress
from bluegreen.postgres.catalog.foreign_keys import (
    orphans_of,
    read_foreign_keys,
    unproved,
)
from bluegreen.steps.validation.proof import Proof, differs
from bluegreen.steps.world import World


class CheckForeignKeys(Proof):
    """Foreign keys that only green has, or that are NOT VALID, hold for every row.

    Crash: nothing was changed; the proof is made again.
    """

    title = "green's new foreign keys hold"

    def asked(self, world: World) -> Mapping[str, Any]:
        """Nothing but the schema decides."""
        return {}

    def prove(self, world: World) -> dict[str, Any]:
        """Look for orphans; applying the stream does not."""
        keys = unproved(read_foreign_keys(world.blue), read_foreign_keys(world.green))
        broken: dict[str, int] = {}
        for done, (key, one) in enumerate(keys.items(), start=1):
            if count := world.green.value(orphans_of(one)):
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
                "foreign key out until the window has ended; then run again",
            )
        return {
            "summary": f"{len(keys)} foreign keys that blue does not prove hold",
            "foreign_keys": list(keys),
        }

"""Looks at settings by which a commit is no promise, damage is hidden, vacuum rests."""

from __future__ import annotations

from collections.abc import Iterator

from bluegreen.model.finding import Finding, checked
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.durability import Harm, Unsafe
from bluegreen.postgres.catalog.server_facts import ServerFacts
from bluegreen.steps.preflight.intent import Intent, listed

_IDS = {
    Harm.CRASH: "crash-unsafe",
    Harm.DAMAGE: "damage-hidden",
    Harm.VACUUM: "vacuum-off",
    Harm.ODD: "developer-setting",
}


def check_durability(
    blue: ServerFacts, green: ServerFacts, _: Intent
) -> Iterator[Finding]:
    """Every unsafe setting of either side, and whose it is."""
    for facts in (blue, green):
        for one in facts.unsafe:
            yield checked(
                _IDS[one.harm],
                facts.side,
                one.say(),
                one.rule.why,
                one.repair(facts.database),
                blocks=_blocks(facts.side, one),
            )


def _blocks(side: Side, one: Unsafe) -> bool:
    """Blue lives with its vacuum already; green must not begin so."""
    if one.name == "data_sync_retry":
        return False  # Some systems ask for it; it is told.
    return one.harm in {Harm.CRASH, Harm.DAMAGE} or (
        one.harm is Harm.VACUUM and side is Side.GREEN
    )


def check_unvacuumed_tables(
    blue: ServerFacts, green: ServerFacts, _: Intent
) -> Iterator[Finding]:
    """Tables that were switched off for a load and forgotten, or are meant so."""
    for facts in (blue, green):
        if facts.unvacuumed:
            count = len(facts.unvacuumed)
            yield checked(
                "tables-unvacuumed",
                facts.side,
                f"autovacuum_enabled is off for {count} tables: "
                f"{listed(facts.unvacuumed)}",
                "they are vacuumed and analyzed only by a person or a timer",
                "ALTER TABLE … RESET (autovacuum_enabled);",
            )

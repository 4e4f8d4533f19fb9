"""What the check brings up in a world, by the ids of its findings."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from bluegreen.model.finding import Finding
from bluegreen.steps.check import find
from bluegreen.steps.world import World


def seen(world: World, **words: Any) -> dict[str, list[Finding]]:
    """All findings."""
    by_id = defaultdict(list)
    for finding in find(world, **words):
        by_id[finding.id].append(finding)
    return dict(by_id)


def blocking(world: World, **words: Any) -> list[str]:
    """Ids of those that block, in order."""
    return [finding.id for finding in find(world, **words) if finding.is_blocking]

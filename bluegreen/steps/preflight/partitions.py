"""Look at partitions by time that end before the window does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from bluegreen.model.finding import Finding, checked
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.server_facts import ServerFacts
from bluegreen.steps.preflight.intent import Intent

MARGIN = timedelta(days=1)
"""A cutover slips by a day, and something makes partitions each night."""

AHEAD = 7
"""Partitions that the hint asks for."""


def check_partition_ends(
    blue: ServerFacts, _: ServerFacts, intent: Intent
) -> Iterator[Finding]:
    """Who makes the next one on one side alone makes rows that do not travel."""
    wanted = (intent.window + MARGIN).total_seconds()
    for end in blue.ends:
        # One that ended longer ago than it lasts is an archive.
        if end.parent in intent.exclude or not -end.lasts_s < end.ahead_s < wanted:
            continue
        yield checked(
            "partitions-end-soon",
            Side.BLUE,
            f"{end.parent}: its last partition {end.newest} ends {end.upper} (UTC)",
            "a partition that is made later on one side alone travels nowhere: the "
            "cutover, or a rollback, is refused while it holds rows",
            f"bluegreen partitions PLAYBOOK --ahead {AHEAD} --parent {end.parent}",
        )

"""Looks at what the playbook accepts: an entry that fits nothing. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bluegreen.model.accept import ORPHANS, SCHEMA_DIFFERENCE, Accepted, unused
from bluegreen.model.finding import Finding, checked
from bluegreen.steps.monitors.every import MONITORS


def check_accept(
    accept: Sequence[Accepted], findings: Sequence[Finding]
) -> list[Finding]:
    """Entries that fit none of these findings; those for later looks are left out."""
    later = {SCHEMA_DIFFERENCE, ORPHANS, *(monitor.id for monitor in MONITORS)}
    asked = [one for one in accept if one.id not in later and not one.is_of_verdicts]
    fitting = [(finding.id, finding.found_on) for finding in findings]
    return [
        checked(
            "accept-unused",
            "playbook",
            f"`accept` has {name}, and there is no such finding",
            "an entry that fits nothing is misspelt, or what it was for is over",
            "correct it, or take it out",
        )
        for name in unused(asked, fitting)
    ]

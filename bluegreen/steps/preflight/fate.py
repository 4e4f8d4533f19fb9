"""Look at what ends the tool and its guard together."""

from __future__ import annotations

from collections.abc import Iterator

from bluegreen.model.finding import Finding, checked

WHAT_THEN = (
    "in a pause nothing is left then to let the clients go: behind a pooler they wait "
    "until its query_wait_timeout, and writes are refused, until `bluegreen run` is "
    "called again, from any machine that reaches both sides"
)
FIX = (
    "run it on a machine that stays, and let `bluegreen guard PLAYBOOK` stand by on "
    "another one"
)


def check_shared_fate(fate: str) -> Iterator[Finding]:
    """The guard outlives the tool, and not what both of them run in."""
    if fate:
        yield checked(
            "guard-beside-tool",
            "this machine",
            f"the end of {fate} ends the tool and its guard together",
            WHAT_THEN,
            FIX,
        )

"""What the trials tell at the end of a run: seeds, coverage and figures."""

from __future__ import annotations

from typing import Any

from tests.kit.sampling import get_seed

TOLD = "under_fire"
SEED = get_seed()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what the tests recorded under `TOLD`."""
    stats = terminalreporter.stats
    reports = [*stats.get("passed", ()), *stats.get("failed", ())]
    lines = [v for r in reports for name, v in r.user_properties if name == TOLD]
    if lines:
        terminalreporter.section("under fire")
        for line in lines:
            terminalreporter.write_line(line)

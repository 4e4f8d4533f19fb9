"""What the trials tell at the end of a run: seeds, coverage and figures."""

from __future__ import annotations

import os
import random
import secrets
from typing import Any

TOLD = "under_fire"
# All workers of one run have the same.
_RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID") or secrets.token_hex(8)
SEED = int(os.environ.get("SEED") or random.Random(_RUN).randrange(10**6))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what the tests recorded under `TOLD`."""
    stats = terminalreporter.stats
    reports = [*stats.get("passed", ()), *stats.get("failed", ())]
    lines = [v for r in reports for name, v in r.user_properties if name == TOLD]
    if lines:
        terminalreporter.section("under fire")
        for line in lines:
            terminalreporter.write_line(line)

"""What the tests may cost: seconds of each file, measured once, compared by size.

    python -m tests.kit.budget MEASURED [--write]

MEASURED is a file that `pytest --measure FILE` wrote. A machine may be slower than the
one that measured, so each file is held against the others: one that costs `GROWN` times
its share fails, and so does a new one that is not small. `--write` makes MEASURED the
budget.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Mapping
from pathlib import Path

BUDGET = Path(__file__).parents[1] / "budget.json"
GROWN = 4.0
"""An order of size in small: noise of a shared machine stays below it."""

SMALL_S = 5.0
"""Below it, starting servers decides what a file costs."""


def find_over_budget(
    measured: Mapping[str, float], budget: Mapping[str, float]
) -> list[str]:
    """A line for each file that costs much more than its share; pure."""
    both = [f for f in measured if f in budget and budget[f] >= SMALL_S]
    if not both:
        return []
    pace = statistics.median(measured[f] / budget[f] for f in both)
    found = []
    for file, seconds in sorted(measured.items()):
        allowed = max(budget.get(file, SMALL_S), SMALL_S) * max(pace, 1.0) * GROWN
        if seconds > allowed:
            found.append(
                f"{file}: {seconds:.0f} s, its budget here is {allowed:.0f} s; make it "
                "cheaper, or measure on a quiet machine and write the budget"
            )
    return found


def main(words: list[str]) -> int:
    """Compare or take over; exit status 1 when something is over its budget."""
    measured = json.loads(Path(words[0]).read_text())
    if "--write" in words:
        BUDGET.write_text(json.dumps(measured, indent=1, sort_keys=True) + "\n")
        return 0
    found = find_over_budget(measured, json.loads(BUDGET.read_text()))
    print("\n".join(found) or f"{len(measured)} files are within their budget")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

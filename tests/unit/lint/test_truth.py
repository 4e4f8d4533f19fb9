"""No alarm where PostgreSQL rewrites and reads nothing, and none missed where it does.

The cases are those that `tests/integration/test_lint_effects.py` holds against real
servers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bluegreen.lint.registry import RULES
from tests.unit.lint.kit import lint_whole

CASES = json.loads(
    (Path(__file__).parents[2] / "cases" / "lint" / "effects.json").read_text("utf-8")
)
# Rules that say: this takes as long as the table is big, and others wait for it.
ABOUT_WORK = {rule.id for rule in RULES.values() if rule.sized} | {
    *("truncate", "refresh-not-concurrent", "domain-constraint", "domain-not-null"),
    *("create-partition-of", "inline-reference"),
}
# They speak of the lock or of lost rows, which is there with and without a scan.
ALSO_WITHOUT_WORK = {"create-partition-of", "inline-reference", "truncate"}


def blocks(case: dict[str, Any]) -> bool:
    """Whether the server rewrites or reads a table while others wait for it."""
    if case.get("rewrite") == "heap":
        return True
    locks = dict(part.split(":") for part in case["locks"].split())
    return any(
        locks.get(table) in ("AX", "X", "SRX", "S")
        for table in case.get("scan", "").split()
    )


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda case: case["sql"])
def test_the_alarm_is_raised_where_the_server_works_and_nowhere_else(
    case: dict[str, Any],
) -> None:
    low, high = case.get("versions", [13, 18])
    for version in range(low, high + 1):
        report = lint_whole(
            case["sql"],
            CASES["schema"],
            target_version=version,
            timezone=case.get("timezone", ""),
        )
        found = {finding.id for finding in report.findings} & ABOUT_WORK
        if blocks(case):
            assert found, version
        else:
            assert found <= ALSO_WITHOUT_WORK, version

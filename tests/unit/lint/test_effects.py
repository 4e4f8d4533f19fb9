"""The lock table, row by row, as it was measured on PostgreSQL 13 to 18."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import pytest

from bluegreen.lint.effects.effect import Lock
from bluegreen.lint.tracking import track
from bluegreen.lint.tracking.state import State, Versions
from bluegreen.sql.knowledge import Knowledge
from bluegreen.sql.reading.statements import ops
from bluegreen.sql.source import read
from tests.unit.lint.kit import known

FOLDER = Path(__file__).parents[2] / "cases" / "lint"
CASES = json.loads((FOLDER / "effects.json").read_text("utf-8"))
FORMS = json.loads((FOLDER / "forms.json").read_text("utf-8"))
SHORT = {
    "AX": Lock.ACCESS_EXCLUSIVE,
    "X": Lock.EXCLUSIVE,
    "SRX": Lock.SHARE_ROW_EXCLUSIVE,
    "S": Lock.SHARE,
    "SUX": Lock.SHARE_UPDATE_EXCLUSIVE,
    "RX": Lock.ROW_EXCLUSIVE,
    "RS": Lock.ROW_SHARE,
}


@lru_cache(maxsize=64)
def catalog(schema: str, timezone: str) -> Knowledge:
    return known(schema, timezone=timezone)


def seen(sql: str, schema: str, version: int, timezone: str = "") -> dict[str, object]:
    """The effects of one statement, its parts put together."""
    state = State(catalog(schema, timezone), Versions(version, version))
    (statement,) = read("x", sql).statements
    locks: dict[str, Lock] = {}
    rewrite, scan = 0, set()
    for op in ops(statement):
        found = track.look(state, op, ops(statement))
        for name, lock in found.locks:
            if lock is not Lock.ACCESS_SHARE:
                locks[str(name)] = max(lock, locks.get(str(name), lock))
        rewrite = max(rewrite, found.rewrite)
        scan |= {str(name) for name in found.scan}
        track.apply(state, op)
    return {"locks": locks, "rewrite": rewrite, "scan": scan}


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda case: case["sql"])
def test_a_statement_does_what_was_measured(case: dict[str, object]) -> None:
    _held_against(case, CASES["schema"], zone="")


@pytest.mark.parametrize(
    ("group", "case"),
    [(group, case) for group in FORMS for case in group["cases"]],
    ids=lambda value: value.get("sql", ""),
)
def test_a_form_does_what_was_measured(
    group: dict[str, str], case: dict[str, object]
) -> None:
    _held_against(case, group["schema"], zone="UTC")


def _held_against(case: dict[str, object], schema: str, zone: str) -> None:
    versions = case.get("versions", [13, 18])
    assert isinstance(versions, list)
    locks = {
        name: SHORT[short]
        for name, short in (part.split(":") for part in str(case["locks"]).split())
    }
    wanted = {
        "locks": locks,
        "rewrite": ["none", "indexes", "heap"].index(str(case.get("rewrite", "none"))),
        "scan": set(str(case.get("scan", "")).split()),
    }
    for version in range(versions[0], versions[-1] + 1):
        found = seen(str(case["sql"]), schema, version, str(case.get("timezone", zone)))
        assert found == wanted, version

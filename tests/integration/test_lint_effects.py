"""The lock table and the linter's words about functions, held against real servers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bluegreen.sql.builtin_functions import STABLE, VOLATILE
from tests.kit.databases import Database, create_database, drop_databases
from tests.kit.sampling import sample
from tests.kit.table_effects import Measured, measure, measure_alone
from tests.unit.lint.test_effects import SHORT

FOLDER = Path(__file__).parents[1] / "cases" / "lint"
CASES = json.loads((FOLDER / "effects.json").read_text("utf-8"))
FORMS = json.loads((FOLDER / "forms.json").read_text("utf-8"))
MAJORS = sample(range(13, 19), 4, always=(13, 16, 18))


def of_version(major: int, group: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """The cases that a server of that version can run."""
    return [
        case
        for case in (group or CASES)["cases"]
        if case.get("world", True)
        and case.get("versions", [13])[0] <= major <= case.get("versions", [18])[-1]
    ]


def filled(database: Database, group: dict[str, Any] | None = None) -> Database:
    world = group or CASES
    database.run(world["schema"], world["rows"], "ANALYZE")
    return database


def as_written(case: dict[str, Any], found: Measured) -> dict[str, Any]:
    """What was measured, in the form of the file."""
    short = {lock: word for word, lock in SHORT.items()}
    locks = " ".join(f"{name}:{short[lock]}" for name, lock in found.locks.items())
    scan = found.scan
    # TRUNCATE builds indexes of an empty table, REFRESH reads other tables.
    if case["sql"].startswith(("TRUNCATE", "REFRESH")):
        scan = set()
    return {
        "sql": case["sql"],
        "locks": set(locks.split()),
        "rewrite": ("none", "indexes", "heap")[found.rewrite],
        "scan": scan,
    }


def as_expected(case: dict[str, Any]) -> dict[str, Any]:
    return {
        "sql": case["sql"],
        "locks": set(case["locks"].split()),
        "rewrite": case.get("rewrite", "none"),
        "scan": set(case.get("scan", "").split()),
    }


@pytest.mark.parametrize("major", MAJORS)
def test_the_table_of_locks_is_what_the_server_does(
    major: int, database: Callable[[int], Database]
) -> None:
    one = filled(database(major))
    differences = []
    with one.connect() as session:
        for case in of_version(major):
            if "hold" in case:
                continue
            found = measure(session, case["sql"], case.get("timezone") or "UTC")
            seen, wanted = as_written(case, found), as_expected(case)
            if seen != wanted:
                differences.append((seen, wanted))
    assert differences == []


@pytest.mark.parametrize("group", FORMS, ids=range(len(FORMS)))
@pytest.mark.parametrize("major", MAJORS)
def test_every_form_does_on_the_server_what_the_linter_says(
    major: int, group: dict[str, Any], database: Callable[[int], Database]
) -> None:
    one = filled(database(major), group)
    differences = []
    with one.connect() as session:
        for case in of_version(major, group):
            found = measure(session, case["sql"], case.get("timezone") or "UTC")
            seen, wanted = as_written(case, found), as_expected(case)
            if seen != wanted:
                differences.append((seen, wanted))
    assert differences == []


@pytest.mark.parametrize("major", MAJORS)
def test_what_runs_outside_of_transactions_takes_the_lock_of_the_table(
    major: int, database: Callable[[int], Database]
) -> None:
    model = filled(database(major))
    for case in of_version(major):
        if "hold" not in case:
            continue
        one = create_database(model.server, "alone")
        try:
            filled(one)
            table, mode = case["hold"].split(" ", 1)
            found = measure_alone(one, case["sql"], table, mode)
        finally:
            drop_databases(one)
        seen, wanted = as_written(case, found), as_expected(case)
        assert {**seen, "scan": None} == {**wanted, "scan": None}


@pytest.mark.parametrize("major", MAJORS)
def test_functions_are_as_volatile_as_the_linter_says(
    major: int, database: Callable[[int], Database]
) -> None:
    rows = database(major).rows(
        "SELECT p.proname::text, bool_or(p.provolatile = 'v')"
        " FROM pg_catalog.pg_proc p"
        " WHERE p.pronamespace = 'pg_catalog'::regnamespace"
        # Volatile in 13 and 14, see `builtin_functions.py`.
        " AND NOT (p.proname = 'timezone' AND 'timetz'::regtype = ANY (p.proargtypes))"
        " GROUP BY 1"
    )
    volatile = {str(name) for name, wild in rows if wild}
    calm = {str(name) for name, wild in rows if not wild}
    assert volatile & STABLE == set()
    assert calm & VOLATILE == set()

"""The schema changes as an operator makes them: playbook, `run`, judge, `rollback`.

All of them share one playbook here, as each has a schema of its own. Alone, each with
servers and a playbook of its own, they are made by hand:
`python -m tests.e2e.one_by_one`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bluegreen.lab.server import Server
from tests.e2e.changes import CHANGES
from tests.kit.schema_change import Change
from tests.kit.schema_journey import (
    Told,
    require_kept,
    through_the_cli,
    verdicts_without,
)
from tests.kit.shared_arena import shared_arena

MINE = [change for change in CHANGES if 16 in change.majors]
STOPPED = {
    "1-expand": "reverse/LOSSY/column-left-out/§.t",
    "2-expand": "reverse/LOSSY/column-left-out/§.t",
    "3-default-until-contract": "forward/BREAK/no-default/§.t.n",
    "6-named-by-hand": "forward/BREAK/column-missing/§.t",
    "7-not-null-dropped": "reverse/BREAK/no-default/§.t.gone",
    "8-mapped-rename": "forward/BREAK/column-missing/§.t",
    "9-own-always-trigger": "reverse/LOSSY/column-left-out/§.t",
    "11-drop-expression": "forward/SILENT/derived-stale/§.t",
    "12-becomes-generated": "forward/SILENT/name-reused/§.t",
    "24-cents": "forward/BREAK/type-may-not-fit/§.t.price",
    "26m-split": "forward/SILENT/derived-stale/§.t",
    "32-contract": "reverse/LOSSY/table-left-out/§.fresh",
    "43-shell": "reverse/LOSSY/table-left-out/§.fresh",
    "44a-renamed": "forward/BREAK/table-missing/§.t",
    "62-backfill-of-derived": "forward/SILENT/derived-stale/§.t",
}
"""What stops a change where nothing makes it compatible."""

ASKED = {
    "17-widened": "reverse/OK/type-may-not-fit/§.t.a",
    "27-contract": "forward/OK/constraint/§.t.a",
    "28-dropped-on-both": "reverse/OK/constraint/§.t.a",
    "29-contract": "forward/OK/constraint/§.t.filled",
    "30-contract": "forward/OK_IF/constraint/§.t.once",
    "31-contract": "forward/OK/foreign-key/§.child.fk",
    "33-dropped-on-both": "reverse/OK/constraint/§.t.short",
    "34-dropped-on-both": "reverse/OK/foreign-key/§.child.fk",
    "58-enum-label": "reverse/OK/type-may-not-fit/§.t.a",
}
"""What rows decide, and passes as long as they fit."""


@pytest.fixture(scope="module")
def journey(
    servers: Callable[..., Server],
    lab_root: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Told]:
    """There and back through the command line, all losses declared by name."""
    with shared_arena(servers, lab_root, schema="") as here:
        yield through_the_cli(here, tmp_path_factory.mktemp("cli"), MINE)


@pytest.mark.together
@pytest.mark.timeout(600)
@pytest.mark.parametrize("change", MINE, ids=lambda change: change.row)
def test_the_judge_lets_it_pass_and_nothing_is_lost(
    change: Change, journey: Told
) -> None:
    require_kept(journey, change)


BARE = [change for change in MINE if change.row in {*STOPPED, *ASKED}]


@pytest.fixture(scope="module")
def without(
    servers: Callable[..., Server],
    lab_root: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, str]]:
    """Each verdict and its weight, where nothing makes the changes compatible."""
    with shared_arena(servers, lab_root, schema="") as here:
        rows = verdicts_without(here, tmp_path_factory.mktemp("bare"), BARE)
        yield {row["name"]: row["weight"] for row in rows}


@pytest.mark.together
@pytest.mark.timeout(600)
@pytest.mark.parametrize("change", BARE, ids=lambda change: change.row)
def test_without_what_makes_it_compatible_the_judge_says_so(
    change: Change, without: dict[str, str]
) -> None:
    name = change.sql(STOPPED.get(change.row) or ASKED[change.row])
    # The playbook accepts all there is, so that every look is had.
    assert without[name] == ("accepted" if change.row in STOPPED else "passes")

"""What a rehearsal of the schema brings up, and what stops a run."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from bluegreen.migrators.rehearsal import Refused, Tried
from bluegreen.model.codes import Code
from bluegreen.model.errors import ServerRefused, StepError
from bluegreen.postgres.schema.compare import Difference
from bluegreen.postgres.schema.rehearsal import Refusal, Rehearsal
from bluegreen.postgres.schema.throw_away import NotPermitted
from bluegreen.steps.preflight.rehearsal import (
    check_differences,
    check_migrations,
    check_rehearsal,
    not_read,
    not_rehearsed,
)


@dataclass(frozen=True)
class Case:
    """A refusal, and the finding it becomes."""

    refusal: Refusal
    id: str
    blocks: bool
    seen: str


CASES = (
    Case(
        Refusal("VIEW", "view mon.bg", "42703", "no such column"),
        "schema-refused",
        True,
        "view mon.bg of blue's schema is refused: no such column",
    ),
    Case(
        Refusal("TYPE", "type mon.t", "42601", "syntax error", untried=1),
        "schema-refused",
        True,
        "type mon.t of blue's schema is refused, and with it 1 object that needs it: "
        "syntax error",
    ),
    Case(
        Refusal("EXTENSION", "extension pg_cron", "XX000", "not here", untried=2),
        "extension-not-rehearsed",
        False,
        "extension pg_cron could not be made in a throw-away database, and with it "
        "2 objects that need it: not here",
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.refusal.thing)
def test_a_refusal_is_a_finding(case: Case) -> None:
    [found] = check_rehearsal(Rehearsal((case.refusal,)))
    assert (found.id, found.is_blocking, found.seen) == (
        case.id,
        case.blocks,
        case.seen,
    )


def test_a_compression_that_green_lacks_stops_nothing() -> None:
    [found] = check_rehearsal(Rehearsal(uncompressed=("TABLE shop page",)))
    assert (found.id, found.is_blocking) == ("compression-missing", False)
    assert "TABLE shop page" in found.seen


def test_a_view_that_stays_empty_stops_the_run() -> None:
    [found] = check_rehearsal(Rehearsal(unfilled={"app.words": "no relation page"}))
    assert (found.id, found.is_blocking) == ("view-cannot-be-filled", True)
    assert found.seen == (
        "materialized view app.words cannot be filled on green: no relation page"
    )


def test_what_was_not_tried_stops_nothing_and_says_so() -> None:
    error = ServerRefused(Code.SERVER_UNREACHABLE, "green", seen="pg_hba.conf says no")
    found = not_rehearsed(NotPermitted(error), "Bg")
    assert (found.id, found.is_blocking) == ("schema-not-rehearsed", False)
    assert found.seen == "blue's schema was not tried on green: pg_hba.conf says no"
    assert found.fix == ""


def test_a_migration_that_is_refused_blocks_and_one_that_may_be_does_not() -> None:
    refused = Refused("m/1.sql:3", "no such type (SQLSTATE 42704)", "CREATE TABLE t ()")
    unsure = Refused("m/2.sql:1", "no such table (SQLSTATE 42P01)", "DROP TABLE u")
    found = check_migrations(Tried([refused], [unsure]))
    assert [(one.id, one.is_blocking, one.seen) for one in found] == [
        (
            "migration-refused",
            True,
            "m/1.sql:3: no such type (SQLSTATE 42704)\nstatement: CREATE TABLE t ()",
        ),
        (
            "migration-not-rehearsed",
            False,
            "m/2.sql:1: no such table (SQLSTATE 42P01)",
        ),
    ]


def test_a_schema_that_cannot_be_read_now_is_told_and_stops_nothing() -> None:
    found = not_read(StepError(Code.STREAM_STOPPED, "pg_dump failed", seen="a lock"))
    assert (found.id, found.is_blocking) == ("schema-not-rehearsed", False)
    assert found.seen == "blue's schema was not tried on green: pg_dump failed: a lock"


@pytest.mark.parametrize("whole", [True, False])
def test_a_difference_blocks_where_every_statement_was_tried(whole: bool) -> None:
    gone = Difference("index public.i", "CREATE INDEX i", None)
    [one] = check_differences([gone], whole=whole)
    assert (one.id, one.found_on) == ("schema-difference", "index public.i")
    assert one.is_blocking is whole
    assert "index public.i is missing on green" in one.seen
    [one] = check_differences([gone], whole=whole, changed=("public.t", "public.i"))
    assert not one.is_blocking

"""What the judge let wait is asked once, and told to the journal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bluegreen.model.record import Kind, Record
from bluegreen.model.verdict import Needed, Refused, Satisfied
from bluegreen.postgres.catalog.columns import Column
from bluegreen.postgres.catalog.indexes import Index
from bluegreen.postgres.catalog.relations import Relation
from bluegreen.steps.schema_change.contract import (
    DeferContract,
    DeferFacts,
    Deferred,
    deferred,
)
from bluegreen.steps.schema_change.deferral import (
    Asking,
    Deferral,
    DeferredNote,
    FileWaits,
    Waiting,
    remembered,
    unlisted,
)

REASONS = {"1.sql": {2: "a of t is called b on green"}}
WAITING = Waiting(
    REASONS,
    ("1.sql:3 waits: a of t is called b on green",),
    {"1.sql": "aa", "2.sql": "bb"},
)
ACTION = DeferContract("migrate", Asking(("*.sql",), ask=True))


def note(**body: Any) -> Record:
    return Record(1, datetime.now(UTC), Kind.NOTE, 0, "r", "a", body)


def test_the_journal_gives_back_what_it_was_told() -> None:
    told = Deferral(DeferredNote(("*.sql",), (), WAITING.told()))
    records = [note(**told.as_body()), note(more=1)]
    assert remembered(records) == {
        "1.sql": FileWaits("aa", REASONS["1.sql"]),
        "2.sql": FileWaits("bb", {}),
    }
    assert deferred(records) == Deferred(("*.sql",), (), REASONS)
    assert remembered([note(deferred={"files": [], "contract": []})]) == {}
    assert remembered([]) == {}


def test_the_plan_shows_each_statement_and_why() -> None:
    said = ACTION.judge(DeferFacts(("1.sql (contract)",), False, WAITING))
    assert said == Needed(
        "1.sql (contract) wait for `decommission`\n"
        "1.sql:3 waits: a of t is called b on green"
    )
    assert ACTION.judge(DeferFacts((), False)) == Satisfied("nothing waits")


def test_a_statement_that_can_wait_in_part_only_is_refused() -> None:
    mixed = Waiting(mixed=("1.sql:3: t allows fewer rows on green",))
    assert ACTION.judge(DeferFacts(("1.sql (contract)",), False, mixed)) == Refused(
        2009,
        "a statement can wait for blue's release in part only",
        "1.sql:3: t allows fewer rows on green",
        "what blue cannot live with in statements of its own",
        "write one ALTER TABLE for each part that waits, then run again",
    )


def test_a_key_and_a_whole_row_must_be_sent() -> None:
    columns = (Column("id", "int", not_null=True), Column("a", "text"))
    key = Index("k", ("id",), unique=True, primary=True)
    keyed = Relation(1, "s", "t", root_name="s.t", columns=columns, indexes=(key,))
    whole = Relation(
        2, "s", "u", root_name="s.u", columns=columns, replica_identity="f"
    )
    assert unlisted([keyed, whole], lists=True) == {"s.t.id", "s.u.id", "s.u.a"}
    assert unlisted([keyed], lists=False) == {"s.t.id", "s.t.a"}

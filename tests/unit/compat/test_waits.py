"""Which statements wait until blue is released, and what builds on them."""

from __future__ import annotations

import pytest

from bluegreen.compat.text.waits import Known, Wait, waits

ADD_AGE = "ALTER TABLE app.t ADD COLUMN age int NOT NULL DEFAULT 0"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ALTER TABLE t RENAME a TO b", "a of t is called b on green"),
        ("ALTER TABLE t ALTER a SET NOT NULL", "blue may send NULL for a of t"),
        ("ALTER TABLE t ADD CHECK (a > 0)", "t allows fewer rows on green"),
        ("ALTER TABLE t ADD UNIQUE (a)", "t allows fewer rows on green"),
        (
            "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES u NOT VALID",
            "apply does not look at the foreign key of t",
        ),
        (
            "CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)",
            "t may hold no two rows alike on green only",
        ),
        ("ALTER TABLE t RENAME TO u", "green has no t any more"),
        ("ALTER TABLE t SET SCHEMA s", "t moves away"),
        ("ALTER TYPE mood RENAME VALUE 'a' TO 'b'", "a is no label any more"),
        ("ALTER DOMAIN d ADD CHECK (VALUE > 0)", "the domain allows other values"),
        ("ALTER TABLE app.t DROP COLUMN held", "green has no held of t"),
        ("ALTER TABLE t DROP held", "green has no held of t"),
    ],
)
def test_what_blue_could_not_live_with_waits(text: str, why: str) -> None:
    known = Known(unlisted=frozenset({"app.t.held"}))
    assert waits([text], known) == {0: Wait(why)}


@pytest.mark.parametrize(
    "text",
    [
        ADD_AGE,
        "ALTER TABLE t ADD COLUMN a int UNIQUE REFERENCES u CHECK (a > 0)",
        "ALTER TABLE t DROP COLUMN a",
        "ALTER TABLE t DROP CONSTRAINT c",
        "ALTER TABLE t ALTER a DROP NOT NULL",
        "ALTER TABLE t ALTER a TYPE bigint",
        "ALTER TABLE t ALTER a SET DEFAULT 1",
        "ALTER TABLE t ADD PRIMARY KEY (a)",
        "ALTER TABLE t RENAME CONSTRAINT a TO b",
        "ALTER TABLE app.old RENAME TO young",
        "ALTER TYPE mood ADD VALUE 'a'",
        "CREATE INDEX i ON t (a)",
        "CREATE TABLE n (id int PRIMARY KEY REFERENCES t)",
        "DROP TABLE t",
        "UPDATE t SET a = 1",
        "DO $$ BEGIN PERFORM 1; END $$",
        "ALTER TABLE t ENABLE ALWAYS RULE r, DROP COLUMN IF EXISTS a",
        "DROP CAST (int AS text)",
        "not SQL",
        "",
    ],
)
def test_all_else_runs_at_once(text: str) -> None:
    known = Known(renamed=frozenset({"app.old"}))
    assert waits([text], known) == {}


def test_columns_that_no_stream_fills_may_be_narrowed_at_once() -> None:
    more = ["ALTER TABLE app.t ADD UNIQUE (age)", "CREATE UNIQUE INDEX ON app.t (age)"]
    assert waits([ADD_AGE, *more], Known()) == {}
    both = ["ALTER TABLE app.t ADD UNIQUE (age, a)"]
    assert set(waits([ADD_AGE, *both], Known())) == {1}
    carried = Known(carried=frozenset({"app.t.age"}))
    assert set(waits([ADD_AGE, more[0]], carried)) == {1}
    assert set(waits([ADD_AGE, "ALTER TABLE app.t ALTER age DROP DEFAULT"], Known()))


def test_a_table_that_is_made_anew_under_its_name_is_no_rename() -> None:
    swap = ["ALTER TABLE t RENAME TO u", "CREATE TABLE t (id int)", "DROP TABLE u"]
    assert waits(swap, Known()) == {}
    other = ["CREATE TABLE n (id int)", "DROP TABLE t", "ALTER TABLE n RENAME TO t"]
    assert waits(other, Known()) == {}


def test_what_builds_on_it_waits_too() -> None:
    behind = Wait("it builds on a statement that waits", behind=0)
    renamed = "ALTER TABLE t RENAME a TO b"
    for text in (
        "CREATE INDEX ON t (b)",
        "UPDATE t SET b = 1",
        "CREATE VIEW v AS SELECT b FROM t",
        "DO $$ BEGIN EXECUTE 'ALTER TABLE t ALTER b SET DEFAULT 1'; END $$",
    ):
        assert waits([renamed, text], Known())[1] == behind, text
    assert set(
        waits([renamed, "UPDATE u SET b = 1", "UPDATE t SET c = 1"], Known())
    ) == {0}
    proved = [
        "ALTER TABLE t ADD CONSTRAINT c CHECK (a IS NOT NULL) NOT VALID",
        "ALTER TABLE t VALIDATE CONSTRAINT c",
        "ALTER TABLE t ALTER a SET NOT NULL",
        "ALTER TABLE t DROP CONSTRAINT c",
    ]
    assert set(waits(proved, Known())) == {0, 1, 2, 3}
    index = ["CREATE UNIQUE INDEX i ON t (a)", "COMMENT ON INDEX i IS 'once'"]
    assert waits(index, Known())[1] == behind


def test_a_statement_of_which_a_part_must_not_wait_is_told() -> None:
    text = "ALTER TABLE t ADD COLUMN n int, ADD UNIQUE (a)"
    assert waits([text], Known()) == {0: Wait("t allows fewer rows on green", True)}
    both = "ALTER TABLE t ADD UNIQUE (a), ALTER a SET NOT NULL"
    why = "t allows fewer rows on green; blue may send NULL for a of t"
    assert waits([both], Known()) == {0: Wait(why)}

"""The tier that has the text only."""

from __future__ import annotations

import pytest

from bluegreen.compat.text.trees import judge_trees
from bluegreen.compat.verdict import Answer, Direction, worst

ALL = "create publication p for all tables"


def answers(*texts: str, **more: str) -> tuple[Answer, Answer]:
    found = judge_trees(texts, forward=ALL, reverse=more.get("reverse", ALL))
    forward = worst(v for v in found if v.direction is Direction.FORWARD)
    reverse = worst(v for v in found if v.direction is Direction.REVERSE)
    return forward, reverse


@pytest.mark.parametrize(
    ("text", "forward", "reverse"),
    [
        ('alter table "Shop"."T" add note text', Answer.OK, Answer.BREAK),
        ("alter table t add c int not null", Answer.BREAK, Answer.BREAK),
        ("alter table t add c serial8 not null", Answer.OK_IF, Answer.BREAK),
        ("alter table t add c int primary key", Answer.BREAK, Answer.BREAK),
        ("alter table t drop c", Answer.BREAK, Answer.OK_IF),
        ("alter table t rename a to b", Answer.BREAK, Answer.BREAK),
        ("alter table t set schema s", Answer.BREAK, Answer.BREAK),
        ("alter table t set unlogged", Answer.OK, Answer.SILENT),
        ("alter table t alter c set default 1", Answer.OK, Answer.OK),
        ("alter table t alter c type bigint", Answer.UNKNOWN, Answer.UNKNOWN),
        ("alter table t add foreign key (a) references u", Answer.OK_IF, Answer.OK),
        ("alter table t replica identity nothing", Answer.OK, Answer.APP),
        ("alter type e add value 'x'", Answer.OK, Answer.OK_IF),
        ("alter type e rename value 'x' to 'y'", Answer.BREAK, Answer.BREAK),
        ("alter domain d add check (value > 0)", Answer.OK_IF, Answer.OK),
        ("alter domain d set not null", Answer.OK_IF, Answer.OK),
        ("alter domain d drop not null", Answer.OK, Answer.OK_IF),
        ("alter domain d set default 1", Answer.OK, Answer.OK),
        ("alter domain d validate constraint c", Answer.OK, Answer.OK),
        ("alter table t enable always rule r", Answer.UNKNOWN, Answer.UNKNOWN),
        ("drop cast (int as text)", Answer.OK, Answer.OK),
        ("create index on t(a)", Answer.OK, Answer.OK),
        ("create unique index on t(a)", Answer.OK_IF, Answer.OK),
        ("create table n(id int)", Answer.OK, Answer.BREAK),
        ("update t set a = 1", Answer.SILENT, Answer.SILENT),
        ("delete from t", Answer.SILENT, Answer.SILENT),
        ("do $$ begin execute 'x'; end $$", Answer.UNKNOWN, Answer.UNKNOWN),
        ("select f()", Answer.UNKNOWN, Answer.UNKNOWN),
        ("not sql at all", Answer.UNKNOWN, Answer.UNKNOWN),
    ],
)
def test_one_statement(text: str, forward: Answer, reverse: Answer) -> None:
    assert answers(text) == (forward, reverse)


def test_a_table_of_the_same_set_is_nobody_elses_business() -> None:
    own = (
        "create table n(id int)",
        "insert into n values (1)",
        "alter table n drop id",
    )
    reverse = "create publication p for table t"
    assert answers(*own, reverse=reverse) == (Answer.OK, Answer.LOSSY)


def test_a_backfill_is_stale_without_an_always_trigger() -> None:
    added = ("alter table t add b text", "update t set b = lower(a)")
    assert answers(*added)[0] is Answer.SILENT
    assert answers("alter table t enable always trigger x", *added)[0] is Answer.UNKNOWN
    assert answers("alter table u enable always trigger x", *added)[0] is Answer.SILENT
    other = ("alter table a.t enable always trigger x", "alter table b.t add c text")
    assert answers(*other, "update b.t set c = lower(a)")[0] is Answer.SILENT


@pytest.mark.parametrize(
    "text",
    [
        "with gone as (delete from t returning *) insert into n select * from gone",
        "with put as (insert into t values (1) returning *) delete from n",
        "with set as (update t set a = 1 returning *) update n set a = 1",
    ],
)
def test_what_a_with_writes_is_seen(text: str) -> None:
    found = judge_trees(["create table n(id int, a int)", text])
    assert {v.where for v in found if v.rule == "rows-differ"} == {"t"}
    assert answers("create table n(id int, a int)", text)[0] is Answer.SILENT


def test_a_swap_is_silent_until_refresh() -> None:
    texts = ("create table tn(id int)", "drop table t", "alter table tn rename to t")
    found = judge_trees(texts, forward=ALL, reverse=ALL)
    assert any(v.rule == "table-replaced" and v.answer is Answer.SILENT for v in found)


def test_a_table_of_the_same_set_is_told_apart_by_its_schema() -> None:
    made = "create table archive.t (id int)"
    for text in ("update public.t set a = lower(a)", "delete from shop.t"):
        found = judge_trees(
            [made, text], forward=ALL, reverse="create publication p for table t"
        )
        assert any(v.rule == "rows-differ" for v in found), text
    for text in ("update archive.t set a = 1", "delete from t"):
        found = judge_trees(
            [made, text], forward=ALL, reverse="create publication p for table t"
        )
        assert not any(v.rule == "rows-differ" for v in found), text


def test_what_was_said_of_a_table_goes_by_its_last_name() -> None:
    made = ("create table s.u (id int)", "insert into s.u select id from s.t")
    found = judge_trees((*made, "alter table s.u rename to v"))
    assert {v.where for v in found if v.rule == "derived-stale"} == {"s.v"}


@pytest.mark.parametrize(
    ("publication", "answers"),
    [
        (ALL, set()),
        ("create publication p for table t where (id < 9)", {Answer.UNKNOWN}),
        (f"{ALL} with (publish = 'insert')", {Answer.UNKNOWN}),
        (f"{ALL} with (publish = 'insert, update, delete, truncate')", set()),
        ("create publikation", set()),
    ],
)
def test_what_a_publication_leaves_behind_is_unknown(
    publication: str, answers: set[Answer]
) -> None:
    said = judge_trees([], forward=publication, reverse=ALL)
    assert {v.answer for v in said} == answers
    assert all(v.direction is not Direction.REVERSE for v in said)


RENAME = "ALTER TABLE t RENAME COLUMN {} TO {}"


@pytest.mark.parametrize(
    ("statements", "breaking"),
    [
        ([RENAME.format("a", "b")], [0]),
        ([RENAME.format("a", "b"), RENAME.format("b", "c")], [0, 1]),
        ([RENAME.format("a", "b"), RENAME.format("b", "a")], []),
        (["ALTER TABLE t ADD COLUMN a int", RENAME.format("a", "b")], []),
        (
            [
                "ALTER TABLE t ADD a int",
                RENAME.format("a", "b"),
                RENAME.format("b", "c"),
            ],
            [],
        ),
        (["CREATE TABLE t (a int)", RENAME.format("a", "b")], []),
        (["ALTER VIEW t RENAME COLUMN a TO b"], []),
        (
            [
                RENAME.format("a", "x"),
                RENAME.format("b", "a"),
                RENAME.format("x", "b"),
            ],
            [0, 1, 2],
        ),
    ],
)
def test_of_a_renamed_column_the_name_in_the_end_counts(
    statements: list[str], breaking: list[int]
) -> None:
    found = [
        v.statement
        for v in judge_trees(statements)
        if v.rule == "column-renamed" and v.direction is Direction.FORWARD
    ]
    assert found == breaking

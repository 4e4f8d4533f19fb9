"""What the migration's text tells."""

from __future__ import annotations

import pytest

from bluegreen.compat.text.statements import read_statements
from bluegreen.sql.transactions import one_transaction
from tests.kit.compat_case import first_major


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ('update shop."T" set full_name = first || last', [("full_name",)]),
        ("update t set c = 1", []),
        ("update t set big = true where n > 100", [("big",)]),
        ("update t set c = c + 1", []),
        ("do $$ begin update t set up = upper(a); end $$", [("up",)]),
        ("insert into prof select id, a from t", [()]),
        ("insert into prof values (1)", []),
        ("select 1", []),
        ("update t set (a, b) = (x, y + 1)", [("a",), ("b",)]),
        ("update t set (a, b) = (select x, y from s where s.i = t.i)", [("a", "b")]),
        ("with s as (select 1 k) update t set a = s.k from s", [("a",)]),
        ("with s as (delete from u returning k) update t set a = s.k from s", []),
        (
            "merge into t using s on s.i = t.i when matched then update set a = s.b",
            [("a",)],
        ),
        ("create table sums as select a, sum(b) from t group by a", [()]),
        ("select a, sum(b) into sums from t group by a", [()]),
        ("create table backup as select * from t", []),
        ("create materialized view v as select a, sum(b) from t group by a", []),
        ("alter table t alter c type text using upper(a)", [("c",)]),
        ("alter table t alter c type int using c::int", []),
    ],
)
def test_derived_data(text: str, columns: list[tuple[str, ...]]) -> None:
    assert [d.columns for d in read_statements([text]).derived] == columns


def test_the_query_counts_rows_that_break_the_promise() -> None:
    (promise,) = read_statements(
        ["update s.t x set d = lower(x.a) where x.b > 1"]
    ).derived
    assert promise.table == ("s", "t")
    wanted = "SELECT count(*) FROM s.t AS x WHERE x.d IS DISTINCT FROM (lower(x.a))"
    assert promise.broken == wanted


def test_names_resolve_on_the_search_path_that_the_migration_set() -> None:
    told = read_statements(["set search_path = a, b", "update t set c = lower(d)"])
    assert told.derived[0].path == ("a", "b")


def test_what_is_rolled_back_to_a_savepoint_leaves_the_rest() -> None:
    text = "begin; insert into t values (1); savepoint a; rollback to a; commit"
    assert "insert" in one_transaction(text)
    assert "rollback to a" in one_transaction(text)


def test_zones_and_refresh_and_what_does_not_parse() -> None:
    told = read_statements(
        [
            "alter table s.t alter x type timestamptz using x at time zone 'Asia/Aden'",
            "alter subscription x refresh publication",
            "this is no sql",
        ]
    )
    assert told.zones == ((("s", "t"), "x", "Asia/Aden"),)
    assert told.refreshed
    assert told.opaque == (2,)


@pytest.mark.parametrize(
    ("text", "major"),
    [
        ("create publication p for all tables", 13),
        ("create publication p for table a, b with (publish='insert')", 13),
        ("create publication p for table a, table b", 15),
        ("create publication p for table a(id)", 15),
        ("create publication p for tables in schema s", 15),
        ("create publication p for table a where (id > 1)", 15),
        (
            "create publication p for all tables with (publish_generated_columns=none)",
            18,
        ),
    ],
)
def test_the_first_version_that_reads_a_publication(text: str, major: int) -> None:
    assert first_major(text) == major


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("insert into t values (1)", "insert into t values (1)"),
        ("begin; insert into t values ('é'); select 1; commit", None),
        ("begin; delete from t; rollback", ""),
        ("insert into t values ('é'); select 1; commit", None),
        ("no sql; commit", "no sql; commit"),
    ],
)
def test_work_without_its_own_transaction(text: str, left: str | None) -> None:
    found = one_transaction(text)
    wanted = ["insert into t values ('é')", "select 1"]
    parts = [part.strip() for part in found.split(";")]
    assert found == left if left is not None else parts == wanted

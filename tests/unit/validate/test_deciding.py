"""What a look means, which buckets differ, what a schema lacks: pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.constraints import Constraint
from bluegreen.postgres.catalog.foreign_keys import unproved
from bluegreen.postgres.catalog.indexes import Index
from bluegreen.postgres.catalog.relations import Relation
from bluegreen.postgres.compare import rows as row_compare
from bluegreen.postgres.compare.checksum import (
    ColumnType,
    SharedColumn,
    TablePlan,
    bucket_query,
    canonical,
)
from bluegreen.postgres.compare.live_differences import (
    MOVING_ROUNDS,
    STEADY_ROUNDS,
    Look,
    Weighed,
    weigh,
)
from bluegreen.postgres.compare.rows import describe, differing, portions
from bluegreen.postgres.compare.table_plans import plan_tables, sent_only
from bluegreen.postgres.replication.publication import PublishedTable
from bluegreen.postgres.schema.compare import compare_items, fingerprint
from bluegreen.postgres.schema.items import Item
from bluegreen.steps.validation.command import last_lines
from bluegreen.steps.validation.schema import given_to_blue


def severity(*looks: Look) -> str:
    known: Weighed | None = None
    for look in looks:
        known = weigh(look, known)
        if known.severity != "open":
            return f"{known.severity} {looks.index(look) + 1}"
    return "open"


def test_equal_before_or_after_is_settled() -> None:
    assert severity(Look("a", "a", "a")) == "settled 1"
    assert severity(Look("a", "a", "b")) == "settled 1"
    assert severity(Look("a", "b", "b")) == "settled 1"
    assert severity(Look(None, None, None)) == "settled 1"
    assert severity(Look("a", "x", "a"), Look("a", "a", "a")) == "settled 2"


def test_what_stands_still_and_apart_differs_after_three_rounds() -> None:
    looks = [Look("a", None, "a")] * STEADY_ROUNDS
    assert severity(*looks[:-1]) == "open"
    known = None
    for look in looks:
        known = weigh(look, known)
    assert known is not None
    assert known.severity == "differs"


def test_a_change_on_blue_starts_the_count_anew() -> None:
    known = weigh(Look("b", "x", "b"), weigh(Look("a", "x", "a")))
    assert (known.severity, known.steady, known.stuck) == ("open", 0, 1)


def test_both_moving_is_following() -> None:
    assert severity(Look("a", "x", "b"), Look("c", "y", "d")) == "follows 2"


def test_a_row_that_green_never_changes_does_not_follow() -> None:
    known: Weighed | None = None
    for turn in range(MOVING_ROUNDS - 1):
        known = weigh(Look(turn, None, turn + 0.5), known)
        assert known.severity == "open"
    known = weigh(Look("z", None, "zz"), known)
    assert known.severity == "differs"


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=1
    )
)
def test_weighing_always_comes_to_an_end(looks: list[tuple[int, int, int]]) -> None:
    known: Weighed | None = None
    for look in looks * 20:
        known = weigh(Look(*look), known)
        if known.severity != "open":
            break
    quiet = known is not None and known.severity != "open"
    # Green that changes while blue stands still is the only thing to wait for.
    assert quiet or len({green for _, green, _ in looks}) > 1


def test_sums_that_differ() -> None:
    assert sorted(differing({1: (1, 5), 2: (1, 6)}, {1: (1, 5), 3: (1, 1)})) == [2, 3]
    assert differing({1: (0, 0)}, {}) == []
    assert differing({1: (1, 5)}, {1: (2, 5)}) == [1]


def test_portions_hold_a_bearable_number_of_rows() -> None:
    big = row_compare.ROWS_AT_ONCE
    sums = {Side.BLUE: {1: (big, 0), 2: (1, 0), 3: (5, 0)}, Side.GREEN: {2: (9, 0)}}
    assert list(portions([1, 2, 3], sums)) == [[1], [2, 3]]
    assert list(portions([], sums)) == []


def column(name: str, blue: str, green: str) -> SharedColumn:
    return SharedColumn(name, ColumnType(blue, blue), ColumnType(green, green))


PLAN = TablePlan("s", 'o"d', (column("a", "int4", "int8"), column("b", "text", "text")))


def test_types_meet_in_one_form() -> None:
    def forms(blue: str, green: str) -> tuple[str, str]:
        both = column("c", blue, green)
        return (
            canonical(both, Side.BLUE).as_string(),
            canonical(both, Side.GREEN).as_string(),
        )

    assert forms("int4", "int8") == ('"t"."c"::int8', '"t"."c"::int8')
    assert forms("uuid", "uuid") == ('"t"."c"', '"t"."c"')
    assert forms("numeric", "numeric")[0] == '("t"."c"::text COLLATE "C")'
    assert forms("int4", "numeric")[0] == 'trim_scale("t"."c"::numeric)::text'
    assert forms("timestamp", "timestamptz") == (
        '"t"."c"::timestamp',
        '("t"."c" AT TIME ZONE \'UTC\')',
    )
    assert forms("float4", "float8")[1] == '"t"."c"::float4::text'
    assert forms("bool", "int4") == ('"t"."c"::int4::int8', '"t"."c"::int8')
    assert forms("bool", "bool")[0] == '"t"."c"'
    assert forms("json", "jsonb")[0] == '("t"."c"::jsonb::text COLLATE "C")'
    assert forms("public.citext", "text")[1] == '("t"."c"::text COLLATE "C")'


def test_names_are_quoted_and_parents_read_with_their_parts() -> None:
    query = bucket_query(PLAN, Side.BLUE, 10).as_string()
    assert 'FROM ONLY "s"."o""d" AS t' in query
    assert "k & 1023" in query
    whole = TablePlan("s", "t", PLAN.columns, whole=frozenset({Side.GREEN}))
    assert "FROM ONLY" in bucket_query(whole, Side.BLUE, 10).as_string()
    assert "FROM ONLY" not in bucket_query(whole, Side.GREEN, 10).as_string()


def test_differences_name_keys_and_columns_and_no_values() -> None:
    plan = TablePlan("s", "t", PLAN.columns, key=("a",))
    one, other = (1, 5), (1, 6)
    cells = (["7", "secret"], ["7", "other"])
    assert describe(plan, ("7",), Look(one, other, one), cells) == (
        "row a=7 differs in b"
    )
    assert describe(plan, ("7",), Look(one, None, one), None) == (
        "row a=7 is missing on green"
    )
    assert describe(plan, ("7",), Look(None, one, None), None) == (
        "row a=7 is on green only"
    )
    assert describe(plan, ("7",), Look(one, (2, 5), one), cells) == (
        "row a=7 is there 2 times on green"
    )


def relation(name: str, oid: int, **words: object) -> Relation:
    return Relation(oid, "public", name, **words)  # type: ignore[arg-type]


def test_tables_are_paired_by_name_with_the_key_that_both_have() -> None:
    text = ColumnType("text", "text")
    primary = Index("pk", ("id", "old"), unique=True, primary=True)
    wide = Index("u1", ("a", "b"), unique=True)
    narrow = Index("u2", ("c",), unique=True)
    unfit = Index("u3", ("a",), unique=True, immediate=False)
    here = relation("t", 1, indexes=(primary, wide, narrow, unfit))
    blue = (
        [here, relation("gone", 2), relation("part", 3, is_partition=True)],
        {1: dict.fromkeys(("id", "old", "a", "b", "c"), text)},
    )
    green = (
        [relation("t", 9, kind="partitioned"), relation("part", 3)],
        {9: dict.fromkeys(("c", "id", "b", "a", "new"), text)},
    )
    [plan] = plan_tables(blue, green, only=None, record=True)
    assert [one.name for one in plan.columns] == ["id", "a", "b", "c"]
    assert plan.key == ("c",)
    assert plan.whole == {Side.GREEN}
    assert plan_tables(blue, green, only={"public.other"}, record=True) == ()


def test_columns_that_blue_keeps_back_are_not_compared() -> None:
    text = ColumnType("text", "text")
    columns = tuple(SharedColumn(name, text, text) for name in ("id", "a", "given"))
    plan = TablePlan("s", "t", columns, ("id",), frozenset(), True)
    other = replace(plan, name="u")
    listed = [PublishedTable("s", "t", ("id", "a")), PublishedTable("s", "u")]
    sent, whole = sent_only([plan, other], listed, {("s", "v"): {"a"}})
    assert [column.name for column in sent.columns] == ["id", "a"]
    assert (sent.key, whole) == (("id",), other)
    assert sent_only([plan], [], {}) == (plan,)
    [keyless] = sent_only([plan], [PublishedTable("s", "t", ("a",))], {})
    assert keyless.key == ()
    [mapped] = sent_only([plan], [PublishedTable("s", "t")], {("s", "t"): {"a"}})
    assert [column.name for column in mapped.columns] == ["id", "given"]


def test_what_blue_was_given_is_meant_to_differ() -> None:
    told = [
        {"name": "s.t.N", "kind": "column", "parts": ["s", "t", "N"], "statement": ""},
        {"name": "s.u", "kind": "table", "parts": ["s", "u"], "statement": ""},
        {"name": "s.t.a", "kind": "type", "parts": ["s", "t", "a"], "statement": ""},
    ]
    note = Record(
        *(1, datetime.now(UTC), Kind.NOTE, 0, "r", "migrate/expand_blue"),
        {"expanded": told},
    )
    assert given_to_blue([note]) == ('column s.t."N"', "column s.u.*")
    assert given_to_blue([]) == ()


def items(*found: Item) -> dict[str, Item]:
    return {one.key: one for one in found}


TABLE = Item("table", "s.t", "", "")
COLUMN = Item("column", "s.t.a", "table s.t", "integer")
GRANT = Item("grant", "SELECT on column s.t.a to x", "column s.t.a", "")


def test_a_missing_table_stands_for_all_that_is_in_it() -> None:
    found = compare_items(items(TABLE, COLUMN, GRANT), {})
    assert [one.key for one in found.blocking] == ["table s.t"]
    assert compare_items({}, items(TABLE, COLUMN, GRANT)).extra == ("table s.t",)


def test_patterns_accept_and_unused_ones_are_told() -> None:
    bigger = Item("column", "s.t.a", "table s.t", "bigint")
    blue, green = items(TABLE, COLUMN), items(TABLE, bigger)
    found = compare_items(blue, green, ("column s.*.a", "view *"))
    assert found.blocking == ()
    assert [str(one) for one in found.accepted] == [
        "column s.t.a differs: blue 'integer', green 'bigint'"
    ]
    assert found.unused == ("view *",)
    assert compare_items(blue, green, (), lambda here, there: True).blocking == ()


def test_a_fingerprint_changes_with_any_definition() -> None:
    bigger = Item("column", "s.t.a", "table s.t", "bigint")
    prints = {
        fingerprint(items(*one)) for one in ([TABLE], [TABLE, COLUMN], [TABLE, bigger])
    }
    assert len(prints) == 3


def foreign(definition: str, *, valid: bool = True) -> Constraint:
    return Constraint("k", "f", definition, valid=valid)


def test_foreign_keys_that_blue_does_not_prove() -> None:
    same = {"k": foreign("x")}
    assert unproved(same, same) == {}
    assert unproved({}, same) == same
    assert len(unproved(same, {"k": foreign("y")})) == 1
    assert len(unproved(same, {"k": foreign("x", valid=False)})) == 1
    assert len(unproved({"k": foreign("x", valid=False)}, same)) == 1


def test_the_end_of_an_output() -> None:
    assert last_lines("a\n\n") == "a"
    assert last_lines("\n".join(map(str, range(20)))).splitlines()[0] == "8"

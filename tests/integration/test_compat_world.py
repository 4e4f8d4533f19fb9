"""The judge against measured cases, and measured cases against PostgreSQL itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bluegreen.compat.probe.predicates import count_broken
from bluegreen.compat.probe.sample import differences, take_sample
from bluegreen.compat.probe.snapshot import read_snapshot
from bluegreen.compat.rules.analyse import judge
from bluegreen.compat.rules.predicates import predicates, settle
from bluegreen.compat.stream import Stream
from bluegreen.compat.verdict import Answer, Direction, worst
from bluegreen.lab.server import Server
from tests.compat_cases import judge_all, judge_by_trees, summary
from tests.kit.compat_case import Case, Scratch, read_cases
from tests.kit.compat_world import replay
from tests.kit.sampling import is_whole, sample
from tests.value_world import measure

MAJOR = 16
FOLDER = Path(__file__).parents[1] / "cases"
CASES = read_cases(FOLDER / "replication.json")
MORE = read_cases(FOLDER / "replication-more.json")
UNSEEN = read_cases(FOLDER / "replication-unseen.json")
THIRD = read_cases(FOLDER / "replication-third.json")
VALUES = read_cases(FOLDER / "values.json")
BY_ID = {case.id: case for case in (*CASES, *UNSEEN)}
RANDOM_CASES = 12
RANDOM_JUDGED = 30
RANDOM_VALUES = 5
OF_EACH_OUTCOME = 6
CHANCE = 3
"""Alarms that a small sample may hold beyond its share."""

# One of each outcome and direction, each decided by another law.
SAMPLE = [
    ("column_reorder", Direction.FORWARD),
    ("drop_pk", Direction.COPY),
    ("full_nopk_extra_null", Direction.FORWARD),
    ("rename_expand_trigger_always__m_collist", Direction.REVERSE),
    ("set_unlogged", Direction.REVERSE),
    ("varchar_to_enum_bad", Direction.FORWARD),
    ("t_filter_key_leaves", Direction.FORWARD),
    ("shop_owner_role_writer", Direction.COPY),
    ("t_new_column_backfilled", Direction.FORWARD),
]
# Once taken for fine, or for broken: what SQL shows otherwise than a worker does.
BLIND_ONCE = {
    "backfill_row_subselect",
    "backfill_procedure",
    "backfill_search_path",
    "backfill_by_type_change",
    "table_as_select",
    "write_with_savepoint_too_long",
    "write_by_committing_procedure",
    "truncate_and_refill",
    "box_in_whole_row",
    "domain_check_not_null_streamed",
    "deferred_trigger_writes_too_much",
    "deferred_total_always",
    "truncate_trigger_always",
    "audit_client_address_always",
    "trigger_skips_replication_origin",
}
# What a case recorded, and what rows, or a worker's error, show of it.
ALIKE = {
    "OK": {"OK"},
    "APPERR": {"OK"},
    "SILENT": {"SILENT"},
    "BREAK": {"BREAK"},
    "SETUP": {"BREAK"},
}
NOT_BY_ROWS = {
    "crm_born_date_infinity",
    "shop_price_in_cents",
    "full_nopk_type_round",
    "partition_by_pk__refresh",
    "rename_expand_trigger_origin",
    "rename_expand_trigger_replica",
    "rename_table__m_partition_wrap__refresh",
    "statement_only_trigger_always_copy",
    "ty_char_varchar",
}
"""Measured by another harness: by columns of one side, by texts alone, by what a row
held before, or with a refresh that stands in no field."""
# What no case of the file has: quoted names, another schema, two changes at once.
QUOTED = Case(
    id="quoted",
    schema='create schema "Shop"; create table "Shop"."Order Lines"('
    '"Id" bigint primary key, "select" varchar(12), qty smallint)',
    rows="insert into \"Shop\".\"Order Lines\" values (1,'aa',1),(2,'bb',2)",
    migration=(
        'alter table "Shop"."Order Lines" alter qty type int',
        'alter table "Shop"."Order Lines" alter "select" type varchar(6)',
    ),
    on_blue=('insert into "Shop"."Order Lines" values (3,\'too long\',3)',),
    on_green=('update "Shop"."Order Lines" set qty = 40000 where "Id" = 1',),
    outcome={"forward": {MAJOR: "BREAK"}, "reverse": {MAJOR: "BREAK"}},
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scratch]:
    folder = tmp_path_factory.mktemp("judge")
    with Server.start(MAJOR, folder / "pg", settings={"fsync": "off"}) as server:
        yield Scratch(server.conninfo())


@pytest.mark.parametrize(("name", "direction"), SAMPLE, ids=str)
def test_the_world_is_as_it_was_measured(
    place: Scratch, name: str, direction: Direction
) -> None:
    case = BY_ID[name]
    assert replay(case, place, direction) in ALIKE[case.outcome[direction][MAJOR]]


def spare() -> int:
    return 0 if is_whole() else CHANCE


def _measured(case: Case) -> tuple[str, ...]:
    """What was measured of a case, both ways; a sample has some of each."""
    return tuple(case.outcome.get(way, {}).get(MAJOR, "") for way in Direction)


@pytest.mark.timeout(900)
def test_any_case_is_as_it_was_measured(place: Scratch) -> None:
    """Another handful in every run."""
    measured = [
        (case, way)
        for case in (*CASES, *MORE, *UNSEEN, *THIRD)
        for way in Direction
        if MAJOR in case.outcome.get(way, {}) and case.id not in NOT_BY_ROWS
    ]
    chosen = sample(measured, RANDOM_CASES)
    apart = {
        f"{case.id}/{way}": (found, case.outcome[way][MAJOR])
        for case, way in chosen
        if (found := replay(case, place, way)) not in ALIKE[case.outcome[way][MAJOR]]
    }
    assert apart == {}


@pytest.mark.parametrize("direction", [Direction.FORWARD, Direction.REVERSE])
def test_names_of_another_schema_are_judged_as_they_run(
    place: Scratch, direction: Direction
) -> None:
    assert replay(QUOTED, place, direction) == "BREAK"
    judged = list(judge_all([QUOTED], {MAJOR: place}))
    assert [one.agrees for one in judged] == [True, True]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("cases", [CASES, MORE], ids=["measured", "more"])
def test_the_judge_never_says_ok_to_what_broke_or_was_silent(
    place: Scratch, cases: list[Case]
) -> None:
    """The bars: no false OK at all, and under 5 % of what was fine judged otherwise."""
    chosen = sample(cases, OF_EACH_OUTCOME, stratum=_measured)
    judged = list(judge_all(chosen, {MAJOR: place}))
    assert [one.label for one in judged if one.false_ok] == []
    fine = [one for one in judged if one.measured == "OK"]
    alarms = [one.label for one in fine if one.false_alarm]
    assert len(alarms) <= 0.05 * len(fine) + spare(), sorted(
        {a.split("/")[0] for a in alarms}
    )


@pytest.mark.timeout(900)
def test_no_unseen_case_is_called_fine_that_broke_or_was_silent(place: Scratch) -> None:
    """Another handful in every run, for all of them take minutes."""
    measured = [
        c for c in (*UNSEEN, *THIRD) if any(MAJOR in way for way in c.outcome.values())
    ]
    chosen = sample(measured, RANDOM_JUDGED)
    judged = [j for j in judge_all(chosen, {MAJOR: place}) if j.major == MAJOR]
    assert [one.label for one in judged if one.false_ok] == []
    fine = [one for one in judged if one.measured == "OK"]
    alarms = [one.label for one in fine if one.false_alarm]
    assert len(alarms) <= 0.1 * len(fine) + spare(), alarms


@pytest.mark.parametrize("cases", [CASES, MORE], ids=["measured", "more"])
def test_the_text_alone_never_says_ok_to_what_broke_or_was_silent(
    cases: list[Case],
) -> None:
    assert summary(list(judge_by_trees(cases)))["false_ok_ids"] == []


@pytest.mark.timeout(120)
def test_a_rehearsal_sees_what_a_worker_does(place: Scratch) -> None:
    chosen = [case for case in THIRD if case.id in BLIND_ONCE]
    judged = [j for j in judge_all(chosen, {MAJOR: place}) if j.major == MAJOR]
    assert {one.case for one in judged} == BLIND_ONCE
    assert [one.label for one in judged if not one.agrees] == []


@pytest.mark.timeout(900)
def test_values_are_judged_as_they_were_measured(place: Scratch) -> None:
    """All that was measured of values; every one of them is the law's."""
    chosen = sample([c for c in VALUES if _measured(c) != ("", "", "")], RANDOM_JUDGED)
    judged = [j for j in judge_all(chosen, {MAJOR: place}) if j.major == MAJOR]
    assert [one.label for one in judged if not one.agrees] == []


@pytest.mark.timeout(900)
def test_values_become_what_was_measured(place: Scratch) -> None:
    measured = [
        (case, way)
        for case in VALUES
        for way in Direction
        if MAJOR in case.outcome.get(way, {})
    ]
    chosen = sample(measured, RANDOM_VALUES)
    apart = {
        f"{case.id}/{way}": (found, case.outcome[way][MAJOR])
        for case, way in chosen
        if (found := measure(case, place, way)) != case.outcome[way][MAJOR]
    }
    assert apart == {}


@pytest.mark.parametrize(
    ("kinds", "value", "stored", "apart"),
    [
        (("cidr", "inet"), "::1/128", "::1", 0),
        (("macaddr", "macaddr8"), "08:00:2b:01:02:03", "08:00:2b:01:02:03", 0),
        (("interval", "text"), "1 day", "1 day", 0),
        (("tsrange", "tstzrange"), "[2024-01-01,)", "[2024-01-01,)", 0),
        (("cidr", "inet"), "::1/128", "::2", 1),
        (("numeric", "int"), "1.5", "2", 1),
    ],
)
def test_live_rows_are_one_where_a_server_reads_them_so(
    place: Scratch, kinds: tuple[str, str], value: str, stored: str, apart: int
) -> None:
    blue, green = place.database("jp_blue"), place.database("jp_green")
    for name, kind, text in ((blue, kinds[0], value), (green, kinds[1], stored)):
        place.run(name, f"create table t(id int primary key, v {kind})")
        place.run(name, f"insert into t values (1, '{text}')")
    place.run(blue, "create publication p for table t")
    with place.connect(blue) as one, place.connect(green) as two:
        sender, receiver = read_snapshot(one), read_snapshot(two)
        way = Stream(Direction.FORWARD, sender, receiver, sender.publications["p"])
        (taken,) = take_sample(one, way, [("public", "t")])
        assert len(differences(one, two, way, taken)) == apart


@pytest.mark.parametrize(
    ("kinds", "value", "answer"),
    [
        (("real", "double precision"), "0.1", Answer.SILENT),
        (("real", "double precision"), "0.5", Answer.OK),
        (("real[]", "double precision[]"), "{0.1}", Answer.SILENT),
        (("boolean", "text"), "t", Answer.SILENT),
        (("double precision", "numeric"), "0.30000000000000004", Answer.SILENT),
        (("inet", "text"), "10.0.0.1", Answer.SILENT),
        (("inet", "text"), "10.0.0.0/8", Answer.OK),
    ],
)
def test_a_cast_that_makes_another_value_is_found_in_rows(
    place: Scratch, kinds: tuple[str, str], value: str, answer: Answer
) -> None:
    blue, green = place.database("jp_blue"), place.database("jp_green")
    for name, kind in zip((blue, green), kinds, strict=True):
        place.run(name, f"create table t(id int primary key, v {kind})")
    place.run(
        blue, f"insert into t values (1, '{value}')", "create publication p for table t"
    )
    with place.connect(blue) as one, place.connect(green) as two:
        sender, receiver = read_snapshot(one), read_snapshot(two)
        way = Stream(Direction.FORWARD, sender, receiver, sender.publications["p"])
        counts = {p: count_broken(one, p) for p in predicates(way)}
        found = settle(judge(way), {p: n for p, n in counts.items() if n is not None})
    assert worst(found) is answer


def test_a_case_whose_schema_does_not_load_is_unknown(place: Scratch) -> None:
    broken = Case("x", (), {"forward": {MAJOR: "OK"}}, schema="create tabel t()")
    (judged,) = judge_all([broken], {MAJOR: place})
    assert judged.answer == "UNKNOWN"
    assert judged.false_alarm


CONTROL = Case("control", (), {"forward": {MAJOR: "OK"}})


@pytest.mark.parametrize(
    "spoiling",
    [
        Case(
            "read_only",
            ("alter database {db} set default_transaction_read_only = on",),
            {"forward": {MAJOR: "OK"}},
        ),
        Case(
            "role",
            ("alter table t add b2 int",),
            {"forward": {MAJOR: "OK"}},
            schema="create role somebody; create table t(id int primary key, a text); "
            "alter table t owner to somebody",
            rows="insert into t values (1, 'x')",
            on_blue=("insert into t values (10, 'y')",),
        ),
        Case(
            "event_trigger",
            (
                """create function no() returns event_trigger language plpgsql as
                $$begin raise exception 'no'; end$$""",
                "create event trigger no on ddl_command_end execute function no()",
            ),
            {"forward": {MAJOR: "OK"}},
        ),
    ],
    ids=lambda case: case.id,
)
def test_what_a_case_does_to_its_server_hurts_no_other(
    place: Scratch, spoiling: Case
) -> None:
    judged = list(judge_all([spoiling, CONTROL, spoiling, CONTROL], {MAJOR: place}))
    assert [one.answer for one in judged] == ["OK"] * 4


def test_a_case_that_takes_too_long_is_unknown(place: Scratch) -> None:
    slow = Case(
        "slow",
        (),
        {"forward": {MAJOR: "OK"}},
        on_blue=("select pg_sleep(0.4)",) * 500,
    )
    hasty = Scratch(place.conninfo, limit_s=2)
    (judged,) = judge_all([slow], {MAJOR: hasty})
    (after,) = judge_all([CONTROL], {MAJOR: place})
    assert (judged.answer, after.answer) == ("UNKNOWN", "OK")


@pytest.mark.parametrize(
    ("change", "rows", "broken"),
    [
        ("alter note type varchar(3)", "'abc'", 0),
        ("alter note type varchar(3)", "'abcd'", 1),
        ("alter note set not null", "null", 1),
        ("alter note set not null", "'x'", 0),
        ("add constraint c check (note <> 'x')", "'x'", 1),
        ("add constraint u unique (note)", "'x'), (2, 'x'", 1),
        ("alter note type varchar(9)", "'weird'", 0),
    ],
)
def test_questions_to_data_settle_conditions(
    place: Scratch, change: str, rows: str, broken: int
) -> None:
    """Blue's rows are asked; green has the change and no rows."""
    blue, green = place.database("jp_blue"), place.database("jp_green")
    for name in (blue, green):
        place.run(name, "create table t(id int primary key, note text)")
    place.run(
        blue, f"insert into t values (1, {rows})", "create publication p for table t"
    )
    place.run(green, f"alter table t {change}")
    with place.connect(blue) as one, place.connect(green) as two:
        sender, receiver = read_snapshot(one), read_snapshot(two)
        way = Stream(Direction.FORWARD, sender, receiver, sender.publications["p"])
        asked = {p: count_broken(one, p) for p in predicates(way)}
        counts = {p: n for p, n in asked.items() if n is not None}
        answer = worst(settle(judge(way), counts))
    assert answer is (Answer.BREAK if broken else Answer.OK)

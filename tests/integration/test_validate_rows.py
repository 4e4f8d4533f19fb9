"""Rows are compared exactly, across versions and types, and under live writes."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bluegreen.model.errors import BudgetError, StepError
from bluegreen.model.side import Side
from bluegreen.postgres.compare import checksum
from bluegreen.postgres.compare import pair as pair_module
from bluegreen.postgres.compare import rows as row_compare
from bluegreen.postgres.compare.pair import Pair
from bluegreen.postgres.compare.table_plans import read_plans
from bluegreen.postgres.database import Database
from bluegreen.steps.validate import Validate
from bluegreen.steps.validation.rows import CompareRows
from bluegreen.steps.world import World
from tests.kit.databases import DatabasePair
from tests.kit.steps import carry_out, open_world, replicate
from tests.kit.wait import wait_until

TYPES = """
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE DOMAIN email AS varchar(30);
CREATE TABLE every (
    id int PRIMARY KEY, i2 smallint, i8 bigint, n numeric(10,2), m numeric, f4 real,
    f8 double precision, b bool, t text, v varchar(20), c char(8), e mood, d email,
    u uuid, y bytea, da date, ti time, tz timetz, ts timestamp, tstz timestamptz,
    iv interval, j json, jb jsonb, arr int[], ta text[], r int4range, ip inet,
    p point, bits bit(4), mo money, tsv tsvector
);
INSERT INTO every SELECT g, g, g * 10000000000, g / 100.0, g * 1.10, g / 3.0::real,
    g / 7.0::float8, g % 2 = 0, 'text ' || g, 'ünï ' || g, 'c' || g,
    CASE g % 3 WHEN 0 THEN 'sad'::mood WHEN 1 THEN 'glad' END, 'a@' || g,
    md5(g::text)::uuid, decode(md5(g::text), 'hex'), '2024-01-01'::date + g,
    '10:00'::time + g * interval '1 s', '10:00+02', '2024-01-01'::timestamp
    + g * interval '1 h', '2024-01-01 00:00+05'::timestamptz + g * interval '1 h',
    g * interval '25 h',
    '{"b": 1,  "a": 2}', '{"b": 1.10, "a": null}', ARRAY[g, NULL, 3],
    ARRAY['', NULL, 'x'],
    int4range(g, g + 5), '10.0.0.1', point(g, 1.5), '1010', 12.5, 'a b:3'
    FROM generate_series(1, 500) g;
INSERT INTO every (id, m, f4, f8, t, v) VALUES (-1, 'NaN', 'NaN', 'Infinity', '', NULL);
CREATE TABLE keyless (a int, b text);
INSERT INTO keyless SELECT g % 10, 'x' || g % 7 FROM generate_series(1, 300) g;
CREATE TABLE parts (id int, at date, note text, PRIMARY KEY (id, at))
    PARTITION BY RANGE (at);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (MINVALUE) TO ('2024-07-01');
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM ('2024-07-01') TO (MAXVALUE);
INSERT INTO parts SELECT g, '2024-01-01'::date + g, 'n' || g
    FROM generate_series(1, 300) g;
CREATE TABLE "Odd.name" ("a ""b" text PRIMARY KEY, c int);
INSERT INTO "Odd.name" VALUES ('k''1', 1), ('ключ', 2);
CREATE TABLE bare ();
INSERT INTO bare DEFAULT VALUES;
"""


@pytest.fixture
def world(
    database_pair: Callable[[int, int], DatabasePair], tmp_path: Path
) -> Iterator[Callable[..., tuple[DatabasePair, World]]]:
    with ExitStack() as stack:

        def make(
            blue: int = 16, green: int = 18, sql: str = TYPES, green_sql: str = ""
        ) -> tuple[DatabasePair, World]:
            pair = database_pair(blue, green)
            pair.blue.run(sql)
            pair.green.run(green_sql or sql)
            return pair, stack.enter_context(open_world(pair, tmp_path))

        yield make


def rows(**words: Any) -> CompareRows:
    step = Validate(compare_schema=False, **words)
    return next(one for one in step.actions() if isinstance(one, CompareRows))


def differences(world: World, **words: Any) -> list[str]:
    with pytest.raises(StepError) as caught:
        rows(**words).prove(world)
    assert caught.value.code == 4005
    return str(caught.value.seen).splitlines()


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    "majors", [(13, 18), (14, 18), (15, 16), (16, 17), (18, 18), (18, 13)]
)
def test_equal_rows_are_equal_on_every_pair(
    majors: tuple[int, int], world: Callable[..., tuple[DatabasePair, World]]
) -> None:
    _, both = world(*majors)
    result = carry_out(rows(), both)
    assert {one["table"]: one["rows"] for one in result["tables"]} == {
        "public.every": 501,
        "public.keyless": 300,
        "public.parts": 300,
        "public.Odd.name": 2,
        "public.bare": 1,
    }
    assert all(one["looked_again"] == 0 for one in result["tables"])


def test_hashes_are_the_same_numbers_on_every_version(
    servers: Callable[..., Any], database: Callable[[int], Any]
) -> None:
    """What one version computes may be compared with any other's."""
    found: dict[bool, set[Any]] = {True: set(), False: set()}
    for major in range(13, 19):
        made = database(major)
        made.run(TYPES)
        side = Database(Side.BLUE, made.conninfo())
        for plan in read_plans(side, side, "none"):
            if plan.name != "every":
                continue
            for record in (True, False) if major > 13 else (False,):
                one = dataclasses.replace(plan, record=record)
                query = checksum.bucket_query(one, Side.BLUE, 10)
                pair = Pair(side, side)
                pair.open()
                sums = sorted(pair.rows(Side.BLUE, query))
                pair.close()
                found[record].add(tuple(sums))
        side.close()
    assert {record: len(sums) for record, sums in found.items()} == {
        True: 1,
        False: 1,
    }


PLANTED: dict[str, tuple[str, list[str]]] = {
    "missing row": (
        "DELETE FROM every WHERE id = 7",
        ["public.every: row id=7 is missing on green"],
    ),
    "extra row": (
        "INSERT INTO every (id) VALUES (9999)",
        ["public.every: row id=9999 is on green only"],
    ),
    "changed cell": (
        "UPDATE every SET t = 'Text 5' WHERE id = 5",
        ["public.every: row id=5 differs in t"],
    ),
    "null against empty": (
        "UPDATE every SET t = NULL, v = '' WHERE id = -1",
        ["public.every: row id=-1 differs in t, v"],
    ),
    "nan": (
        "UPDATE every SET f8 = NULL, m = 0 WHERE id = -1",
        ["public.every: row id=-1 differs in m, f8"],
    ),
    "values swapped between two rows": (
        "UPDATE every SET i8 = (50000000000 + 60000000000) - i8 WHERE id IN (5, 6)",
        [
            "public.every: row id=5 differs in i8",
            "public.every: row id=6 differs in i8",
        ],
    ),
    "values swapped in one row": (
        "UPDATE every SET t = v, v = t WHERE id = 5",
        ["public.every: row id=5 differs in t, v"],
    ),
    "1.10 against 1.1": (
        "UPDATE every SET m = 1.1 WHERE id = 1",
        ["public.every: row id=1 differs in m"],
    ),
    "1.10 against 1.1 in jsonb": (
        """UPDATE every SET jb = '{"b": 1.1, "a": null}' WHERE id = 1""",
        ["public.every: row id=1 differs in jb"],
    ),
    "a day against 24 hours": (
        "UPDATE every SET iv = '1 day 1 h' WHERE id = 1",
        ["public.every: row id=1 differs in iv"],
    ),
    "minus zero": (
        "UPDATE every SET f4 = '-0' WHERE id = 8",
        ["public.every: row id=8 differs in f4"],
    ),
    "blanks": (
        "UPDATE every SET v = v || ' ' WHERE id = 3",
        ["public.every: row id=3 differs in v"],
    ),
    "microsecond": (
        "UPDATE every SET tstz = tstz + interval '1 us' WHERE id = 3",
        ["public.every: row id=3 differs in tstz"],
    ),
    "null in an array": (
        "UPDATE every SET ta = ARRAY['', 'NULL', 'x'] WHERE id = 3",
        ["public.every: row id=3 differs in ta"],
    ),
    "another partition": (
        "UPDATE parts SET note = 'other' WHERE id = 290",
        ["public.parts: row id=290, at=2024-10-17 differs in note"],
    ),
    "odd names": (
        """UPDATE "Odd.name" SET c = 3 WHERE c = 2""",
        ['public.Odd.name: row a "b=ключ differs in c'],
    ),
    "emptied table": ("TRUNCATE bare", ["public.bare: a row with hash 1 is there"]),
}


@pytest.mark.parametrize("majors", [(16, 18), (13, 18)], ids=["record", "text"])
def test_each_planted_difference_is_named(
    majors: tuple[int, int], world: Callable[..., tuple[DatabasePair, World]]
) -> None:
    pair, both = world(*majors)
    for name, (change, expected) in PLANTED.items():
        with pair.green.connect() as session:
            tables = [line.split(":")[0].removeprefix("public.") for line in expected]
            table = tables[0]
            session.execute(f'CREATE TABLE saved AS SELECT * FROM "{table}"'.encode())
            session.execute(change.encode())
            lines = differences(both)
            assert len(lines) == len(expected), (name, lines)
            for line, start in zip(sorted(lines), sorted(expected), strict=True):
                if table != "bare":
                    assert line == start, name
                else:
                    assert "is there 1 times on blue, 0 on green" in line
            session.execute(f'TRUNCATE "{table}"'.encode())
            if table == "bare":
                session.execute("INSERT INTO bare DEFAULT VALUES")
            else:
                session.execute(f'INSERT INTO "{table}" SELECT * FROM saved'.encode())
            session.execute("DROP TABLE saved")
    rows().prove(both)


def test_a_table_without_a_key_counts_its_rows(
    world: Callable[..., tuple[DatabasePair, World]],
) -> None:
    pair, both = world(16, 18)
    pair.green.run(
        "DELETE FROM keyless WHERE ctid = (SELECT ctid FROM keyless"
        " WHERE (a, b) = (1, 'x1') LIMIT 1)",
        "INSERT INTO keyless VALUES (2, 'x2')",
    )
    lines = differences(both)
    assert len(lines) == 2
    assert sum("4 on green" in line or "5 on green" in line for line in lines) == 1


def test_more_differences_than_are_named_are_counted(
    world: Callable[..., tuple[DatabasePair, World]],
) -> None:
    pair, both = world(16, 18)
    pair.green.run("DELETE FROM every WHERE id BETWEEN 1 AND 100")
    with pytest.raises(StepError) as caught:
        rows().prove(both)
    lines = caught.value.seen.splitlines()
    assert lines[10] == "public.every: and at least 90 more rows"


def test_counts_alone(world: Callable[..., tuple[DatabasePair, World]]) -> None:
    pair, both = world(16, 18)
    carry_out(rows(compare_rows="count"), both)
    pair.green.run("DELETE FROM every WHERE id = 3", "UPDATE every SET t = 'x'")
    assert differences(both, compare_rows="count") == [
        "public.every: 501 rows on blue, 500 on green"
    ]


WIDENED = """
CREATE TABLE every (
    more text DEFAULT 'x', tstz timestamp, ts timestamptz, i2 int,
    id bigint PRIMARY KEY, n numeric(14,4), f4 double precision, v text,
    t varchar(100), j jsonb, e text, u text, d text, b int, da timestamp
);
CREATE TABLE every_2 (a int);
"""


def test_columns_that_a_migration_widened_are_still_equal(
    world: Callable[..., tuple[DatabasePair, World]],
) -> None:
    pair, both = world(16, 18, green_sql=WIDENED)
    copied = pair.blue.rows(
        "SELECT 'x', tstz AT TIME ZONE 'UTC', ts, i2, id, n, f4::text, v, t,"
        " j::text, e::text, u::text, d::text, b::int, da FROM every"
    )
    with pair.green.connect() as session, session.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO every VALUES (%s, %s, %s, %s, %s, %s, %s::float8, %s, %s,"
            " %s::jsonb, %s, %s, %s, %s, %s)",
            copied,
        )
    result = carry_out(rows(), both)
    assert [one["rows"] for one in result["tables"]] == [501]
    pair.green.run("UPDATE every SET n = n + 0.001 WHERE id = 5")
    assert differences(both) == ["public.every: row id=5 differs in n"]


def test_a_policy_that_hides_rows_is_an_error_and_no_smaller_count(
    world: Callable[..., tuple[DatabasePair, World]],
) -> None:
    pair, both = world(16, 18, sql="CREATE TABLE t (id int PRIMARY KEY)")
    role = f"app_{pair.blue.name}"
    pair.green.run(
        f"CREATE ROLE {role} LOGIN",
        f"GRANT SELECT ON t TO {role}",
        f"GRANT USAGE ON SCHEMA bluegreen TO {role}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA bluegreen TO {role}",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
    )
    green = Database(Side.GREEN, pair.green.conninfo(role))
    with pytest.raises(StepError) as caught:
        rows().prove(dataclasses.replace(both, green=green))
    assert "row-level security" in str(caught.value)
    green.close()
    pair.green.run(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


HOT = """
CREATE TABLE accounts (id int PRIMARY KEY, balance bigint, note text);
CREATE TABLE log (at int, what text);
CREATE TABLE left_out (id int PRIMARY KEY);
"""


@contextmanager
def writers(pair: DatabasePair, count: int = 3) -> Iterator[list[int]]:
    """Clients that update hot and cold rows, insert and delete, until the end."""
    stop = threading.Event()
    written = [0] * count

    def write(number: int) -> None:
        with pair.blue.connect() as session:
            while not stop.is_set():
                written[number] += 1
                turn = written[number]
                session.execute(
                    "UPDATE accounts SET balance = balance + 1 WHERE id IN (1, %s)",
                    (2 + (turn * 7919) % 20_000,),
                )
                session.execute(
                    "INSERT INTO accounts VALUES (%s, 0, 'new')",
                    (1_000_000 * (number + 1) + turn,),
                )
                session.execute(
                    "DELETE FROM accounts WHERE id = %s",
                    (1_000_000 * (number + 1) + turn - 20,),
                )
                session.execute("INSERT INTO log VALUES (%s, 'w')", (turn % 50,))

    threads = [threading.Thread(target=write, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: all(written), "every writer to write")
        yield written
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_under_live_writes_equal_rows_settle_and_planted_ones_do_not(
    world: Callable[..., tuple[DatabasePair, World]],
) -> None:
    pair, both = world(15, 18, sql=HOT)
    pair.blue.run(
        "ALTER TABLE log REPLICA IDENTITY FULL",
        "INSERT INTO accounts SELECT g, 0, 'n' FROM generate_series(1, 20001) g",
    )
    replicate(pair, both, "accounts", "log")
    with writers(pair) as written:
        before = sum(written)

        def looked_again() -> int:
            result = rows(workers=2, deadline="2m").prove(both)
            tables = {one["table"]: one for one in result["tables"]}
            assert tables.keys() == {"public.accounts", "public.log"}
            again: int = tables["public.accounts"]["looked_again"]
            return again

        wait_until(looked_again, "a comparison that meets rows in flight", 60)
        assert sum(written) > before
        rows(compare_rows="count", deadline="2m").prove(both)
        pair.green.run(
            "SET session_replication_role = replica;"
            "DELETE FROM accounts WHERE id = 20001;"
            "UPDATE accounts SET note = 'other' WHERE id = 20000;"
            "INSERT INTO log VALUES (777, 'extra')"
        )
        # No writer touches rows above this, so the stream fixes neither.
        pair.blue.run("UPDATE accounts SET balance = 5 WHERE id = 1")
        lines = differences(both, deadline="2m")
    assert "public.accounts: row id=20001 is missing on green" in lines
    assert "public.accounts: row id=20000 differs in note" in lines
    assert sum("0 times on blue, 1 on green" in line for line in lines) == 1
    assert len(lines) == 3


def test_a_hot_row_that_green_lacks_is_found(
    world: Callable[..., tuple[DatabasePair, World]],
) -> None:
    """Blue changes it in every look, and updates of a missing row are skipped."""
    pair, both = world(16, 18, sql=HOT)
    pair.blue.run("INSERT INTO accounts VALUES (1, 0, 'hot'), (2, 0, 'cold')")
    replicate(pair, both, "accounts", "log")
    pair.green.run("SET session_replication_role = replica; DELETE FROM accounts"
                   " WHERE id = 1")  # fmt: skip
    with writers(pair, 1):
        assert "public.accounts: row id=1 is missing on green" in differences(
            both, deadline="2m"
        )


def test_a_stream_that_stopped_is_told(
    world: Callable[..., tuple[DatabasePair, World]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pair_module, "MARKER_DEADLINE", timedelta(seconds=0.3))
    pair, both = world(16, 18, sql=HOT)
    name = replicate(pair, both, "accounts", "log")
    pair.green.run(f"ALTER SUBSCRIPTION {name} DISABLE")
    pair.blue.run("INSERT INTO accounts VALUES (1, 0, 'x')")
    with pytest.raises(BudgetError) as caught:
        rows().prove(both)
    assert "a marker row did not reach green" in caught.value.problem


def test_the_deadline_ends_it(
    world: Callable[..., tuple[DatabasePair, World]],
) -> None:
    _, both = world(16, 18, sql=HOT)
    with pytest.raises(BudgetError) as caught:
        rows(deadline="0ms").prove(both)
    assert "were not compared in time" in caught.value.problem


def test_a_large_table_is_split_into_finer_buckets(
    world: Callable[..., tuple[DatabasePair, World]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same answers when rows must be found through a million buckets."""
    monkeypatch.setattr(row_compare, "ROWS_AT_ONCE", 3)
    pair, both = world(13, 18, sql=HOT)
    fill = "INSERT INTO accounts SELECT g, g, 'n' FROM generate_series(1, 30000) g"
    pair.blue.run(fill)
    pair.green.run(fill)
    assert carry_out(rows(), both)["tables"][0]["rows"] == 30_000
    pair.green.run("UPDATE accounts SET note = NULL WHERE id = 29999")
    assert differences(both) == ["public.accounts: row id=29999 differs in note"]
    pair.green.run("TRUNCATE accounts")
    lines = differences(both)
    assert len(lines) == 11
    assert lines[-1].endswith("more rows")


def test_no_table_in_common_proves_nothing(
    world: Callable[..., tuple[DatabasePair, World]],
) -> None:
    _, here = world(sql="CREATE TABLE a (id int)", green_sql="CREATE TABLE b (id int)")
    with pytest.raises(StepError) as caught:
        rows().prove(here)
    assert str(caught.value) == (
        "error BG-4005: no table was compared, which proves nothing\n"
        "  seen:    green has no table in common with blue\n"
        "  wanted:  at least one table whose rows are on both sides\n"
        "  traffic: blue serves and nothing has moved\n"
        "  hint:    was the publication changed, or does `exclude` of the step "
        "replicate leave every table out? `compare_rows: none` goes on without a proof"
    )

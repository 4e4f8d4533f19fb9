"""Rows are looked up by keys of any type that a primary key may have, by its index."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from psycopg import sql

from bluegreen.model.side import Side
from bluegreen.postgres.compare.checksum import cell_query, look_up_query
from bluegreen.postgres.compare.table_plans import plan_single
from bluegreen.postgres.database import Database
from tests.kit import databases

EXTENSIONS = ("ltree", "citext", "hstore", "cube", "seg", "isn")
TYPES = (
    "CREATE SCHEMA own",
    "CREATE TYPE own.mood AS ENUM ('sad', 'glad')",
    "CREATE TYPE own.place AS (x int, y int)",
    "CREATE DOMAIN own.path AS public.ltree",
    "CREATE DOMAIN own.deeper AS own.path",
    "CREATE DOMAIN own.word AS text",
)
KEYS = {
    "ltree": "a.b.c",
    "own.path": "a.b.c",
    "own.deeper": "a.b.c",
    "ltree[]": "{a.b,c}",
    "citext": "Anna",
    "hstore": '"a"=>"1"',
    "cube": "(1, 2),(3, 4)",
    "seg": "1 .. 2",
    "isbn": "978-0-393-04002-9",
    "own.mood": "glad",
    "own.place": "(1,2)",
    "own.word": "x",
    "int": "7",
    "char(4)": "ab",
    "numeric(6,2)": "1.50",
    "timestamptz": "2024-01-01 00:00:00+00",
    "int4range": "[1,5)",
}


def test_a_key_of_any_type_finds_its_row(
    database: Callable[[int], databases.Database],
) -> None:
    here = database(15)
    here.run(*(f"CREATE EXTENSION {one}" for one in EXTENSIONS), *TYPES)
    for number, (type_, value) in enumerate(KEYS.items()):
        here.run(
            f"CREATE TABLE own.t{number} (k {type_} PRIMARY KEY, n int)",
            f"INSERT INTO own.t{number} VALUES ('{value}', 1)",
        )
    ours = Database(Side.BLUE, here.conninfo())
    found, scans = {}, {}
    try:
        plans = {plan.name: plan for plan in plan_single(ours, record=True)}
        ours.session.execute("SET enable_seqscan = off")
        for number, type_ in enumerate(KEYS):
            plan = plans[f"t{number}"]
            [(key, _)] = ours.rows(
                sql.SQL("SELECT k::text, n FROM own.{}").format(
                    sql.Identifier(plan.name)
                )
            )
            query = look_up_query(plan, Side.BLUE)
            found[type_] = [count for _, count, _ in ours.rows(query, ([key],))]
            [(_, cells)] = ours.rows(cell_query(plan, Side.BLUE), ([key],))
            assert cells[1] == "1"
            lines = ours.rows(sql.SQL("EXPLAIN {}").format(query), ([key],))
            scans[type_] = any("Index" in line for (line,) in lines)
    finally:
        ours.close()
    assert found == {type_: [1] for type_ in KEYS}
    assert {type_ for type_, by_index in scans.items() if not by_index} == set()


@pytest.mark.parametrize("type_", ["ltree", "citext"])
def test_the_operator_is_found_wherever_the_extension_stands(
    database: Callable[[int], databases.Database], type_: str
) -> None:
    here = database(15)
    here.run(
        'CREATE SCHEMA "My types"',
        f'CREATE EXTENSION {type_} SCHEMA "My types"',
        f'CREATE TABLE t (k "My types".{type_} PRIMARY KEY)',
        "INSERT INTO t VALUES ('a')",
    )
    ours = Database(Side.BLUE, here.conninfo())
    try:
        [plan] = plan_single(ours, record=True)
        assert plan.key_columns[0].blue.equality == "My types"
        assert len(ours.rows(look_up_query(plan, Side.BLUE), (["a"],))) == 1
    finally:
        ours.close()

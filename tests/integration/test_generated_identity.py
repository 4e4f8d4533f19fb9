"""What a generated column in a replica identity does, on real servers of each kind."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import psycopg.sql
import pytest

from bluegreen.model.side import Side
from bluegreen.steps.check import find
from tests.kit.arena import Arena

ADD_ONE = psycopg.sql.SQL("UPDATE {} SET a = a + 1")
COLUMNS = "(a int {}, g int GENERATED ALWAYS AS (a) {})"
TABLES = {
    "full_stored": (
        COLUMNS.format("PRIMARY KEY", "STORED"),
        "ALTER TABLE full_stored REPLICA IDENTITY FULL",
    ),
    "key_stored": (COLUMNS.format("", "STORED PRIMARY KEY"),),
    "index_stored": (
        COLUMNS.format("PRIMARY KEY", "STORED NOT NULL UNIQUE"),
        "ALTER TABLE index_stored REPLICA IDENTITY USING INDEX index_stored_g_key",
    ),
    "plain": (COLUMNS.format("PRIMARY KEY", "STORED"),),
    "full_plain": (
        "(a int PRIMARY KEY)",
        "ALTER TABLE full_plain REPLICA IDENTITY FULL",
    ),
}
VIRTUAL = (
    COLUMNS.format("PRIMARY KEY", "VIRTUAL"),
    "ALTER TABLE full_virtual REPLICA IDENTITY FULL",
)


@pytest.mark.parametrize("majors", [(16, 17), (18, 18)], ids=str)
def test_what_breaks_the_applications_writes_or_the_stream_is_found_and_no_more(
    arena: Callable[..., Arena], majors: tuple[int, int]
) -> None:
    here = arena(*majors)
    blue = here.pair.blue
    tables = dict(TABLES)
    if majors[0] >= 18:
        tables["full_virtual"] = VIRTUAL
    for name, (columns, *statements) in tables.items():
        blue.run(f"CREATE TABLE {name} {columns}", *statements)
        blue.run(f"INSERT INTO {name} VALUES (1)")
    world = here.world()
    told = {
        one.seen.partition(":")[0].removeprefix("public."): one
        for one in find(world)
        if one.id == "identity-generated"
    }
    blue.run("CREATE PUBLICATION ours FOR ALL TABLES")
    refused = {name for name in tables if not updates(here, name)}
    assert refused <= told.keys()
    wanted = refused or {"key_stored", "index_stored"}
    assert told.keys() == wanted
    assert all(one.is_blocking for one in told.values())
    for name, one in told.items():
        if "USING INDEX" in one.fix:
            blue.run(one.fix.partition(";")[0])
            assert updates(here, name)


def updates(here: Arena, table: str) -> bool:
    """Whether the application's UPDATE goes through once the table is published."""
    with psycopg.connect(here.conninfo(Side.BLUE), autocommit=True) as session:
        try:
            session.execute(ADD_ONE.format(psycopg.sql.Identifier(table)))
        except psycopg.errors.InvalidColumnReference:
            return False
    return True

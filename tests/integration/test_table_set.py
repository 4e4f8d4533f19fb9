"""The catalog's mark: cheap, and never equal where the set of tables changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from bluegreen.model.side import Side
from bluegreen.postgres.database import Database
from bluegreen.postgres.replication.table_set import read_mark, read_table_set
from tests.kit.databases import Database as Planted

SCHEMA = (
    "CREATE TABLE t (id int PRIMARY KEY, v text)",
    "CREATE TABLE u (id int PRIMARY KEY)",
    "CREATE PUBLICATION p FOR TABLE t, u",
    "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "CREATE TRIGGER bluegreen_fence BEFORE INSERT ON t EXECUTE FUNCTION f()",
)
CHANGES = {
    "new": ("CREATE TABLE late (id int)",),
    "gone": ("DROP TABLE u",),
    "one for another": ("CREATE TABLE late (id int)", "DROP TABLE u"),
    "renamed": ("ALTER TABLE u RENAME TO w",),
    "widened": ("ALTER TABLE u ADD COLUMN n int",),
    "moved": ("CREATE SCHEMA s", "ALTER TABLE u SET SCHEMA s"),
    "trigger off": ("ALTER TABLE t DISABLE TRIGGER bluegreen_fence",),
    "trigger off and on": (
        "ALTER TABLE t DISABLE TRIGGER ALL",
        "ALTER TABLE t ENABLE REPLICA TRIGGER bluegreen_fence",
    ),
    "trigger gone": ("DROP TRIGGER bluegreen_fence ON t",),
    "not published": ("ALTER PUBLICATION p DROP TABLE u",),
    "published anew": (
        "ALTER PUBLICATION p DROP TABLE u",
        "ALTER PUBLICATION p ADD TABLE u",
    ),
    "other kinds": ("ALTER PUBLICATION p SET (publish = 'insert')",),
    "publication gone": ("DROP PUBLICATION p",),
    "replaced": (
        "BEGIN; ALTER TABLE u RENAME TO w; CREATE TABLE u (id int PRIMARY KEY); COMMIT",
    ),
}
ORDINARY = {
    "rows": (
        "INSERT INTO t SELECT n, 'x' FROM generate_series(1, 1000) n",
        "UPDATE t SET v = 'y'",
        "DELETE FROM t WHERE id < 10",
    ),
    "analyzed": ("INSERT INTO t VALUES (1)", "ANALYZE", "VACUUM"),
    "frozen": ("VACUUM FREEZE pg_class", "VACUUM FREEZE pg_trigger"),
    "rolled back": ("BEGIN; CREATE TABLE late (id int); ROLLBACK",),
}


@pytest.fixture(params=[13, 18])
def here(request: pytest.FixtureRequest, database: Callable[[int], Planted]) -> Planted:
    made = database(request.param)
    made.run(*SCHEMA)
    return made


@pytest.fixture
def side(here: Planted) -> Iterator[Database]:
    handle = Database(Side.BLUE, here.conninfo())
    yield handle
    handle.close()


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_moves_the_mark(here: Planted, side: Database, name: str) -> None:
    mark = read_mark(side)
    here.run(*CHANGES[name])
    assert read_mark(side, mark).rows != mark.rows


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_work_does_not(here: Planted, side: Database, name: str) -> None:
    mark = read_mark(side)
    here.run(*ORDINARY[name])
    assert read_mark(side, mark).rows == mark.rows


def test_a_transaction_that_was_under_way_moves_it_when_it_ends(
    here: Planted, side: Database
) -> None:
    """Its rows are older than what was committed since, and were not visible then."""
    with here.connect() as old:
        old.execute("BEGIN; ALTER TABLE u ADD COLUMN n int")
        here.run("INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)")
        mark, was = read_mark(side), read_table_set(side, "p")
        assert read_mark(side, mark).rows == mark.rows
        old.execute("COMMIT")
    assert read_mark(side, mark).rows != mark.rows
    assert read_table_set(side, "p") != was

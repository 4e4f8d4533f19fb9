"""A statement that a deadlock took back is tried again, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from psycopg import sql

from bluegreen.model.side import Side
from bluegreen.postgres.database import Database, SqlError
from bluegreen.postgres.retry import outlast_deadlocks
from tests.kit.databases import Database as LabDatabase
from tests.kit.wait import wait_until

KEY = b"""
LOCK TABLE public.orders IN SHARE ROW EXCLUSIVE MODE;
ALTER TABLE public.lines ADD FOREIGN KEY (order_id) REFERENCES public.orders;
"""
WAITING = """
    SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
    WHERE NOT l.granted AND c.relname = 'lines'
"""


@pytest.fixture
def made(database: Callable[[int], LabDatabase]) -> LabDatabase:
    found = database(16)
    found.run("CREATE TABLE orders (id int PRIMARY KEY)")
    found.run("CREATE TABLE lines (order_id int)")
    return found


def test_the_victim_of_a_deadlock_comes_through(made: LabDatabase) -> None:
    """Another writes to both tables in the other order, as an apply worker does."""
    tries = []
    green = Database(Side.GREEN, made.conninfo())
    with (
        green.connect(deadlock_timeout="50ms") as own,
        made.connect() as writer,
        ThreadPoolExecutor(1) as pool,
    ):

        def add_key() -> None:
            tries.append(1)
            with green.translated():
                own.execute(KEY, prepare=False)

        writer.execute("SET deadlock_timeout = '1h'")
        with writer.transaction():
            writer.execute("INSERT INTO lines VALUES (1)")
            added = pool.submit(outlast_deadlocks, add_key)
            wait_until(lambda: made.value(WAITING), "the key to wait for the writer")
            writer.execute("INSERT INTO orders VALUES (1)")
        added.result(timeout=60)
    green.close()
    assert len(tries) > 1
    assert made.value("SELECT count(*) FROM pg_constraint WHERE contype = 'f'") == 1


def test_another_refusal_is_told_at_once(made: LabDatabase) -> None:
    tries = []
    green = Database(Side.GREEN, made.conninfo())

    def ask() -> None:
        tries.append(1)
        green.run(sql.SQL("SELECT 1 / 0"))

    with pytest.raises(SqlError) as caught:
        outlast_deadlocks(ask)
    green.close()
    assert (caught.value.sqlstate, len(tries)) == ("22012", 1)

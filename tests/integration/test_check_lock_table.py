"""A lock table that is too small for the copy is found before it, with its fix."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bluegreen.lab.pooler import Pooler
from bluegreen.model.side import Side
from bluegreen.postgres.database import SqlError
from bluegreen.steps.check import find
from bluegreen.steps.replicate import Replicate
from tests.kit.arena import bring_about
from tests.kit.own_servers import own_arena

SMALL = {"max_locks_per_transaction": "10", "max_connections": "30"}
TABLES = 900
MAKE = f"""
DO $$ BEGIN
    FOR n IN 1..{TABLES} LOOP
        EXECUTE format('CREATE TABLE %I (id serial PRIMARY KEY, v text)', 't' || n);
        IF n % 50 = 0 THEN COMMIT; END IF;
    END LOOP;
END $$
"""


def test_what_would_fill_greens_lock_table_blocks_and_its_fix_is_enough(
    lab_folder: Path, pooler: Callable[..., Pooler]
) -> None:
    with own_arena(lab_folder, pooler, green=SMALL) as here:
        here.pair.blue.run(MAKE)
        [found] = [f for f in find(here.world()) if f.id == "lock-table-small"]
        assert (found.where, found.is_blocking) == (Side.GREEN, True)
        actions = Replicate().actions()
        names = [action.id for action in actions]
        until_copied = actions[: names.index("replicate/copy_schema") + 1]
        with pytest.raises(SqlError) as caught:
            bring_about(here.world(), *until_copied)
        assert caught.value.sqlstate == "53200"
        server = here.pair.green.server
        here.pair.green.run(found.fix.partition(";")[0])
        server.stop()
        server.start_again()
        world = here.world()
        assert "lock-table-small" not in {f.id for f in find(world)}
        bring_about(world, *until_copied)
        made = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        assert here.pair.green.value(made) == TABLES

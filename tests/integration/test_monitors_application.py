"""A side that was locked after the check is not moved to, without any `client`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import psycopg
import pytest

from bluegreen.model.errors import BluegreenError
from bluegreen.model.finding import Blocks, Severity
from bluegreen.model.side import Side
from bluegreen.steps.monitors.gate import PassMonitors
from tests.kit.arena import Arena, bring_about, move, replicate
from tests.kit.databases import Database
from tests.kit.monitoring import only

LOCKS = {
    "ALTER DATABASE {} SET default_transaction_read_only = on": "read-only by default",
    "REVOKE CONNECT ON DATABASE {} FROM PUBLIC": "may not CONNECT",
    "ALTER DATABASE {} CONNECTION LIMIT 0": "takes 0 connections",
    "ALTER ROLE mon_app VALID UNTIL '2020-01-01'": "has ended",
}


def lock(database: Database, statement: str) -> None:
    database.run(statement.format(database.name))


def test_a_side_that_shuts_clients_out_is_not_moved_to(
    arena: Callable[..., Arena],
) -> None:
    here = arena(15, 18)
    sides = (here.pair.blue, here.pair.green)
    try:
        for one in sides:
            one.run("CREATE ROLE mon_app LOGIN")
        here.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY)")
        world = here.world()
        # A pooler whose login nobody tries.
        world.pointers[0].client = None  # type: ignore[attr-defined]
        replicate(world)
        with psycopg.connect(here.pair.blue.conninfo("mon_app")):
            assert only(world, "application").severity is Severity.OK
            for statement, words in LOCKS.items():
                lock(here.pair.green, statement)
                found = only(world, "application")
                assert words in found.seen
                assert found.blocks is Blocks.SWITCHOVER
                with pytest.raises(BluegreenError) as refused:
                    bring_about(world, PassMonitors("cutover", Side.GREEN))
                assert refused.value.code == 4011
                here.pair.green.run(found.fix.removeprefix("on green: "))
                assert only(world, "application").severity is Severity.OK
        move(world, Side.GREEN)
        with psycopg.connect(here.pair.green.conninfo("mon_app")):
            lock(here.pair.blue, next(iter(LOCKS)))
            with pytest.raises(BluegreenError) as refused:
                bring_about(world, PassMonitors("rollback", Side.BLUE))
            assert refused.value.code == 6001
            found = only(world, "application")
            here.pair.blue.run(found.fix.removeprefix("on blue: "))
            assert only(replace(world), "application").severity is Severity.OK
    finally:
        for one in sides:
            one.run("DROP OWNED BY mon_app", "DROP ROLE mon_app")

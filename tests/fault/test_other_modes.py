"""Failure modes of docs/failure-modes.md that no other file tries."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from psycopg import sql

from bluegreen.lab.ledger import LedgerClients, audit
from bluegreen.lab.pooler import Pooler
from bluegreen.model.errors import StepError
from bluegreen.model.finding import Severity
from bluegreen.model.side import Side
from bluegreen.model.verdict import NotYet, Satisfied
from bluegreen.postgres.replication.stream import ReplicationStream
from bluegreen.steps.monitors.gate import PassMonitors
from bluegreen.steps.replicate import Replicate
from bluegreen.steps.replication.following import AwaitInitialCopy
from tests.kit.arena import ENTRY, Arena, bring_about, move, replicate
from tests.kit.monitoring import only
from tests.kit.wait import wait_until


def test_commits_that_blue_has_not_flushed_are_not_lost(
    arena: Callable[..., Arena],
) -> None:
    """Most acknowledged commits lie above the flush position at any moment."""
    here = arena(15, 17)
    LedgerClients.prepare(here.conninfo(Side.BLUE))
    for side in (here.pair.blue, here.pair.green):
        side.run(f"ALTER DATABASE {side.name} SET synchronous_commit = off")
    world = here.guarded_world()
    with LedgerClients(here.client, 8) as clients:
        clients.start()
        replicate(world)
        move(world, Side.GREEN, probe=False)
        enough = clients.acknowledged() + 50
        wait_until(lambda: clients.acknowledged() > enough, "writes on green")
        result = clients.stop()
    assert (result.errors, result.unknown) == (0, 0), result.error_texts
    assert audit(here.conninfo(Side.GREEN), result).ok


def test_a_pooler_that_the_playbook_forgot_leads_to_errors_and_to_no_lost_write(
    arena: Callable[..., Arena], pooler: Callable[..., Pooler]
) -> None:
    here = arena(16, 18)
    blue = here.pair.blue
    blue.run("CREATE TABLE t (id int PRIMARY KEY)")
    forgotten = pooler({ENTRY: (blue.server, blue.name)})
    with psycopg.connect(forgotten.conninfo(ENTRY), autocommit=True) as client:
        client.execute("INSERT INTO t VALUES (1)")
        world = here.world()
        replicate(world)
        move(world, Side.GREEN, probe=False)
        for number in (2, 3):
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                client.execute("INSERT INTO t VALUES (%s)", [number])
        assert client.execute("SELECT count(*) FROM t").fetchone() == (1,)
    assert here.pair.green.rows("SELECT id FROM t") == [(1,)]


def test_a_table_that_is_half_copied_is_waited_for(
    arena: Callable[..., Arena],
) -> None:
    here = arena(16, 18)
    here.pair.blue.run(
        "CREATE TABLE free (id int PRIMARY KEY)",
        "CREATE TABLE held (id int PRIMARY KEY)",
    )
    world, actions = here.world(), Replicate().actions()
    (waits,) = (one for one in actions if isinstance(one, AwaitInitialCopy))
    bring_about(world, *actions[: actions.index(waits) - 1])
    with here.pair.green.connect() as holder:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE held IN SHARE MODE")
        bring_about(world, actions[actions.index(waits) - 1])

        def waiting() -> bool:
            facts = waits.observe(world)
            now = facts.subscription
            held_up = now is not None and now.ready == now.tables - 1
            return held_up and isinstance(waits.judge(facts), NotYet)

        wait_until(waiting, "all tables but one to be copied")
        holder.execute("ROLLBACK")
    wait_until(
        lambda: isinstance(waits.judge(waits.observe(world)), Satisfied),
        "the last table",
    )


def test_green_has_statistics_before_it_serves(arena: Callable[..., Arena]) -> None:
    here = arena(16, 18)
    here.pair.blue.run(
        "CREATE TABLE t (id int PRIMARY KEY, v int)",
        "INSERT INTO t SELECT i, i % 7 FROM generate_series(1, 3000) i",
    )
    here.pair.green.run(f"ALTER DATABASE {here.pair.green.name} RESET ALL")
    world = here.world()
    replicate(world)
    move(world, Side.GREEN, probe=False)
    query = "SELECT reltuples::int FROM pg_class WHERE oid = 't'::regclass"
    assert here.pair.green.value(query) == 3000
    columns = "SELECT attname FROM pg_stats WHERE tablename = 't' ORDER BY 1"
    assert here.pair.green.rows(columns) == [("id",), ("v",)]


def test_a_stream_whose_role_is_shut_out_stops_the_move(
    arena: Callable[..., Arena],
) -> None:
    here = arena(16, 18)
    blue = here.pair.blue
    role = f"stream_{blue.name}"
    blue.run(
        "CREATE TABLE t (id int PRIMARY KEY)",
        f"CREATE ROLE {role} SUPERUSER LOGIN",
    )
    try:
        world = here.world()
        replicate(world)
        name = ReplicationStream(here.name, Side.BLUE).name
        connect = psycopg.conninfo.make_conninfo(blue.conninfo(), user=role)
        with here.pair.green.connect() as session:
            session.execute(
                sql.SQL("ALTER SUBSCRIPTION {} CONNECTION {}").format(
                    sql.Identifier(name), sql.Literal(connect)
                )
            )
        walsender = f"SELECT pid FROM pg_stat_activity WHERE usename = '{role}'"
        wait_until(lambda: blue.rows(walsender), "the stream under its role")
        blue.run(f"ALTER ROLE {role} NOLOGIN")
        blue.run(f"SELECT pg_terminate_backend(pid) FROM ({walsender}) w")
        told = wait_until(
            lambda: (w := only(world, "stream")).severity is Severity.CRITICAL and w,
            "the loss to be seen",
        )
        assert told.seen

        def refused() -> bool:
            # A worker that tries again lives for some milliseconds each time.
            try:
                bring_about(world, PassMonitors("cutover", Side.GREEN))
            except StepError as error:
                return error.code == 4011
            return False

        wait_until(refused, "the move to be refused")
        blue.run(f"ALTER ROLE {role} LOGIN")
        wait_until(lambda: only(world, "stream").severity is Severity.OK, "the stream")
    finally:
        here.pair.green.run(f"ALTER SUBSCRIPTION {name} DISABLE")
        wait_until(lambda: not blue.rows(walsender), "the walsender to go")
        blue.run(f"DROP ROLE {role}")

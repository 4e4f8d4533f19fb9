"""A session that is none of ours and holds the lease's lock stops no run, nor hides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from bluegreen.engine.lease import Lease
from bluegreen.model.errors import LeaseRefused
from bluegreen.model.side import Side
from bluegreen.postgres.journal import own_schema
from bluegreen.postgres.journal.lease import read_holder, read_holders
from tests.kit.arena import Arena
from tests.kit.cli import call, write_playbook
from tests.kit.wait import wait_until

STEPS = [{"step": "replicate"}, {"step": "cutover", "probe": False}]


@contextmanager
def stranger(here: Arena, side: Side, *keys: int) -> Iterator[int]:
    """A session of a role that has no right on our schema; gives its process id.

    Both sides have it: one that is missing on the other would be a finding by itself.
    """
    role = f"app_{here.name}"
    for one in (here.pair.blue, here.pair.green):
        if not one.rows("SELECT FROM pg_roles WHERE rolname = %s", role):
            one.run(f"CREATE ROLE {role} LOGIN")
    database = getattr(here.pair, str(side))
    with psycopg.connect(
        database.conninfo(role), autocommit=True, application_name="night batch"
    ) as session:
        for key in keys:
            session.execute("SELECT pg_advisory_lock(7331, %s)", [key])
        yield session.info.backend_pid


@pytest.fixture
def here(arena: Callable[..., Arena]) -> Iterator[Arena]:
    made = arena(16, 18)
    made.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY)")
    yield made
    made.stack.close()
    for side in (made.pair.blue, made.pair.green):
        side.run(f"DROP ROLE IF EXISTS app_{made.name}")


@pytest.mark.parametrize("side", list(Side), ids=str)
def test_no_run_is_stopped_by_a_stranger(
    here: Arena, tmp_path: Path, side: Side
) -> None:
    call("run", write_playbook(here, tmp_path, STEPS[:1])).require()
    playbook = write_playbook(here, tmp_path, STEPS)
    with stranger(here, side, 1) as pid:
        call("run", playbook).require()
        call("rollback", playbook).require()
        database = getattr(here.pair, str(side))
        alive = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
        assert database.value(alive, pid) == 1
        assert "night batch" not in call("status", playbook).out


def test_over_a_strangers_lock_two_operators_still_see_each_other(
    here: Arena,
) -> None:
    sides = [here.database(side) for side in Side]
    others = [here.database(side) for side in Side]
    for database in sides:
        own_schema.build(database, here.name)
    with ExitStack() as stack:
        for side in Side:
            strangers = stack.enter_context(ExitStack())
            strangers.enter_context(stranger(here, side, 1))
        first = stack.enter_context(Lease(*sides))
        assert first.still_held()
        first.require_held()
        with pytest.raises(LeaseRefused), Lease(*others):
            raise AssertionError("the lease was given twice")
        holder = read_holder(others[0])
        assert holder is not None
        assert holder.name.startswith("bluegreen ")
        strangers.close()
        # The advisory lock is free on green now; the table's lock is not.
        with pytest.raises(LeaseRefused), Lease(others[1]):
            raise AssertionError("the lease was given twice")
    for database in others:
        # A server lets go of a closed session's locks a little later.
        wait_until(
            lambda side=database: read_holders(side) == [],  # type: ignore[misc]
            "the locks to go",
        )
    with Lease(*others) as lease:
        assert lease.still_held()


def test_a_lease_by_the_table_holds_back_no_slot_and_no_vacuum(here: Arena) -> None:
    blue = here.database(Side.BLUE)
    own_schema.build(blue, here.name)
    with stranger(here, Side.BLUE, 1), Lease(blue) as lease:
        here.pair.blue.run(
            "SELECT pg_create_logical_replication_slot('probe', 'pgoutput')",
            "SELECT pg_drop_replication_slot('probe')",
            "CREATE INDEX CONCURRENTLY ON t (id)",
        )
        held = here.pair.blue.value(
            "SELECT count(*) FROM pg_stat_activity a JOIN pg_locks l USING (pid)"
            " WHERE l.relation = 'bluegreen.lease'::regclass"
            " AND (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL)"
        )
        assert held == 0
        assert lease.still_held()


def test_before_our_schema_is_there_the_refusal_names_the_stranger(
    here: Arena, tmp_path: Path
) -> None:
    playbook = write_playbook(here, tmp_path, STEPS)
    with stranger(here, Side.BLUE, 1) as pid:
        ended = call("run", playbook).require(8)
        assert "error BG-8001: another session holds the lease's lock" in ended.err
        assert f"process {pid}, role app_{here.name}" in ended.err
        assert f"SELECT pg_terminate_backend({pid})" in ended.err
    call("run", playbook).require()


def test_a_lock_under_which_nothing_is_built_is_not_waited_for_without_end(
    here: Arena, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_schema, "BUILD_WAIT", "50ms")
    with stranger(here, Side.GREEN, 0) as pid:
        with pytest.raises(LeaseRefused) as caught:
            own_schema.build(here.database(Side.GREEN), here.name)
        assert caught.value.code == 8001
        assert f"process {pid}, role app_{here.name}" in caught.value.seen
    own_schema.build(here.database(Side.GREEN), here.name)

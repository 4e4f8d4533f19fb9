"""What other monitors find on real servers: apply errors, DDL, slots, transactions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from bluegreen.model.accept import Accepted
from bluegreen.model.errors import StepError
from bluegreen.model.finding import Blocks, Severity
from bluegreen.model.side import Side
from bluegreen.postgres.replication.heartbeat import read_beats
from bluegreen.postgres.replication.stream import ReplicationStream
from bluegreen.steps.monitors.drift import RememberSchema, remember_schema
from bluegreen.steps.monitors.gate import PassMonitors, gates_of
from bluegreen.steps.monitors.limits import Limits
from bluegreen.steps.world import World
from tests.kit.arena import Arena, bring_about, move, replicate
from tests.kit.monitoring import beat, monitored, monitoring, only
from tests.kit.wait import wait_until


def following(here: Arena) -> World:
    here.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY, note text)")
    world = here.world()
    replicate(world)
    return world


class TestStream:
    @pytest.mark.parametrize(("blue", "green"), [(16, 18), (15, 15), (14, 17)])
    def test_an_apply_error_is_told_with_table_and_position(
        self, arena: Callable[..., Arena], blue: int, green: int
    ) -> None:
        here = arena(blue, green)
        world = following(here)
        beat(world)
        assert only(world, "stream").severity is Severity.OK
        with here.pair.green.connect() as session:
            session.execute("SET session_replication_role = replica")
            session.execute("INSERT INTO t VALUES (1, 'by hand')")
        here.pair.blue.run("INSERT INTO t VALUES (1, 'by the application')")
        told: list[object] = []
        with monitoring(world, told.append):
            one = wait_until(
                lambda: _bad(world),
                "the error to be seen",
            )
            slot = ReplicationStream(here.name, Side.BLUE).name
            wait_until(
                lambda: read_beats(world.blue, world.green, slot, 0).pending_s > 2.5,
                "heartbeats to wait behind it",
            )
            wait_until(
                lambda: [e for e in told if getattr(e, "severity", "") == "critical"],
                "the event",
            )
        assert one.blocks is Blocks.SWITCHOVER
        assert "could not be applied" in one.seen
        assert "at the first transaction after 0/" in one.seen or "/" in one.seen
        assert "last ERROR of a logical replication worker" in one.fix
        if green >= 18:
            assert "insert_exists" in one.seen
        errors = [f for f in one.figures if f.name == "apply_errors_total"]
        assert errors[0].value >= 1
        with pytest.raises(StepError) as caught:
            bring_about(world, PassMonitors("cutover", Side.GREEN))
        assert caught.value.code == 4011
        with here.pair.green.connect() as session:
            session.execute("SET session_replication_role = replica")
            session.execute("DELETE FROM t WHERE id = 1")
        wait_until(
            lambda: here.pair.green.rows("SELECT FROM t WHERE note ~ 'application'"),
            "the row, once the other one is gone",
        )

    def test_a_stream_that_is_off_stops_the_move(
        self, arena: Callable[..., Arena]
    ) -> None:
        here = arena(16, 18)
        world = following(here)
        here.pair.green.run(
            f"ALTER SUBSCRIPTION {ReplicationStream(here.name, Side.BLUE).name} DISABLE"
        )
        one = only(world, "stream")
        assert (one.severity, one.blocks) == (Severity.CRITICAL, Blocks.SWITCHOVER)
        assert one.seen.startswith("the subscription on green is switched off")

    def test_a_lock_that_holds_the_worker_up_is_named_with_its_pid(
        self, arena: Callable[..., Arena]
    ) -> None:
        here = arena(16, 18)
        world = following(here)
        with here.pair.green.connect() as locker:
            locker.execute("BEGIN")
            locker.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
            here.pair.blue.run("INSERT INTO t VALUES (7)")
            one = wait_until(
                lambda: (w := only(world, "stream")).severity is Severity.WARNING and w,
                "the lock to be seen",
            )
            assert f"pid {locker.info.backend_pid} holds" in one.seen
            locker.execute("ROLLBACK")

    def test_a_slot_that_is_gone_ends_the_run(
        self, arena: Callable[..., Arena]
    ) -> None:
        here = arena(16, 18)
        world = following(here)
        slot = ReplicationStream(here.name, Side.BLUE).name
        here.pair.green.run(f"ALTER SUBSCRIPTION {slot} DISABLE")
        wait_until(
            lambda: (
                not here.pair.blue.rows(
                    "SELECT FROM pg_replication_slots WHERE slot_name = %s AND active",
                    slot,
                )
            ),
            "the slot to be free",
        )
        here.pair.blue.run(f"SELECT pg_drop_replication_slot('{slot}')")
        with monitoring(world) as monitor_thread:
            wait_until(
                lambda: any(w.blocks is Blocks.RUN for w in monitor_thread.found),
                "the loss to be seen",
            )
            with pytest.raises(StepError) as caught:
                monitor_thread.require_fit()
        assert caught.value.seen.splitlines()[0] == (
            "stream, blue → green: the slot on blue that green counts on is gone"
        )


class TestDrift:
    def test_ddl_on_blue_is_named_and_stops_the_move(
        self, arena: Callable[..., Arena]
    ) -> None:
        here = arena(16, 18)
        world = following(here)
        beat(world)
        assert only(world, "schema-drift").severity is Severity.OK
        here.pair.blue.run(
            "ALTER TABLE t ADD COLUMN late int", "CREATE TABLE later (id int)"
        )
        one = only(world, "schema-drift")
        assert (one.severity, one.blocks) == (Severity.CRITICAL, Blocks.SWITCHOVER)
        assert one.seen == (
            "2 things were changed from outside: table public.later is new, "
            "table public.t was changed"
        )
        with pytest.raises(StepError) as caught:
            bring_about(world, *gates_of("cutover", Side.GREEN))
        assert caught.value.code == 4011
        accepting = replace(
            world, limits=Limits(accept=(Accepted("schema-drift", "meant"),))
        )
        bring_about(accepting, PassMonitors("cutover", Side.GREEN))
        here.pair.blue.run("ALTER TABLE t DROP COLUMN late", "DROP TABLE later")
        assert only(world, "schema-drift").severity is Severity.OK

    def test_our_own_fence_and_what_is_remembered_anew_are_no_drift(
        self, arena: Callable[..., Arena]
    ) -> None:
        here = arena(16, 18)
        world = following(here)
        here.pair.blue.run("ALTER TABLE t ADD COLUMN ours int")
        remember_schema(world, [Side.BLUE])
        assert only(world, "schema-drift").severity is Severity.OK
        here.pair.green.run("ALTER TABLE t ADD COLUMN ours int")
        bring_about(world, *gates_of("cutover", Side.GREEN))
        move(world, Side.GREEN)
        found = {one.where: one for one in monitored(world, "schema-drift")}
        assert {one.severity for one in found.values()} == {Severity.OK}
        assert set(found) == {"blue", "green"}

    def test_ddl_on_green_in_the_window_is_seen(
        self, arena: Callable[..., Arena]
    ) -> None:
        here = arena(16, 18)
        world = following(here)
        bring_about(world, *gates_of("cutover", Side.GREEN))
        move(world, Side.GREEN)
        here.pair.green.run("ALTER TABLE t ADD COLUMN only_green int")
        found = {one.where: one for one in monitored(world, "schema-drift")}
        assert found["green"].severity is Severity.CRITICAL
        assert found["green"].seen.endswith("table public.t was changed")

    def test_it_is_remembered_once_and_before_the_copy(
        self, arena: Callable[..., Arena]
    ) -> None:
        here = arena(16, 18)
        world = following(here)
        action = RememberSchema("replicate", Side.BLUE)
        before = len(world.journal.records())
        assert action.judge(action.observe(world)).why == "it stands in the journal"
        assert len(world.journal.records()) == before


class TestOthers:
    def test_a_slot_of_others_is_named_and_stops_nothing(
        self, arena: Callable[..., Arena]
    ) -> None:
        here = arena(16, 18)
        world = following(here)
        assert only(world, "foreign-slots").severity is Severity.OK
        name = f"debezium_{here.name}"
        here.pair.blue.run(
            f"SELECT pg_create_logical_replication_slot('{name}', 'pgoutput')"
        )
        one = only(world, "foreign-slots")
        assert (one.severity, one.blocks) == (Severity.WARNING, Blocks.NOTHING)
        assert one.seen.startswith(f"slots of others: {name} (not read now, keeps ")

    def test_a_long_transaction_is_named_with_pid_age_and_application(
        self, arena: Callable[..., Arena]
    ) -> None:
        here = arena(16, 18)
        world = replace(
            following(here),
            limits=Limits(long_transaction=timedelta(milliseconds=1)),
        )
        with here.pair.blue.connect(application_name="nightly report") as session:
            session.execute("BEGIN")
            session.execute("INSERT INTO t VALUES (5)")
            one = wait_until(
                lambda: (
                    (w := only(world, "transactions")).severity is Severity.WARNING
                    and w
                ),
                "the transaction to be old enough",
            )
            assert f"pid {session.info.backend_pid} (" in one.seen
            assert "nightly report) writes, open for" in one.seen
            session.execute("ROLLBACK")
        assert only(world, "transactions").severity is Severity.OK

    def test_a_prepared_transaction_is_named(self, arena: Callable[..., Arena]) -> None:
        here = arena(16, 18)
        world = following(here)
        with here.pair.blue.connect() as session:
            session.execute("BEGIN")
            session.execute("INSERT INTO t VALUES (5)")
            session.execute("PREPARE TRANSACTION 'half'")
        one = only(world, "transactions")
        assert one.severity is Severity.WARNING
        assert "'half' of postgres, prepared" in one.seen
        here.pair.blue.run("ROLLBACK PREPARED 'half'")


def _bad(world: World):  # type: ignore[no-untyped-def]
    one = only(world, "stream")
    return one if one.severity is Severity.CRITICAL and "applied" in one.seen else None

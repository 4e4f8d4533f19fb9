"""What may lie in the fence's way: it is closed in time, or all is undone and told.

Each obstacle stands on blue when traffic is to move. Clients write through the pooler
all the while; not one of them may see an error or a deadlock.
"""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest

from bluegreen.lab.ledger import LedgerClients, audit
from bluegreen.model.errors import BudgetError, StepError
from bluegreen.model.history import fold
from bluegreen.model.side import Side
from bluegreen.postgres.fence.fence import read_fence
from bluegreen.postgres.replication.stream import ReplicationStream, read_subscription
from bluegreen.steps.action import Action
from bluegreen.steps.switchover.order import actions_of_switchover
from bluegreen.steps.switchover.switchover import Switchover
from bluegreen.steps.switchover.traffic import SwitchTraffic
from bluegreen.steps.world import World
from tests.kit.arena import Arena, bring_about, move, replicate
from tests.kit.cli import call, write_playbook
from tests.kit.databases import Database
from tests.kit.wait import wait_until

DEADLOCK = "deadlock detected"
SLOW = {"vacuum_cost_delay": "100ms", "vacuum_cost_limit": "1"}
BIG = (
    "CREATE TABLE big (id int PRIMARY KEY, text text) WITH (autovacuum_enabled = off)",
    "INSERT INTO big SELECT n, repeat('x', 500) FROM generate_series(1, 4000) n",
    "DELETE FROM big WHERE id % 2 = 0",
)
VACUUMED = "SELECT pid FROM pg_stat_progress_vacuum WHERE relid = 'big'::regclass"


@dataclass
class Stage:
    """An arena where all is ready to move, and clients write."""

    here: Arena
    world: World
    clients: LedgerClients

    @property
    def blue(self) -> Database:
        return self.here.pair.blue

    def clients_go_on(self) -> None:
        enough = self.clients.acknowledged() + 20
        wait_until(lambda: self.clients.acknowledged() > enough, "clients to write")

    def passes(self) -> None:
        """The fence is closed in time, whatever lies there."""
        move(self.world, Side.GREEN)
        self.clients_go_on()
        result = self.clients.stop()
        assert (result.errors, result.unknown) == (0, 0), result.error_texts
        assert audit(self.here.conninfo(Side.GREEN), result).ok

    def is_backed_out(self) -> BudgetError:
        """The move gives way and leaves nothing behind."""
        with pytest.raises(BudgetError) as caught:
            move(self.world, Side.GREEN)
        assert caught.value.traffic == "blue (backed out, nothing has moved)"
        fence = read_fence(self.world.blue)
        assert (fence.closed, fence.missing) == (0, 0)
        state = fold(self.world.journal.records())
        assert (state.serving, state.open_move, state.epoch) == (Side.BLUE, None, 0)
        assert not any(pointer.observe().paused for pointer in self.world.pointers)
        self.clients_go_on()
        stream = ReplicationStream(self.here.name, Side.BLUE).name
        facts = read_subscription(self.world.green, stream)
        assert facts is not None
        assert facts.enabled
        self.blue.run("INSERT INTO big VALUES (0, 'after')")
        green = self.here.pair.green
        wait_until(lambda: green.rows("SELECT FROM big WHERE id = 0"), "the stream")
        result = self.clients.stop()
        assert (result.errors, result.unknown) == (0, 0), result.error_texts
        return caught.value


@pytest.fixture
def stage(arena: Callable[..., Arena]) -> Iterator[Stage]:
    here = arena(16, 18)
    LedgerClients.prepare(here.conninfo(Side.BLUE))
    here.pair.blue.run(*BIG)
    world = here.guarded_world()
    replicate(world)
    bring_about(world, *made_ready())
    with LedgerClients(here.client, 4) as clients:
        clients.start()
        yield Stage(here, world, clients)


def made_ready() -> list[Action[object]]:
    """All that comes before the pause."""
    actions = actions_of_switchover("move", Switchover(Side.GREEN))
    kinds = [type(action) for action in actions]
    return list(actions[: kinds.index(SwitchTraffic)])


@contextmanager
def running(database: Database, statement: str, **settings: str) -> Iterator[int]:
    """A statement that is at work; it is cancelled in the end. Gives its pid."""
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    with database.connect(options=options) as session:

        def work() -> None:
            try:
                session.execute(statement.encode())
            except psycopg.errors.QueryCanceled:
                return

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield session.info.backend_pid
        finally:
            session.cancel_safe()
            thread.join()


def waits_for(database: Database, pid: int, event: str) -> None:
    query = "SELECT wait_event FROM pg_stat_activity WHERE pid = %s"
    wait_until(lambda: database.rows(query, pid) == [(event,)], event)


def test_autovacuum_gives_way(stage: Stage) -> None:
    server = stage.blue.server
    server.configure(autovacuum_naptime="1s")
    try:
        stage.blue.run(
            "ALTER TABLE big SET (autovacuum_enabled = on,"
            " autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0,"
            " autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)"
        )
        wait_until(lambda: stage.blue.rows(VACUUMED), "autovacuum to begin")
        stage.passes()
    finally:
        server.configure(autovacuum_naptime="1min")


def test_a_vacuum_by_hand_is_no_obstacle(stage: Stage) -> None:
    with running(stage.blue, "VACUUM big", **SLOW):
        wait_until(lambda: stage.blue.rows(VACUUMED), "VACUUM to begin")
        stage.passes()


def test_an_index_that_is_built_is_no_obstacle(stage: Stage) -> None:
    with stage.blue.connect() as old:
        # The build waits for every older snapshot, with the table's lock held.
        old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        old.execute("SELECT count(*) FROM bank")
        with running(stage.blue, "CREATE INDEX CONCURRENTLY i ON big (text)") as pid:
            waits_for(stage.blue, pid, "virtualxid")
            stage.passes()
        old.execute("ROLLBACK")


def test_an_idle_transaction_around_the_pooler_is_named(stage: Stage) -> None:
    with stage.blue.connect() as idle:
        idle.execute("BEGIN")
        idle.execute("UPDATE big SET text = 'held' WHERE id = 1")
        error, pid = stage.is_backed_out(), idle.info.backend_pid
        idle.execute("COMMIT")
    assert error.code == 5003
    assert f"pid {pid}" in error.seen
    assert "UPDATE big" in error.seen


def test_an_idle_transaction_through_the_pooler_is_named(stage: Stage) -> None:
    with psycopg.connect(stage.here.client, prepare_threshold=None) as idle:
        row = idle.execute("SELECT pg_backend_pid()").fetchone()
        assert row is not None
        error = stage.is_backed_out()
        idle.rollback()
    assert error.code == 5001
    assert f"server pid {row[0]}" in error.seen


def test_a_prepared_transaction_is_named(stage: Stage) -> None:
    stage.blue.run(
        "BEGIN; UPDATE big SET text = 'held' WHERE id = 1; PREPARE TRANSACTION 'held'"
    )
    error = stage.is_backed_out()
    stage.blue.run("COMMIT PREPARED 'held'")
    assert error.code == 5003
    assert "a prepared transaction" in error.seen


def test_a_vacuum_that_begins_behind_the_fence_does_not_hold_up_the_way_out(
    stage: Stage,
) -> None:
    """The move breaks off, and the fence opens over the VACUUM's lock."""
    with ExitStack() as stack:

        def vacuum_and_break_off(point: str) -> None:
            if point == "move/fenced":
                stack.enter_context(running(stage.blue, "VACUUM big", **SLOW))
                wait_until(lambda: stage.blue.rows(VACUUMED), "VACUUM to begin")
                raise StepError(4001, "broken off")

        world = replace(stage.world, point=vacuum_and_break_off)
        with pytest.raises(StepError) as caught:
            move(world, Side.GREEN)
        assert caught.value.traffic == "blue (backed out, nothing has moved)"
        assert read_fence(world.blue).is_open
        stage.clients_go_on()
        stage.blue.run("INSERT INTO big VALUES (0, 'after')")
    result = stage.clients.stop()
    assert (result.errors, result.unknown) == (0, 0), result.error_texts


def test_a_long_read_is_no_obstacle(stage: Stage) -> None:
    """As pg_dump reads: one snapshot, an ACCESS SHARE lock on every table."""
    with stage.blue.connect() as reader:
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        reader.execute("LOCK TABLE big, bank, ledger IN ACCESS SHARE MODE")
        before = reader.execute("SELECT count(*) FROM ledger").fetchone()
        stage.passes()
        assert reader.execute("SELECT count(*) FROM ledger").fetchone() == before
        reader.execute("COMMIT")


def test_writers_in_any_table_order_are_never_deadlocked(stage: Stage) -> None:
    tables = [f"w{n}" for n in range(6)]
    here = stage.here
    here.pair.blue.run(*(f"CREATE TABLE {t} (id int)" for t in tables))
    writers = [RandomOrder(stage.blue, tables, seed) for seed in range(8)]
    bring_about(stage.world, *made_ready()[:1])
    before = stage.blue.server.log_text().count(DEADLOCK)
    for writer in writers:
        writer.start()
    wait_until(lambda: all(w.done > 20 for w in writers), "the writers to write")
    stage.passes()
    for writer in writers:
        writer.join(30)
    assert [writer.ended_by for writer in writers] == ["25006"] * 8
    assert stage.blue.server.log_text().count(DEADLOCK) == before


class RandomOrder(threading.Thread):
    """A client around the pooler that writes to all tables, in an order of its own."""

    def __init__(self, database: Database, tables: list[str], seed: int) -> None:
        super().__init__(daemon=True)
        self._database = database
        self._tables = list(tables)
        self._random = random.Random(seed)
        self.done = 0
        self.ended_by: str | None = None

    def run(self) -> None:
        with self._database.connect() as session:
            while self.ended_by is None:
                try:
                    self._random.shuffle(self._tables)
                    with session.transaction():
                        for table in self._tables:
                            session.execute(f"INSERT INTO {table} VALUES (1)".encode())
                    self.done += 1
                except psycopg.Error as error:
                    self.ended_by = error.sqlstate or type(error).__name__


def test_a_killed_tool_leaves_no_statement_that_closes_the_fence_later(
    arena: Callable[..., Arena], tmp_path: Path
) -> None:
    """Its `set_fence` waits for a writer; the guard must end it, not outrun it."""
    here = arena(16, 18)
    LedgerClients.prepare(here.conninfo(Side.BLUE))
    here.pair.blue.run(*BIG)
    steps = [{"step": "replicate"}, {"step": "cutover", "drain": "1500ms"}]
    playbook = write_playbook(here, tmp_path, steps)
    blue = here.pair.blue
    waiting = (
        "SELECT pid FROM pg_stat_activity WHERE query LIKE 'CALL bluegreen.set_fence%'"
        " AND wait_event_type = 'Lock' AND datname = current_database()"
    )
    with blue.connect() as idle:

        def strike() -> None:
            wait_until(lambda: blue.rows(waiting), "the fence to wait", 60)
            kill_tool(blue)

        armed = call(
            "run",
            playbook,
            environ={"BLUEGREEN_FAULT": "cutover/switch_traffic/before_act:kill:1"},
        )
        assert armed.status == -signal.SIGKILL, armed
        idle.execute("BEGIN")
        idle.execute("UPDATE big SET text = 'held' WHERE id = 1")
        killer = threading.Thread(target=strike)
        killer.start()
        ended = call("run", playbook)
        killer.join()
        assert ended.status == -signal.SIGKILL, ended
        guard = "SELECT FROM bluegreen.journal WHERE body ? 'guard'"
        wait_until(lambda: blue.rows(guard), "the guard to act")
        idle.execute("COMMIT")
    wait_until(lambda: not blue.rows(waiting), "the statement to end")
    blue.run("INSERT INTO big VALUES (0, 'after')", "UPDATE bank SET balance = balance")
    assert blue.value("SELECT takes_writes FROM bluegreen.who_am_i()") is True


def kill_tool(blue: Database) -> None:
    """kill -9 of the tool, which its sessions' names tell: label, host, pid."""
    [(name,)] = blue.rows(
        "SELECT DISTINCT application_name FROM pg_stat_activity"
        " WHERE application_name LIKE 'bluegreen run %'"
        " AND datname = current_database() AND query LIKE 'CALL bluegreen.set_fence%'"
    )
    pid = int(str(name).split()[-1])
    os.kill(pid, signal.SIGKILL)

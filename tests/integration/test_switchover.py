"""Moving traffic there, back and there again; what is refused; what is backed out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest

from bluegreen.lab.ledger import LedgerClients, audit
from bluegreen.model.errors import BudgetError, RollbackUnavailable
from bluegreen.model.history import fold
from bluegreen.model.record import Kind
from bluegreen.model.side import Side
from bluegreen.postgres.fence.fence import read_fence
from bluegreen.postgres.replication.sequences import read_sequences
from bluegreen.postgres.replication.stream import read_slot, read_subscription
from bluegreen.steps.action import Action
from bluegreen.steps.switchover.order import actions_of_switchover
from bluegreen.steps.switchover.switchover import Switchover
from tests.kit.arena import Arena, bring_about, move, replicate, replicated
from tests.kit.wait import wait_until

SEQUENCES = (
    "CREATE SEQUENCE used",
    "SELECT nextval('used') FROM generate_series(1, 7)",
    "CREATE SEQUENCE unused START 5",
    "CREATE SEQUENCE restarted",
    "ALTER SEQUENCE restarted RESTART 1000",
    "CREATE SEQUENCE down INCREMENT -2 MINVALUE -900 MAXVALUE -1 START -1",
    "SELECT nextval('down') FROM generate_series(1, 3)",
    "CREATE SEQUENCE cached CACHE 50",
    "SELECT nextval('cached')",
    "CREATE SEQUENCE small AS smallint",
    "SELECT setval('small', 32767)",
    'CREATE SEQUENCE "Odd ""Name"',
    'SELECT nextval(\'"Odd ""Name"\')',
)


@pytest.mark.always
def test_nothing_is_lost_or_doubled_there_back_and_there_again(
    arena: Callable[..., Arena],
) -> None:
    here = arena(16, 18)
    LedgerClients.prepare(here.conninfo(Side.BLUE))
    world = here.guarded_world()
    with LedgerClients(here.client, 8) as clients:
        clients.start()
        replicate(world)
        for to in (Side.GREEN, Side.BLUE, Side.GREEN):
            move(world, to)
            enough = clients.acknowledged() + 50
            wait_until(lambda: clients.acknowledged() > enough, f"writes on {to}")  # noqa: B023
        result = clients.stop()
    assert (result.errors, result.unknown) == (0, 0), result.error_texts
    assert audit(here.conninfo(Side.GREEN), result).ok
    wait_until(
        lambda: audit(here.conninfo(Side.BLUE), result).ok, "blue to have it all too"
    )
    assert [r.epoch for r in world.journal.records() if r.kind is Kind.COMMITTED] == [
        1,
        2,
        3,
    ]


def test_after_a_move_the_left_side_refuses_and_follows(
    arena: Callable[..., Arena],
) -> None:
    here, world = replicated(arena)
    move(world, Side.GREEN)
    assert read_fence(world.blue).is_closed
    assert read_fence(world.green).is_open
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        here.pair.blue.run("INSERT INTO t VALUES (1)")
    with psycopg.connect(here.client, autocommit=True, prepare_threshold=None) as app:
        app.execute("INSERT INTO t VALUES (2)")
    wait_until(lambda: here.pair.blue.rows("SELECT id FROM t") == [(2,)], "the row")


def test_no_slot_is_left_for_a_stream_that_is_over(arena: Callable[..., Arena]) -> None:
    here, world = replicated(arena)
    move(world, Side.GREEN)
    forward = f"bluegreen_{here.name}_from_blue"
    assert read_slot(world.blue, forward) is None
    assert read_subscription(world.green, forward) is None
    assert read_slot(world.green, f"bluegreen_{here.name}_from_green") is not None


def test_sequences_are_exact_in_both_directions(arena: Callable[..., Arena]) -> None:
    here = arena(16, 18)
    here.pair.blue.run("CREATE TABLE t (id serial PRIMARY KEY)", *SEQUENCES)
    world = here.world()
    replicate(world)
    before = sorted(read_sequences(world.blue))
    move(world, Side.GREEN)
    assert sorted(read_sequences(world.green)) == before
    with psycopg.connect(here.client, autocommit=True, prepare_threshold=None) as app:
        app.execute("INSERT INTO t DEFAULT VALUES")
        app.execute("SELECT nextval('unused')")
        assert app.execute("SELECT nextval('restarted')").fetchone() == (1000,)
    after = sorted(read_sequences(world.green))
    move(world, Side.BLUE)
    assert sorted(read_sequences(world.blue)) == after


def test_a_writer_that_stays_backs_the_move_out_and_blue_serves_on(
    arena: Callable[..., Arena],
) -> None:
    here = arena(16, 18)
    here.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY)")
    world = here.guarded_world()
    replicate(world)
    bring_about(world, *laws(here))
    with here.pair.blue.connect() as stale:
        stale.execute("BEGIN")
        stale.execute("INSERT INTO t VALUES (1)")
        with pytest.raises(BudgetError) as caught:
            move(world, Side.GREEN, drain=timedelta(milliseconds=200))
        assert f"pid {stale.info.backend_pid}" in caught.value.seen
        assert caught.value.traffic == "blue (backed out, nothing has moved)"
        stale.execute("COMMIT")
    state = fold(world.journal.records())
    assert (state.serving, state.open_move, state.epoch) == (Side.BLUE, None, 0)
    with psycopg.connect(here.client, autocommit=True, prepare_threshold=None) as app:
        app.execute("INSERT INTO t VALUES (2)")
    wait_until(lambda: len(here.pair.green.rows("SELECT id FROM t")) == 2, "the rows")
    move(world, Side.GREEN)
    assert here.pair.green.rows("SELECT id FROM t ORDER BY id") == [(1,), (2,)]


def test_a_pooled_transaction_that_stays_open_backs_the_move_out(
    arena: Callable[..., Arena],
) -> None:
    here = arena(16, 18)
    here.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY)")
    world = here.guarded_world()
    replicate(world)
    bring_about(world, *laws(here))
    with psycopg.connect(here.client, prepare_threshold=None) as app:
        app.execute("INSERT INTO t VALUES (1)")
        with pytest.raises(BudgetError) as caught:
            move(world, Side.GREEN, max_pause=timedelta(milliseconds=600))
        app.commit()
        app.execute("INSERT INTO t VALUES (2)")
        app.commit()
    assert caught.value.code == 5001
    assert fold(world.journal.records()).serving is Side.BLUE
    assert read_fence(world.blue).is_open


def test_extra_columns_on_green_stay_behind_and_nothing_breaks(
    arena: Callable[..., Arena],
) -> None:
    here = arena(16, 18)
    here.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY, a text)")
    world = here.world()
    replicate(world)
    here.pair.green.run("ALTER TABLE t ADD COLUMN b text DEFAULT 'x' NOT NULL")
    move(world, Side.GREEN)
    with psycopg.connect(here.client, autocommit=True, prepare_threshold=None) as app:
        app.execute("INSERT INTO t VALUES (1, 'a', 'b')")
    wait_until(
        lambda: here.pair.blue.rows("SELECT * FROM t") == [(1, "a")], "the row on blue"
    )
    move(world, Side.BLUE)
    with psycopg.connect(here.client, autocommit=True, prepare_threshold=None) as app:
        app.execute("UPDATE t SET a = 'c'")
    wait_until(
        lambda: here.pair.green.rows("SELECT * FROM t") == [(1, "c", "b")],
        "the update on green",
    )


def test_a_table_that_stays_locked_is_named_with_who_holds_it(
    arena: Callable[..., Arena], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bluegreen.postgres.fence.fence.MAKING_TRIES", 2)
    here, world = replicated(arena)
    with here.pair.blue.connect() as writer:
        writer.execute("BEGIN")
        writer.execute("INSERT INTO t VALUES (1)")
        with pytest.raises(BudgetError) as caught:
            move(world, Side.GREEN)
        writer.execute("COMMIT")
    assert caught.value.problem == (
        "the fence trigger of public.t on blue could not be made"
    )
    assert "INSERT INTO t VALUES (1)" in caught.value.seen


def test_a_change_that_blue_cannot_take_back_refuses_the_move(
    arena: Callable[..., Arena],
) -> None:
    here = arena(16, 18)
    here.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY, must text NOT NULL)")
    world = here.world()
    replicate(world)
    here.pair.green.run("ALTER TABLE t DROP COLUMN must")
    with pytest.raises(RollbackUnavailable) as caught:
        move(world, Side.GREEN)
    assert str(caught.value) == (
        "error BG-6001: blue could not follow green\n"
        "  seen:    public.t.must is NOT NULL without a default and is not sent\n"
        "  wanted:  every change on green fits blue\n"
        "  traffic: blue (nothing has moved)\n"
        "  hint:    make the same change on both sides in a form that both can take, "
        "or leave it until after decommission"
    )


def test_a_stale_session_that_was_open_before_is_refused_too(
    arena: Callable[..., Arena],
) -> None:
    here, world = replicated(arena)
    with here.pair.blue.connect() as stale:
        stale.execute("PREPARE w AS INSERT INTO t VALUES ($1)")
        stale.execute("EXECUTE w (1)")
        move(world, Side.GREEN)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            stale.execute("EXECUTE w (2)")
    assert here.pair.green.rows("SELECT id FROM t") == [(1,)]


def laws(here: Arena) -> list[Action[object]]:
    return list(actions_of_switchover("move", Switchover(Side.GREEN)))[1:6]


def test_arming_keeps_the_laws_of_an_action(arena: Callable[..., Arena]) -> None:
    here, world = replicated(arena)
    actions = laws(here)
    bring_about(world, *actions)
    for action in actions:
        facts = action.observe(world)
        action.act(world, facts)
        assert type(action.judge(action.observe(world))).__name__ == "Satisfied"
    for action in reversed(actions):
        action.undo(world, action.observe(world))
        assert type(action.judge(action.observe(world))).__name__ == "Needed"
    bring_about(world, *actions)


def test_two_threads_of_writers_around_the_pooler_lose_nothing(
    arena: Callable[..., Arena],
) -> None:
    here = arena(16, 18)
    here.pair.blue.run("CREATE TABLE t (id bigserial PRIMARY KEY, w int, n int)")
    world = here.world()
    replicate(world)
    acknowledged: list[tuple[int, int]] = []
    refusals: list[str | None] = []

    def write(writer: int) -> None:
        with here.pair.blue.connect() as session:
            for n in range(100_000):
                try:
                    session.execute("INSERT INTO t (w, n) VALUES (%s, %s)", (writer, n))
                except psycopg.Error as error:
                    refusals.append(error.sqlstate)
                    return
                acknowledged.append((writer, n))

    threads = [threading.Thread(target=write, args=(w,)) for w in range(3)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(acknowledged) > 300, "writers to write")
    move(world, Side.GREEN)
    for thread in threads:
        thread.join()
    assert refusals == ["25006"] * 3
    rows = here.pair.green.rows("SELECT w, n FROM t")
    assert sorted(rows) == sorted(acknowledged)

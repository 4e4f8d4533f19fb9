"""The fence: nobody writes past it, nobody is hurt by closing it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest

from bluegreen.model.clock import SystemClock
from bluegreen.model.errors import BudgetError
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.identity import issue_pass, withdraw_pass
from bluegreen.postgres.database import Database
from bluegreen.postgres.fence.closer import Drain, FenceCloser
from bluegreen.postgres.fence.fence import (
    close_fence,
    create_fence,
    drop_fence,
    open_fence,
    read_fence,
)
from bluegreen.postgres.journal import own_schema
from tests.kit.databases import Database as Made
from tests.kit.wait import wait_until

DRAIN = Drain(timedelta(seconds=0.3), "abort", timedelta(seconds=3))
TABLES = (
    "CREATE TABLE plain (id int PRIMARY KEY, n int)",
    'CREATE SCHEMA "Odd Schema"',
    'CREATE TABLE "Odd Schema"."Odd ""Table" (id int)',
    "CREATE TABLE parts (id int, at date) PARTITION BY RANGE (at)",
    "CREATE TABLE parts_2026 PARTITION OF parts DEFAULT",
    "CREATE TABLE parent (id int)",
    "CREATE TABLE child () INHERITS (parent)",
    "INSERT INTO plain VALUES (1, 1)",
)
MERGE = """
    MERGE INTO plain USING (SELECT 5) s(i) ON id = i
    WHEN NOT MATCHED THEN INSERT VALUES (i, 0)
"""
WRITES = (
    "INSERT INTO plain VALUES (2, 2)",
    "UPDATE plain SET n = 3",
    "DELETE FROM plain",
    "TRUNCATE plain",
    "COPY plain (id) FROM PROGRAM 'echo 35'",
    MERGE,
    'INSERT INTO "Odd Schema"."Odd ""Table" VALUES (1)',
    "INSERT INTO parts VALUES (1, '2026-05-05')",
    "INSERT INTO parts_2026 VALUES (1, '2026-05-05')",
    "INSERT INTO child VALUES (1)",
)


@pytest.fixture
def side(database: Callable[[int], Made]) -> Iterator[tuple[Database, Made]]:
    made = database(16)
    made.run(*TABLES)
    blue = Database(Side.BLUE, made.conninfo())
    own_schema.build(blue, "fence")
    yield blue, made
    blue.close()


def refused(made: Made, statement: str) -> str | None:
    try:
        made.run(statement)
    except psycopg.Error as error:
        return error.sqlstate
    return None


def test_an_open_fence_lets_every_write_through(side: tuple[Database, Made]) -> None:
    blue, made = side
    assert create_fence(blue, closed="open", clock=SystemClock()) == 6
    assert [refused(made, w) for w in WRITES] == [None] * len(WRITES)
    assert read_fence(blue).is_open


def test_a_closed_fence_refuses_every_write_a_superuser_too(
    side: tuple[Database, Made],
) -> None:
    blue, made = side
    create_fence(blue, closed="closed", clock=SystemClock())
    assert read_fence(blue).is_closed
    assert [refused(made, w) for w in WRITES] == ["25006"] * len(WRITES)
    assert refused(made, "BEGIN READ WRITE; INSERT INTO plain VALUES (9, 9)") == "25006"
    assert made.value("SELECT count(*) FROM plain") == 1


def test_the_refusal_names_the_side_and_the_way_out(
    side: tuple[Database, Made],
) -> None:
    blue, made = side
    create_fence(blue, closed="closed", clock=SystemClock())
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction) as caught:
        made.run(WRITES[0])
    assert caught.value.diag.message_primary == (
        "public.plain refuses writes: this database is blue and does not serve now"
    )
    assert "bluegreen status" in str(caught.value.diag.message_hint)


def test_a_session_with_the_pass_writes_and_without_it_no_more(
    side: tuple[Database, Made],
) -> None:
    blue, made = side
    create_fence(blue, closed="closed", clock=SystemClock())
    token = issue_pass(blue).reveal()
    with made.connect() as session:
        session.execute("SELECT set_config('bluegreen.pass', %s, false)", (token,))
        session.execute("INSERT INTO plain VALUES (7, 7)")
        withdraw_pass(blue)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            session.execute("INSERT INTO plain VALUES (8, 8)")
    with made.connect() as session:
        session.execute("SELECT set_config('bluegreen.pass', 'guess', false)")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            session.execute("INSERT INTO plain VALUES (8, 8)")


def test_a_role_without_any_right_on_our_schema_gets_the_same_refusal(
    side: tuple[Database, Made],
) -> None:
    blue, made = side
    create_fence(blue, closed="closed", clock=SystemClock())
    made.run(
        "DO $$BEGIN CREATE ROLE fence_app LOGIN;"
        " EXCEPTION WHEN duplicate_object THEN NULL; END$$",
        "GRANT ALL ON plain TO fence_app",
    )
    with (
        psycopg.connect(made.conninfo("fence_app")) as session,
        pytest.raises(psycopg.errors.ReadOnlySqlTransaction),
    ):
        session.execute("INSERT INTO plain VALUES (5, 5)")


def test_the_apply_worker_is_not_stopped(side: tuple[Database, Made]) -> None:
    blue, made = side
    create_fence(blue, closed="closed", clock=SystemClock())
    with made.connect() as session:
        session.execute("SET session_replication_role = replica")
        session.execute("INSERT INTO plain VALUES (6, 6)")


def test_making_it_twice_keeps_its_state(side: tuple[Database, Made]) -> None:
    blue, _ = side
    create_fence(blue, closed="open", clock=SystemClock())
    close_fence(blue)
    assert create_fence(blue, closed="open", clock=SystemClock()) == 0
    assert read_fence(blue).is_closed
    open_fence(blue)
    open_fence(blue)
    assert read_fence(blue).is_open
    drop_fence(blue, SystemClock())
    assert read_fence(blue).missing == 6


def test_dropping_it_lets_no_writer_queue_and_says_who_stays(
    side: tuple[Database, Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Green serves while its fence is dropped at the end."""
    blue, made = side
    create_fence(blue, closed="open", clock=SystemClock())
    monkeypatch.setattr("bluegreen.postgres.fence.fence.MAKING_TRIES", 3)
    with made.connect() as holder, made.connect() as writer:
        holder.execute("BEGIN")
        holder.execute("INSERT INTO plain VALUES (61, 61)")
        pid = holder.info.backend_pid
        with ThreadPoolExecutor(1) as beside:
            dropped = beside.submit(drop_fence, blue, SystemClock())
            writer.execute("SET statement_timeout = '10s'")
            for number in range(70, 90):
                writer.execute("INSERT INTO plain VALUES (%s, 1)", (number,))
            with pytest.raises(BudgetError, match="could not be dropped") as caught:
                dropped.result(30)
        assert f"pid {pid}" in caught.value.seen
        holder.execute("ROLLBACK")
    drop_fence(blue, SystemClock())
    assert read_fence(blue).missing == 6


def test_a_new_table_shows_as_missing(side: tuple[Database, Made]) -> None:
    blue, made = side
    create_fence(blue, closed="closed", clock=SystemClock())
    made.run("CREATE TABLE late (id int)")
    facts = read_fence(blue)
    assert (facts.missing, facts.is_closed) == (1, False)


def test_closing_waits_for_a_writer_and_names_it_when_it_stays(
    side: tuple[Database, Made],
) -> None:
    blue, made = side
    create_fence(blue, closed="open", clock=SystemClock())
    with made.connect() as writer, FenceCloser(blue) as fence:
        writer.execute("BEGIN")
        writer.execute("UPDATE plain SET n = 4")
        with pytest.raises(BudgetError) as caught:
            fence.close_fence(DRAIN, SystemClock())
        assert f"pid {writer.info.backend_pid}" in caught.value.seen
        assert "UPDATE plain SET n = 4" in caught.value.seen
        writer.execute("COMMIT")
    open_fence(blue)
    assert read_fence(blue).is_open


def test_closing_ends_a_writer_where_the_rule_says_so(
    side: tuple[Database, Made],
) -> None:
    blue, made = side
    create_fence(blue, closed="open", clock=SystemClock())
    with made.connect() as writer, FenceCloser(blue) as fence:
        writer.execute("BEGIN")
        writer.execute("UPDATE plain SET n = 4")
        rule = Drain(DRAIN.wait, "terminate", DRAIN.budget)
        ended = fence.close_fence(rule, SystemClock())
        assert [one.pid for one in ended] == [writer.info.backend_pid]
        with pytest.raises(psycopg.OperationalError):
            writer.execute("COMMIT")
    assert read_fence(blue).is_closed
    assert made.value("SELECT n FROM plain") == 1


def test_a_prepared_transaction_holds_it_up_and_is_named(
    side: tuple[Database, Made],
) -> None:
    blue, made = side
    create_fence(blue, closed="open", clock=SystemClock())
    made.run("BEGIN; INSERT INTO plain VALUES (3, 3); PREPARE TRANSACTION 'held'")
    with FenceCloser(blue) as fence, pytest.raises(BudgetError) as caught:
        fence.close_fence(DRAIN, SystemClock())
    assert "a prepared transaction" in caught.value.seen
    made.run("COMMIT PREPARED 'held'")


def test_a_lock_on_a_table_holds_up_neither_opening_nor_closing(
    side: tuple[Database, Made],
) -> None:
    """SHARE UPDATE EXCLUSIVE is what a VACUUM by hand holds, for hours perhaps."""
    blue, made = side
    create_fence(blue, closed="closed", clock=SystemClock())
    with made.connect() as holder, FenceCloser(blue) as fence:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE plain IN SHARE UPDATE EXCLUSIVE MODE")
        fence.close_fence(DRAIN, SystemClock())
        assert read_fence(blue).is_closed
        open_fence(blue)
        assert read_fence(blue).is_open
        assert refused(made, WRITES[6]) is None


@pytest.mark.parametrize("name", ["ALL", "USER", "bluegreen_fence"])
def test_enabling_all_triggers_shuts_nothing(
    side: tuple[Database, Made], name: str
) -> None:
    """The idiom of bulk loads, on the side that serves."""
    blue, made = side
    create_fence(blue, closed="open", clock=SystemClock())
    made.run(
        f"ALTER TABLE plain DISABLE TRIGGER {name}",
        f"ALTER TABLE plain ENABLE TRIGGER {name}",
    )
    assert refused(made, WRITES[0]) is None
    assert read_fence(blue).is_open
    assert not read_fence(blue).touched


def test_a_trigger_that_was_off_for_a_while_shows(side: tuple[Database, Made]) -> None:
    blue, made = side
    create_fence(blue, closed="closed", clock=SystemClock())
    assert not read_fence(blue).touched
    made.run("ALTER TABLE plain DISABLE TRIGGER ALL")
    facts = read_fence(blue)
    assert (facts.off, facts.is_closed, facts.is_open) == (1, False, False)
    assert made.value("SELECT takes_writes FROM bluegreen.who_am_i()") is True
    made.run(WRITES[0], "ALTER TABLE plain ENABLE TRIGGER ALL", "VACUUM pg_trigger")
    facts = read_fence(blue)
    assert (facts.is_closed, list(facts.touched)) == (True, ["public.plain"])
    assert made.value("SELECT takes_writes FROM bluegreen.who_am_i()") is False
    close_fence(blue)
    assert not read_fence(blue).touched


def test_a_trigger_that_is_off_is_enabled_again(side: tuple[Database, Made]) -> None:
    blue, made = side
    create_fence(blue, closed="open", clock=SystemClock())
    made.run(
        "ALTER TABLE plain DISABLE TRIGGER ALL",
        "ALTER TABLE parent ENABLE REPLICA TRIGGER bluegreen_fence",
    )
    assert not read_fence(blue).is_made
    assert create_fence(blue, closed="open", clock=SystemClock()) == 2
    assert read_fence(blue).is_made


PARENTS = (
    "CREATE EXTENSION postgres_fdw",
    "CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS ({options})",
    "CREATE USER MAPPING FOR CURRENT_USER SERVER elsewhere OPTIONS ({user})",
    "CREATE FOREIGN TABLE far (id int) SERVER elsewhere",
    "CREATE TABLE near () INHERITS (far)",
    "CREATE TABLE theirs (id int)",
    "ALTER EXTENSION postgres_fdw ADD TABLE theirs",
    "CREATE TABLE ours () INHERITS (theirs)",
    "INSERT INTO near VALUES (1)",
    "INSERT INTO ours VALUES (1)",
)


@pytest.mark.parametrize("major", [14, 17])
def test_writes_through_any_parent_are_refused(
    database: Callable[[int], Made], major: int
) -> None:
    made = database(major)
    server = made.server
    options = f"host '{server.host}', port '{server.port}', dbname '{made.name}'"
    user = "user 'postgres', password_required 'false'"
    made.run(*(line.format(options=options, user=user) for line in PARENTS))
    blue = Database(Side.BLUE, made.conninfo())
    own_schema.build(blue, "fence")
    create_fence(blue, closed="closed", clock=SystemClock())
    assert read_fence(blue).is_closed
    ways = (
        "DELETE FROM far WHERE tableoid = 'near'::regclass",
        "UPDATE far SET id = 2 WHERE tableoid = 'near'::regclass",
        "DELETE FROM theirs",
        "INSERT INTO far VALUES (3)",
        "TRUNCATE theirs",
    )
    # Those of 18 and 16 that the tests have come without postgres_fdw.
    assert [refused(made, way) for way in ways] == ["25006"] * len(ways)
    blue.close()


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_snapshot_from_before_the_closing_is_no_way_past_it(
    side: tuple[Database, Made], level: str
) -> None:
    blue, made = side
    create_fence(blue, closed="open", clock=SystemClock())
    with made.connect() as old:
        old.execute(f"BEGIN ISOLATION LEVEL {level}".encode())
        old.execute("SELECT * FROM plain")
        close_fence(blue)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            old.execute("UPDATE plain SET n = 9")
        old.execute("ROLLBACK")
    open_fence(blue)
    assert refused(made, WRITES[0]) is None


def test_a_later_writer_waits_while_an_earlier_one_is_waited_for(
    side: tuple[Database, Made],
) -> None:
    """It is not refused: the closing may yet be given up."""
    blue, made = side
    create_fence(blue, closed="open", clock=SystemClock())
    closed: list[str] = []
    written: list[str | None] = []
    late = threading.Thread(
        target=lambda: written.append(refused(made, WRITES[0])), daemon=True
    )
    with made.connect() as writer, FenceCloser(blue) as fence:
        writer.execute("BEGIN")
        writer.execute("UPDATE plain SET n = 4")
        closing = threading.Thread(
            target=lambda: refused_to_close(fence, closed), daemon=True
        )
        closing.start()
        wait_until(lambda: waiting(made), "the closing to wait")
        late.start()
        closing.join()
        late.join()
        # A writer that has begun goes on writing all the while.
        writer.execute("UPDATE plain SET n = 5")
        writer.execute("COMMIT")
    # Which of the two threads comes first out of the closing is left to the machine.
    assert (closed, written) == (["5003"], [None])


def refused_to_close(fence: FenceCloser, outcomes: list[str]) -> None:
    try:
        fence.close_fence(DRAIN, SystemClock())
    except BudgetError as error:
        outcomes.append(str(error.code))


def waiting(made: Made) -> bool:
    return bool(
        made.rows(
            "SELECT FROM pg_locks WHERE NOT granted AND mode = 'ExclusiveLock'"
            " AND relation = 'bluegreen.gate'::regclass"
        )
    )


def test_a_schema_of_an_earlier_version_keeps_its_state(
    database: Callable[[int], Made],
) -> None:
    """There the triggers' own state was the fence."""
    for closed in (False, True):
        made = database(16)
        made.run(*TABLES)
        blue = Database(Side.BLUE, made.conninfo())
        own_schema.build(blue, "fence")
        create_fence(blue, closed="open", clock=SystemClock())
        made.run(
            "DROP TABLE bluegreen.fence, bluegreen.gate",
            "DROP SEQUENCE bluegreen.closed",
            "UPDATE bluegreen.identity SET version = 3",
        )
        if not closed:
            made.run(*(f"ALTER TABLE {t} DISABLE TRIGGER USER" for t in OLD))
        assert not own_schema.is_built(blue)
        assert read_fence(blue).is_closed is closed
        own_schema.build(blue, "fence")
        assert read_fence(blue).is_open is not closed
        create_fence(blue, closed="closed" if closed else "open", clock=SystemClock())
        assert read_fence(blue).is_closed is closed
        assert refused(made, WRITES[0]) == ("25006" if closed else None)
        blue.close()


OLD = (
    "plain",
    "parts",
    "parts_2026",
    "ONLY parent",
    "child",
    '"Odd Schema"."Odd ""Table"',
)


def test_an_open_read_does_not_hold_it_up(side: tuple[Database, Made]) -> None:
    blue, made = side
    create_fence(blue, closed="open", clock=SystemClock())
    with made.connect() as reader, FenceCloser(blue) as fence:
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT * FROM plain, parts")
        assert fence.close_fence(DRAIN, SystemClock()) == []
    assert read_fence(blue).is_closed


def test_writers_in_any_table_order_are_never_deadlocked(
    side: tuple[Database, Made],
) -> None:
    blue, made = side
    made.run(*(f"CREATE TABLE w{n} (id int)" for n in range(6)))
    create_fence(blue, closed="open", clock=SystemClock())
    stop, states, counts = threading.Event(), [], []

    def write(order: list[int]) -> None:
        done = 0
        with made.connect() as session:
            while not stop.is_set():
                try:
                    with session.transaction():
                        for n in order:
                            session.execute(f"INSERT INTO w{n} VALUES (1)".encode())
                    done += 1
                except psycopg.Error as error:
                    states.append(error.sqlstate)
                    break
        counts.append(done)

    orders = [list(range(6)), list(range(5, -1, -1)), [3, 1, 5, 0, 4, 2], [2, 4, 0, 5]]
    threads = [threading.Thread(target=write, args=(order,)) for order in orders]
    for thread in threads:
        thread.start()
    wait_until(
        lambda: made.value("SELECT count(*) FROM w4") > 200,  # type: ignore[operator]
        "the writers to write",
    )
    with FenceCloser(blue) as fence:
        generous = Drain(timedelta(seconds=20), "abort", timedelta(seconds=20))
        fence.close_fence(generous, SystemClock())
    rows = made.value("SELECT count(*) FROM w0")
    stop.set()
    for thread in threads:
        thread.join()
    assert states == ["25006"] * len(states)
    assert made.value("SELECT count(*) FROM w0") == rows

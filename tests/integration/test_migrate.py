"""Migrations on a real green: whole or not at all, and going on after a kill."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bluegreen.model.errors import PlaybookRefused, StepError
from bluegreen.model.progress import Progress
from bluegreen.model.record import Kind
from bluegreen.model.verdict import Needed, Refused
from bluegreen.postgres.replication.stream import read_subscription
from bluegreen.postgres.schema.applied import read_applied
from bluegreen.steps.contract import Action, Result
from bluegreen.steps.migrate import ApplyMigrations, Migrate
from bluegreen.steps.world import World
from tests.kit.databases import DatabasePair
from tests.kit.steps import carry_out, look, open_world, replicate
from tests.kit.wait import wait_until

ORDERS = "CREATE TABLE orders (id int PRIMARY KEY, note text)"


@pytest.fixture
def pair(database_pair: Callable[[int, int], DatabasePair]) -> DatabasePair:
    made = database_pair(16, 18)
    for side in (made.blue, made.green):
        side.run(ORDERS, "INSERT INTO orders VALUES (1, 'one'), (2, 'two')")
    return made


@pytest.fixture
def world(pair: DatabasePair, tmp_path: Path) -> Iterator[World]:
    with open_world(pair, tmp_path) as made:
        yield made


def write(world: World, name: str, text: str) -> None:
    (world.home / "m").mkdir(exist_ok=True)
    (world.home / "m" / name).write_text(text)


def migrate(**words: Any) -> Action[Any]:
    """The action that applies the files."""
    actions = Migrate(files=("m/*.sql",), **words).actions()
    return next(one for one in actions if isinstance(one, ApplyMigrations))


def run_step(world: World) -> dict[str, Result]:
    """The whole step as the engine runs it; what each act gave, by action."""
    results = {}
    for action in Migrate(files=("m/*.sql",)).actions():
        if isinstance(look(action, world), Needed):
            results[action.name()] = carry_out(action, world)
    return results


class Killed(BaseException):
    """Stands for kill -9: nothing of ours runs behind it but what a kill allows."""


def test_files_run_in_order_and_only_once(pair: DatabasePair, world: World) -> None:
    write(world, "2_b.sql", "ALTER TABLE orders ADD b int DEFAULT 7;")
    write(world, "10_c.sql", "UPDATE orders SET b = b + 1;")
    result = carry_out(migrate(), world)
    assert [m["migration"] for m in result["migrations"]] == ["m/2_b.sql", "m/10_c.sql"]
    assert pair.green.rows("SELECT DISTINCT b FROM orders") == [(8,)]
    notes = [r.body for r in world.journal.records() if r.kind is Kind.NOTE]
    assert [note["migration"] for note in notes] == ["m/2_b.sql", "m/10_c.sql"]
    write(world, "11_d.sql", "UPDATE orders SET b = b + 1")
    assert look(migrate(), world) == Needed("1 to apply: m/11_d.sql")
    carry_out(migrate(), world)
    assert pair.green.rows("SELECT DISTINCT b FROM orders") == [(9,)]


def test_locks_and_time_are_told(world: World) -> None:
    told: list[Progress] = []
    world = dataclasses.replace(world, tell=told.append)
    write(
        world,
        "1.sql",
        "CREATE TABLE fresh (id int);\nCREATE INDEX ON orders (note);\n"
        "ALTER TABLE orders ADD x int;\nSELECT count(*) FROM orders;",
    )
    result = carry_out(migrate(), world)
    [one] = result["migrations"]
    locks = [statement["locks"] for statement in one["statements"]]
    # The new index hides with its transaction; the new table stops nobody.
    assert locks == [
        {},
        {"public.orders": "ShareLock"},
        {"public.orders": "AccessExclusiveLock"},
        {},
    ]
    assert [p.values["place"] for p in told if p.what == "statement_run"] == [
        f"m/1.sql:{line}" for line in (1, 2, 3, 4)
    ]


def test_a_failure_rolls_the_file_back_and_says_where(
    pair: DatabasePair, world: World
) -> None:
    write(world, "1.sql", "ALTER TABLE orders ADD a int;")
    write(
        world,
        "2.sql",
        "-- a comment; with a semicolon\nALTER TABLE orders ADD b int;\n"
        "UPDATE orders\n  SET b = 1,\n  nope = 2;\n",
    )
    with pytest.raises(StepError) as caught:
        migrate().act(world, migrate().observe(world))
    assert str(caught.value) == (
        "error BG-4004: a migration failed at m/2.sql:5\n"
        '  seen:    column "nope" of relation "orders" does not exist'
        " (SQLSTATE 42703)\n"
        "  wanted:  every statement of the file done\n"
        "  traffic: blue serves and nothing has moved; on green the whole file was"
        " rolled back\n"
        "  hint:    fix the statement and run again"
    )
    assert pair.green.rows("SELECT * FROM orders ORDER BY id") == [
        (1, "one", None),
        (2, "two", None),
    ]
    write(world, "2.sql", "ALTER TABLE orders ADD b int;")
    carry_out(migrate(), world)


def test_a_lock_that_is_held_ends_the_wait(pair: DatabasePair, world: World) -> None:
    write(world, "1.sql", "ALTER TABLE orders ADD a int;")
    with pair.green.connect() as other, other.transaction():
        other.execute("SELECT FROM orders")
        action = migrate(lock_timeout="100ms")
        with pytest.raises(StepError) as caught:
            action.act(world, action.observe(world))
    assert "55P03" in caught.value.seen
    assert "raise `lock_timeout`" in caught.value.hint


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ({"1.sql": "SELECT 1"}, {"1.sql": "SELECT 2"}, "was changed after"),
        ({"2.sql": "SELECT 1"}, {"1.sql": "SELECT 2"}, "stands before"),
        ({"1.sql": "SELECT 1"}, {"1.sql": None, "2.sql": "SELECT"}, "not among"),
    ],
    ids=["changed", "inserted", "gone"],
)
def test_a_history_that_does_not_fit_is_refused(
    before: dict[str, str], after: dict[str, str | None], words: str, world: World
) -> None:
    for name, text in before.items():
        write(world, name, str(text))
    carry_out(migrate(), world)
    for name, text in after.items():
        if text is None:
            (world.home / "m" / name).unlink()
        else:
            write(world, name, text)
    verdict = look(migrate(), world)
    assert isinstance(verdict, Refused)
    assert verdict.code == 4004
    assert words in verdict.why
    assert verdict.hint


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("SELECT 1;\n\\d orders\n", 2),
        ("SELECT 1;\nSELEC 2;\n", 2),
        ("COPY orders FROM stdin;\n1\tx\n\\.\n", 2),
        ("SELECT 1;\nBEGIN;\nSELECT 2;\n", 2),
    ],
    ids=["psql", "syntax", "copy data", "open transaction"],
)
def test_what_is_no_plain_sql_is_refused_before_anything_runs(
    text: str, line: int, world: World
) -> None:
    write(world, "1.sql", "CREATE TABLE never (a int)")
    write(world, "2.sql", text)
    with pytest.raises(PlaybookRefused) as caught:
        look(migrate(), world)
    assert caught.value.seen.startswith(f"m/2.sql:{line}: ")


def test_no_file_is_refused(world: World) -> None:
    with pytest.raises(PlaybookRefused) as caught:
        look(migrate(), world)
    assert "'m/*.sql'" in caught.value.seen


def test_search_path_and_time_zone_are_those_of_the_database(
    pair: DatabasePair, world: World
) -> None:
    pair.green.run(
        "CREATE SCHEMA app",
        f"ALTER DATABASE {pair.green.name} SET search_path = app, public",
        f"ALTER DATABASE {pair.green.name} SET TimeZone = 'Asia/Kolkata'",
    )
    write(
        world,
        "1.sql",
        "CREATE TABLE here AS SELECT current_setting('TimeZone') AS zone,"
        " '2024-01-01 00:00'::timestamptz AS at",
    )
    carry_out(migrate(), world)
    assert pair.green.value(
        "SELECT zone || ' ' || (at AT TIME ZONE 'UTC')::text FROM app.here"
    ) == ("Asia/Kolkata 2023-12-31 18:30:00")


def test_a_role_named_like_our_schema_does_not_write_into_it(
    pair: DatabasePair, world: World
) -> None:
    pair.green.run('SET search_path = public; CREATE TABLE "$user" (a int)')
    pair.green.run(
        f"ALTER DATABASE {pair.green.name} SET search_path = bluegreen, public"
    )
    write(world, "1.sql", "CREATE TABLE stray (a int)")
    carry_out(migrate(), world)
    assert pair.green.value("SELECT to_regclass('public.stray') IS NOT NULL")


def test_the_fence_of_green_lets_migrations_pass_and_nobody_else(
    pair: DatabasePair, world: World
) -> None:
    pair.green.run(
        "CREATE TRIGGER bluegreen_fence BEFORE INSERT OR UPDATE OR DELETE ON orders"
        " EXECUTE FUNCTION bluegreen.refuse_write()"
    )
    write(world, "1.sql", "UPDATE orders SET note = 'migrated'")
    carry_out(migrate(), world)
    assert pair.green.rows("SELECT DISTINCT note FROM orders") == [("migrated",)]
    assert pair.green.value("SELECT pass IS NULL FROM bluegreen.identity")


def test_a_file_that_changes_the_role_is_still_remembered(
    pair: DatabasePair, world: World
) -> None:
    role = f"owner_{pair.green.name}"
    pair.green.run(f"CREATE ROLE {role}", f"GRANT ALL ON SCHEMA public TO {role}")
    write(world, "1.sql", f"SET ROLE {role}; CREATE TABLE theirs (a int);")
    write(
        world,
        "2.sql",
        f"SET SESSION AUTHORIZATION {role}; BEGIN; CREATE TABLE more (a int); COMMIT;"
        "CREATE INDEX CONCURRENTLY i ON more (a); CREATE TABLE third (a int)",
    )
    carry_out(migrate(), world)
    owners = pair.green.rows(
        "SELECT DISTINCT tableowner FROM pg_tables"
        " WHERE tablename IN ('theirs', 'more', 'third')"
    )
    assert owners == [(role,)]
    pair.green.run(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


@pytest.mark.parametrize(
    "text",
    [
        "BEGIN;\n{}\nCOMMIT;\n",
        "SET LOCAL lock_timeout = '5s';\n{}\n",
        "{}\n",
    ],
    ids=["own", "behind-set", "ours"],
)
def test_a_file_may_choose_the_isolation_of_its_transaction(
    text: str, pair: DatabasePair, world: World
) -> None:
    """Refused (25001) as soon as any query went before it, one of ours too."""
    chosen = (
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;\n"
        "CREATE TABLE seen AS SELECT current_setting('transaction_isolation') AS level;"
    )
    write(world, "1.sql", text.format(chosen))
    carry_out(migrate(), world)
    assert pair.green.value("SELECT level FROM seen") == "repeatable read"


APART = """
SET search_path = app;
CREATE TABLE one (a int);
BEGIN;
CREATE TABLE two (a int);
CREATE TABLE three (a int);
COMMIT;
CREATE INDEX CONCURRENTLY one_a ON one (a);
VACUUM one;
ALTER TABLE one ADD b int;
"""


@pytest.mark.sampled(3)
@pytest.mark.parametrize("stop_at", range(1, 10))
def test_a_kill_at_any_statement_is_gone_on_from(
    stop_at: int, pair: DatabasePair, world: World
) -> None:
    """The tool dies right after a statement, before anything is remembered of it."""
    pair.green.run("CREATE SCHEMA app")
    write(world, "1.sql", APART)

    def die(progress: Progress) -> None:
        if progress.what == "statement_run" and progress.done == stop_at:
            raise Killed

    dying = dataclasses.replace(world, tell=die)
    with pytest.raises(Killed):
        migrate().act(dying, migrate().observe(dying))
    assert isinstance(look(migrate(), world), Needed)
    carry_out(migrate(), world)
    assert pair.green.value(
        "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
        " WHERE nspname = 'app' AND relname IN ('one', 'two', 'three', 'one_a')"
    ) == (4)
    assert pair.green.value(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = 'app.one_a'::regclass"
    )
    [row] = read_applied(world.green)
    assert row.finished
    assert row.done == 9


def test_a_failed_concurrent_build_is_cleared_away_and_built_again(
    pair: DatabasePair, world: World
) -> None:
    pair.green.run("UPDATE orders SET note = 'same'")
    write(
        world,
        "1.sql",
        "ALTER TABLE orders ADD a int;\n"
        "CREATE UNIQUE INDEX CONCURRENTLY orders_note ON orders (note);",
    )
    with pytest.raises(StepError) as caught:
        migrate().act(world, migrate().observe(world))
    assert "m/1.sql:2" in caught.value.problem
    assert "statements 1 to 1 of this file are done and stay" in caught.value.traffic
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'orders_note'::regclass"
    assert pair.green.value(valid) is False
    pair.green.run("UPDATE orders SET note = id::text")
    carry_out(migrate(), world)
    assert pair.green.value(valid) is True


def test_a_half_applied_file_may_be_mended_behind_what_is_done(world: World) -> None:
    first = "CREATE INDEX CONCURRENTLY orders_note ON orders (note);\n"
    write(world, "1.sql", first + "ALTER TABLE nope ADD a int;")
    with pytest.raises(StepError):
        migrate().act(world, migrate().observe(world))
    write(world, "1.sql", first.replace("note)", "id)") + "SELECT 1;")
    assert isinstance(look(migrate(), world), Refused)
    write(world, "1.sql", first + "ALTER TABLE orders ADD a int;")
    carry_out(migrate(), world)


def test_a_new_enum_label_may_be_used_in_the_same_file(
    pair: DatabasePair, world: World
) -> None:
    pair.green.run("CREATE TYPE mood AS ENUM ('sad')", "CREATE TABLE p (m mood)")
    write(
        world,
        "1.sql",
        "ALTER TYPE mood ADD VALUE 'glad';\nINSERT INTO p VALUES ('glad');",
    )
    carry_out(migrate(), world)
    assert pair.green.rows("SELECT m::text FROM p") == [("glad",)]


def test_the_stream_stops_for_ddl_and_feeds_replaced_tables_again(
    pair: DatabasePair, world: World
) -> None:
    pair.green.run("TRUNCATE orders")
    name = replicate(pair, world, "orders")
    write(
        world,
        "1.sql",
        "CREATE TABLE swap (LIKE orders INCLUDING ALL);"
        "INSERT INTO swap SELECT * FROM orders; DROP TABLE orders;"
        "ALTER TABLE swap RENAME TO orders;",
    )
    seen: list[object] = []

    def write_meanwhile(_: Progress) -> None:
        facts = read_subscription(world.green, name)
        seen.append(facts and facts.enabled)
        key = len(seen) + 100
        pair.blue.run(f"INSERT INTO orders VALUES ({key}, 'meanwhile')")

    results = run_step(dataclasses.replace(world, tell=write_meanwhile))
    assert seen == [False] * 4
    assert results["start_stream"]["replaced"] == ["public.orders"]
    pair.blue.run("INSERT INTO orders VALUES (200, 'after')")
    wait_until(
        lambda: pair.green.value("SELECT count(*) FROM orders") == 7,
        "all rows written on blue during and after the swap to be on green",
    )


def test_a_stream_that_a_kill_left_stopped_is_started(
    pair: DatabasePair, world: World
) -> None:
    pair.green.run("TRUNCATE orders")
    name = replicate(pair, world, "orders")
    write(world, "1.sql", "ALTER TABLE orders ADD a int;")
    world.journal.append(
        Kind.NOTE,
        action="migrate/stop_stream",
        body={"stream": "stopped", "tables": [["public", "orders"]]},
    )
    pair.green.run(f"ALTER SUBSCRIPTION {name} DISABLE")
    assert list(run_step(world)) == ["apply_migrations", "start_stream"]
    assert is_enabled(world, name)
    assert run_step(world) == {}


def test_a_migration_that_fails_lets_the_stream_go_on(
    pair: DatabasePair, world: World
) -> None:
    pair.green.run("TRUNCATE orders")
    name = replicate(pair, world, "orders")
    write(world, "1.sql", "ALTER TABLE orders ADD a int;")
    write(world, "2.sql", "ALTER TABLE nothing ADD a int;")
    with pytest.raises(StepError):
        run_step(world)
    assert is_enabled(world, name)
    write(world, "2.sql", "ALTER TABLE orders ADD b int;")
    assert list(run_step(world)) == ["stop_stream", "apply_migrations", "start_stream"]
    assert is_enabled(world, name)


def is_enabled(world: World, name: str) -> bool:
    facts = read_subscription(world.green, name)
    return facts is not None and facts.enabled

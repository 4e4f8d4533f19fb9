"""What makes a change compatible, action by action, on real servers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bluegreen.model.errors import BudgetError, StepError
from bluegreen.model.record import Kind
from bluegreen.model.verdict import Needed, NotYet, Refused, Satisfied
from bluegreen.postgres.replication.publication import PublishedTable, read_publication
from bluegreen.postgres.replication.stream import read_subscription
from bluegreen.postgres.schema.expansion import run_on_blue
from bluegreen.steps.decommission import Decommission
from bluegreen.steps.migrate import Migrate
from bluegreen.steps.schema_change.contract import RemoveHelpers, RunContract
from bluegreen.steps.world import World
from tests.kit.databases import DatabasePair
from tests.kit.steps import carry_out, look, open_world, replicate

ORDERS = "CREATE TABLE orders (id int PRIMARY KEY, note text, total int)"


class Killed(BaseException):
    """Stands for kill -9: nothing of ours runs behind it."""


@pytest.fixture
def pair(database_pair: Callable[[int, int], DatabasePair]) -> DatabasePair:
    made = database_pair(16, 18)
    for side in (made.blue, made.green):
        side.run(ORDERS)
    made.blue.run(
        "INSERT INTO orders SELECT n, 'n' || n, n FROM generate_series(1, 9) n"
    )
    return made


@pytest.fixture
def world(pair: DatabasePair, tmp_path: Path) -> Iterator[World]:
    with open_world(pair, tmp_path) as made:
        yield made


def write(world: World, name: str, text: str) -> None:
    path = world.home / "m" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def step(**words: Any) -> Migrate:
    return Migrate.model_validate({"files": ("m/*.sql",), **words})


def action(name: str, **words: Any) -> Any:
    return next(one for one in step(**words).actions() if one.name() == name)


def run_step(world: World, **words: Any) -> list[str]:
    """The whole step as the engine runs it; the actions that had to act."""
    acted = []
    for one in step(**words).actions():
        if isinstance(look(one, world), Needed):
            carry_out(one, world)
            acted.append(one.name())
    return acted


class TestLeavingOut:
    def test_green_has_passed_the_edit_before_the_column_goes(
        self, pair: DatabasePair, world: World
    ) -> None:
        name = replicate(pair, world, "orders")
        write(world, "1.sql", "ALTER TABLE orders DROP COLUMN note;")
        leave_out = action("leave_out")
        carry_out(leave_out, world)
        assert read_publication(world.blue, name) == (
            PublishedTable("bluegreen", "marker"),
            PublishedTable("public", "orders", ("id", "total")),
        )
        assert isinstance(look(leave_out, world), Satisfied)
        pair.blue.run("UPDATE orders SET note = 'later', total = 0")
        run_step(world)
        facts = read_subscription(world.green, name)
        assert facts is not None
        assert facts.errors == 0

    def test_a_kill_before_green_has_passed_is_made_good(
        self, pair: DatabasePair, world: World
    ) -> None:
        replicate(pair, world, "orders")
        write(world, "1.sql", "ALTER TABLE orders DROP COLUMN note;")
        leave_out = action("leave_out")

        def die(point: str) -> None:
            if point.endswith("/edited"):
                raise Killed

        dying = dataclasses.replace(world, point=die)
        world.journal.append(Kind.INTENT, action=leave_out.id)
        with pytest.raises(Killed):
            leave_out.act(dying, leave_out.observe(dying))
        assert look(leave_out, world) == Needed(
            "green was not seen to have passed the edit"
        )
        carry_out(leave_out, world)

    def test_a_column_of_the_key_cannot_be_left_out(
        self, pair: DatabasePair, world: World
    ) -> None:
        replicate(pair, world, "orders")
        write(world, "1.sql", "ALTER TABLE orders DROP COLUMN id;")
        verdict = look(action("leave_out"), world)
        assert isinstance(verdict, Refused)
        assert verdict.seen == "public.orders.id: it belongs to the key"


class TestExpandingBlue:
    def test_every_change_is_told_before_it_is_made(
        self, pair: DatabasePair, world: World
    ) -> None:
        pair.green.run(
            "ALTER TABLE orders ADD n int, ALTER note TYPE varchar",
            "CREATE TABLE fresh (id int PRIMARY KEY, t text NOT NULL)",
        )
        names = ("public.orders.n", "public.orders.note", "public.fresh")
        write(world, "1.sql", "SELECT 1;")
        run_step(world)
        one = action("expand_blue", expand_blue=names)
        carry_out(one, world)
        notes = [r for r in world.journal.records() if "expanded" in r.body]
        assert [n.body["expanded"][0]["kind"] for n in notes] == [
            "column",
            "type",
            "table",
        ]
        pair.blue.run("INSERT INTO fresh (id) VALUES (1)")
        one.undo(world, one.observe(world))
        assert pair.blue.value("SELECT to_regclass('fresh') IS NULL")
        assert pair.blue.value(
            "SELECT count(*) = 3 FROM information_schema.columns"
            " WHERE table_name = 'orders'"
        )

    def test_an_enum_that_blue_lacks_comes_once_and_before_what_needs_it(
        self, pair: DatabasePair, world: World
    ) -> None:
        pair.green.run(
            "CREATE TYPE \"Mood\" AS ENUM ('sad', 'it''s')",
            'ALTER TABLE orders ADD mood "Mood"',
            'CREATE TABLE fresh (id int PRIMARY KEY, moods "Mood"[])',
        )
        write(world, "1.sql", "SELECT 1;")
        run_step(world)
        one = action("expand_blue", expand_blue=("public.orders.mood", "public.fresh"))
        carry_out(one, world)
        told = "SELECT enum_range(NULL::\"Mood\")::text[] = '{sad,it''s}'"
        assert pair.blue.value(told)
        assert isinstance(look(one, world), Satisfied)
        pair.blue.run("INSERT INTO fresh (id, moods) VALUES (1, '{sad}')")
        one.undo(world, one.observe(world))
        assert pair.blue.value("SELECT to_regtype('\"Mood\"') IS NULL")

    @pytest.mark.parametrize(
        ("change", "name", "words"),
        [
            ("ALTER TABLE orders ALTER total TYPE bigint", "total", "type-change-rewr"),
            ("ALTER TABLE orders ADD c text", "nothing", "neither side"),
        ],
    )
    def test_what_holds_up_clients_or_means_nothing_is_refused(
        self, change: str, name: str, words: str, pair: DatabasePair, world: World
    ) -> None:
        pair.blue.run(
            "INSERT INTO orders SELECT n FROM generate_series(10, 20000) n", "ANALYZE"
        )
        pair.green.run(change)
        write(world, "1.sql", "SELECT 1;")
        run_step(world)
        verdict = look(
            action("expand_blue", expand_blue=(f"public.orders.{name}",)), world
        )
        assert isinstance(verdict, Refused)
        assert verdict.code == 2009
        assert words in verdict.seen

    def test_a_check_that_would_be_read_over_is_refused(
        self, pair: DatabasePair, world: World
    ) -> None:
        pair.blue.run(
            "ALTER TABLE orders ALTER note TYPE varchar(9),"
            " ADD CHECK (note IS NOT NULL OR total IS NULL)",
            "INSERT INTO orders SELECT n FROM generate_series(10, 20000) n",
            "ANALYZE",
        )
        write(world, "1.sql", "SELECT 1;")
        run_step(world)
        verdict = look(
            action("expand_blue", expand_blue=("public.orders.note",)), world
        )
        assert isinstance(verdict, Refused)
        assert "is tested on every row" in verdict.seen

    def test_it_gives_way_to_a_long_transaction(
        self, pair: DatabasePair, world: World
    ) -> None:
        statement = "ALTER TABLE public.orders ADD COLUMN n integer"
        with pair.blue.connect() as other, other.transaction():
            other.execute("SELECT FROM orders")
            with pytest.raises(BudgetError) as caught:
                run_on_blue(world.blue, statement, world.clock, tries=2)
        assert str(caught.value) == (
            "error BG-5002: a lock on blue was never free\n"
            "  seen:    ALTER TABLE public.orders ADD COLUMN n integer\n"
            "           waited 200ms for it 2 times\n"
            "  wanted:  a moment without a long transaction on the table\n"
            "  traffic: blue serves and nothing has moved\n"
            "  hint:    end the long transaction (see pg_stat_activity), then run again"
        )
        assert run_on_blue(world.blue, statement, world.clock) == 1


class TestMapping:
    NAMES = {  # noqa: RUF012
        "public.orders.cents": {
            "type": "bigint",
            "forward": "total * 100",
            "reverse": "(cents / 100)::int",
        }
    }

    def test_each_shape_follows_the_other(
        self, pair: DatabasePair, world: World
    ) -> None:
        replicate(pair, world, "orders")
        write(world, "1.sql", "SELECT 1;")
        acted = run_step(world, mapping=self.NAMES)
        assert acted[-3:] == ["create_mapping", "start_stream", "backfill_mapping"]
        assert pair.green.value("SELECT bool_and(cents = total * 100) FROM orders")
        pair.green.run(
            "INSERT INTO orders (id, cents) VALUES (20, 700)",
            "INSERT INTO orders (id, total) VALUES (21, 8)",
            "UPDATE orders SET cents = 900 WHERE id = 1",
            "UPDATE orders SET total = 10 WHERE id = 2",
            "UPDATE orders SET note = 'x' WHERE id = 3",
        )
        assert pair.green.rows(
            "SELECT id, total, cents FROM orders WHERE id IN (1, 2, 3, 20, 21)"
            " ORDER BY id"
        ) == [(1, 9, 900), (2, 10, 1000), (3, 3, 300), (20, 7, 700), (21, 8, 800)]
        assert run_step(world, mapping=self.NAMES) == []

    def test_a_changed_rule_is_put_in_and_filled_anew(
        self, pair: DatabasePair, world: World
    ) -> None:
        replicate(pair, world, "orders")
        write(world, "1.sql", "SELECT 1;")
        run_step(world, mapping=self.NAMES)
        other = {"public.orders.cents": {"forward": "total * 1000"}}
        acted = run_step(world, mapping=other)
        assert acted == ["create_mapping", "backfill_mapping"]
        assert pair.green.value("SELECT bool_and(cents = total * 1000) FROM orders")

    @pytest.mark.parametrize(
        ("forward", "words"),
        [
            ("nowhere + 1", "public.orders has no column nowhere"),
            ("nothing_of_the_kind(total)", "does not exist"),
        ],
    )
    def test_what_does_not_fit_is_said_and_the_stream_goes_on(
        self, forward: str, words: str, pair: DatabasePair, world: World
    ) -> None:
        name = replicate(pair, world, "orders")
        write(world, "1.sql", "SELECT 1;")
        rule = {"public.orders.cents": {"type": "bigint", "forward": forward}}
        with pytest.raises(StepError) as caught:
            run_step(world, mapping=rule)
        assert caught.value.problem == "a mapping does not fit green's tables"
        assert words in caught.value.seen
        facts = read_subscription(world.green, name)
        assert facts is not None
        assert facts.enabled

    def test_columns_that_it_filled_may_be_null_at_the_end(
        self, pair: DatabasePair, world: World
    ) -> None:
        replicate(pair, world, "orders")
        write(world, "1.sql", "ALTER TABLE orders ALTER total SET NOT NULL;")
        run_step(world, mapping=self.NAMES)
        removing = RemoveHelpers("end")
        assert isinstance(look(removing, world), NotYet)
        world.journal.append(Kind.RELEASED)
        carry_out(removing, world)
        pair.green.run("INSERT INTO orders (id, cents) VALUES (30, 1)")
        assert pair.green.value(
            "SELECT count(*) = 0 FROM pg_proc p JOIN pg_namespace n"
            " ON n.oid = pronamespace WHERE nspname = 'bluegreen'"
            " AND proname LIKE 'map\\_%'"
        )


class TestContract:
    def test_it_runs_after_the_release_once_and_in_order(
        self, pair: DatabasePair, world: World
    ) -> None:
        write(world, "1.sql", "ALTER TABLE orders ADD a int;")
        write(
            world,
            "2.sql",
            "ALTER TABLE orders ADD b int;\n-- bluegreen: contract\n"
            "ALTER TABLE orders DROP COLUMN note;\n",
        )
        write(world, "later/3.sql", "ALTER TABLE orders RENAME b TO c;")
        run_step(world, contract=("m/later/*.sql",))
        running = RunContract("end")
        assert isinstance(look(running, world), NotYet)
        columns = (
            "SELECT string_agg(attname::text, ',' ORDER BY attnum) FROM pg_attribute"
            " WHERE attrelid = 'orders'::regclass AND attnum > 0 AND NOT attisdropped"
        )
        assert pair.green.value(columns) == "id,note,total,a,b"
        world.journal.append(Kind.RELEASED)
        result = carry_out(running, world)
        assert [one["contract"] for one in result["files"]] == [
            "m/2.sql (contract)",
            "m/later/3.sql (contract)",
        ]
        assert pair.green.value(columns) == "id,total,a,c"
        assert look(running, world) == Satisfied("2 files have run")

    @pytest.mark.parametrize("stop_at", [1, 2])
    def test_a_kill_between_its_statements_is_gone_on_from(
        self, stop_at: int, pair: DatabasePair, world: World
    ) -> None:
        write(
            world,
            "1.sql",
            "-- bluegreen: contract\nCREATE INDEX CONCURRENTLY once ON orders (note);\n"
            "CREATE TABLE at_last (id int);\n",
        )
        run_step(world)
        world.journal.append(Kind.RELEASED)
        running = RunContract("end")

        def die(progress: Any) -> None:
            if progress.what == "statement_run" and progress.done == stop_at:
                raise Killed

        dying = dataclasses.replace(world, tell=die)
        with pytest.raises(Killed):
            running.act(dying, running.observe(dying))
        carry_out(running, world)
        assert pair.green.value("SELECT to_regclass('at_last') IS NOT NULL")

    def test_a_file_that_waits_may_be_mended_while_it_does(self, world: World) -> None:
        write(world, "1.sql", "SELECT 1;\n-- bluegreen: contract\nSELECT 2;\n")
        run_step(world)
        write(world, "1.sql", "SELECT 1;\n-- bluegreen: contract\nSELECT 3;\n")
        assert isinstance(look(action("apply_migrations"), world), Satisfied)
        write(world, "1.sql", "SELECT 0;\n-- bluegreen: contract\nSELECT 3;\n")
        verdict = look(action("apply_migrations"), world)
        assert isinstance(verdict, Refused)
        assert "was changed after" in verdict.why

    def test_a_pattern_that_names_it_too_does_not_run_it_early(
        self, pair: DatabasePair, world: World
    ) -> None:
        write(world, "1.sql", "SELECT 1;")
        write(world, "later/2.sql", "DROP TABLE orders;")
        words: dict[str, Any] = {"files": ("m/**/*.sql",), "contract": ("m/later/*",)}
        run_step(world, **words)
        assert pair.green.value("SELECT to_regclass('orders') IS NOT NULL")

    def test_without_anything_deferred_the_end_has_nothing_to_run(
        self, world: World
    ) -> None:
        for one in Decommission().actions():
            if isinstance(one, RunContract | RemoveHelpers):
                assert isinstance(look(one, world), Satisfied)

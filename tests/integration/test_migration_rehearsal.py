"""Migrations are tried on blue's schema before anything is copied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from bluegreen.model.accept import Accepted
from bluegreen.model.finding import Finding
from bluegreen.model.record import Kind
from bluegreen.model.verdict import Needed, Refused, Satisfied
from bluegreen.steps.check import find
from bluegreen.steps.compatibility.order import judge_of
from bluegreen.steps.migrate import Migrate
from bluegreen.steps.preflight.refusal import Findings
from bluegreen.steps.rehearsal import RehearseSchema
from bluegreen.steps.rehearse import Rehearser
from bluegreen.steps.rehearsed import Plans
from tests.kit.databases import DatabasePair
from tests.kit.steps import carry_out, look, open_world

BASE = """
    CREATE SCHEMA shop;
    CREATE TABLE shop.orders (id int PRIMARY KEY, note text);
    CREATE VIEW shop.notes AS SELECT note FROM shop.orders;
    CREATE SEQUENCE shop.numbers;
    CREATE TYPE shop.state AS ENUM ('new');
"""


class Case(NamedTuple):
    """Files, and where which of them are refused."""

    name: str
    files: tuple[str, ...]
    refused: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()


CASES = (
    Case(
        "all at once, over files",
        (
            (
                "ALTER TABLE shop.orders ADD COLUMN a int;\n"
                "ALTER TABLE shop.orders\n  ALTER COLUMN b SET NOT NULL;\n"
                "CREATE INDEX i ON shop.orders (a);\n"
            ),
            (
                "CREATE TABLE shop.more (id int PRIMARY KEY, x numeric(2000));\n"
                "ALTER TABLE shop.orders ADD FOREIGN KEY (note)"
                " REFERENCES shop.orders;\n"
            ),
        ),
        ("m/1.sql:2", "m/2.sql:1", "m/2.sql:2"),
    ),
    Case(
        "a column that a view needs",
        ("ALTER TABLE shop.orders DROP COLUMN note;\n",),
        ("m/1.sql:1",),
    ),
    Case(
        "what follows from a refusal is not told as one",
        ("CREATE TABLE shop.more (id nosuch);\nCREATE INDEX j ON shop.more (id);\n",),
        ("m/1.sql:1",),
        ("m/1.sql:2",),
    ),
    Case(
        "what a block may have made",
        (
            (
                "DO $$ BEGIN CREATE TABLE shop.more (id int); END $$;\n"
                "CREATE INDEX j ON shop.more (id);\n"
                "ALTER TABLE shop.orders ADD COLUMN id int;\n"
                "CREATE TABLE shop.last (id int, CHECK (id + 'a' || 1));\n"
            ),
        ),
        ("m/1.sql:4",),
        ("m/1.sql:2", "m/1.sql:3"),
    ),
    Case(
        "good ones of every kind",
        (
            (
                "ALTER TYPE shop.state ADD VALUE 'paid';\n"
                "ALTER TABLE shop.orders ADD COLUMN state shop.state DEFAULT 'paid';\n"
            ),
            "CREATE INDEX CONCURRENTLY i ON shop.orders (note);\n",
            (
                "SET LOCAL search_path = shop;\n"
                "CREATE TABLE bare (id int PRIMARY KEY REFERENCES orders);\n"
                "CREATE TABLE kept AS SELECT pg_sleep(600)::text, note FROM orders;\n"
                "CREATE MATERIALIZED VIEW m AS SELECT 1 / count(*) AS a FROM orders"
                " WITH DATA;\n"
                "INSERT INTO orders VALUES (1);\n"
                "DELETE FROM nowhere;\n"
                "ALTER TABLE bare RENAME TO dressed;\n"
            ),
            "BEGIN;\nALTER TABLE shop.dressed ADD COLUMN a int;\nCOMMIT;\n",
        ),
    ),
    Case(
        "what belongs to the whole server",
        (
            (
                "CREATE ROLE nobody_made_me;\n"
                "GRANT SELECT ON shop.orders TO nobody_made_me;\n"
                "COMMENT ON DATABASE {green} IS 'touched';\n"
                "REVOKE CONNECT ON DATABASE {green} FROM PUBLIC;\n"
                "ALTER DATABASE {green} SET work_mem = '1MB';\n"
                "ALTER ROLE CURRENT_USER SET work_mem = '1MB';\n"
                "SELECT pg_notify('a', 'b');\n"
            ),
        ),
        (),
        ("m/1.sql:2",),
    ),
    Case(
        "a path that green's database has",
        ("CREATE TABLE plain (id int PRIMARY KEY REFERENCES orders);\n",),
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_green_refuses_of_a_migration_is_told(
    database_pair: Callable[[int, int], DatabasePair], case: Case, tmp_path: Path
) -> None:
    pair = database_pair(16, 17)
    pair.blue.run(BASE)
    pair.green.run(f"ALTER DATABASE {pair.green.name} SET search_path = shop, public")
    folder = tmp_path / "m"
    folder.mkdir()
    for number, text in enumerate(case.files, 1):
        written = text.replace("{green}", pair.green.name)
        (folder / f"{number}.sql").write_text(written)
    with open_world(pair, tmp_path) as world:
        found = find(world, plans=Plans((Migrate(files=("m/*.sql",)),)))
    assert places(found, "migration-refused") == list(case.refused)
    assert places(found, "migration-not-rehearsed") == list(case.unsure)
    assert not [one for one in found if one.id == "schema-refused"]
    assert_untouched(pair)


def places(found: list[Finding], wanted: str) -> list[str]:
    lines = [
        line
        for one in found
        if one.id == wanted
        for line in one.seen.splitlines()
        if line.startswith("m/")
    ]
    return [line.partition(": ")[0] for line in lines]


def assert_untouched(pair: DatabasePair) -> None:
    green = pair.green
    assert green.value("SELECT to_regclass('shop.orders')") is None
    assert green.value("SELECT count(*) FROM pg_roles WHERE rolname ~ '^nobody_'") == 0
    assert green.rows(
        "SELECT datacl, shobj_description(oid, 'pg_database') FROM pg_database"
        " WHERE datname = current_database()"
    ) == [(None, None)]


CHANGED = """
ALTER TABLE shop.orders ALTER COLUMN note TYPE varchar(9);
ALTER TABLE shop.orders ADD COLUMN more int;
CREATE INDEX more ON shop.orders (more);
DROP SEQUENCE shop.numbers;
"""


@pytest.mark.parametrize("block", ["", "DO $$ BEGIN END $$;"])
def test_what_validate_would_stop_at_is_told_before_the_copy(
    database_pair: Callable[[int, int], DatabasePair], tmp_path: Path, block: str
) -> None:
    pair = database_pair(15, 17)
    # One that both sides print in their own way is no difference of the migration.
    pair.blue.run(
        BASE.replace("CREATE VIEW shop.notes AS SELECT note FROM shop.orders;", ""),
        "ALTER TABLE shop.orders ADD CHECK (note IN ('a', 'b'))",
    )
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "1.sql").write_text(CHANGED + block)
    step = Migrate(files=("m/*.sql",))
    with open_world(pair, tmp_path) as world:

        def differences(**words: bool) -> dict[str, bool]:
            found = find(world, plans=Plans((step,), **words))
            return {
                one.object: one.is_blocking
                for one in found
                if one.id == "schema-difference"
            }

        assert differences() == {}
        told = differences(compares=True)
    assert {
        "column shop.orders.note",
        "sequence shop.numbers",
    } <= set(told)
    assert not [key for key in told if "more" in key]
    assert set(told.values()) == {not block}


def rehearsal(**words: bool) -> RehearseSchema:
    """As a run of a new process has it."""
    plans = Plans((Migrate(files=("m/*.sql",)),), **words)
    return RehearseSchema("rehearse", plans, Rehearser())


def test_a_second_run_does_not_try_the_same_again(
    database_pair: Callable[[int, int], DatabasePair], tmp_path: Path
) -> None:
    pair = database_pair(17, 17)
    pair.blue.run(BASE)
    file = tmp_path / "m" / "1.sql"
    file.parent.mkdir()
    file.write_text("ALTER TABLE shop.orders ADD COLUMN nosuch badtype;\n")
    told: list[str] = []
    with open_world(pair, tmp_path) as opened:
        world = replace(opened, tell=lambda one: told.append(one.what))
        refused = look(rehearsal(), world)
        assert isinstance(refused, Refused)
        assert "m/1.sql:1" in refused.seen
        file.write_text("CREATE INDEX i ON shop.orders (note);\n")
        carry_out(rehearsal(), world)
        assert told.count("schema_rehearsed") == 2

        assert isinstance(look(rehearsal(), world), Satisfied)
        assert find(world, plans=rehearsal()._plans) is not None
        assert told.count("schema_rehearsed") == 2

        for changed in (
            lambda: pair.blue.run("CREATE TABLE shop.later (id int PRIMARY KEY)"),
            lambda: file.write_text("CREATE INDEX j ON shop.orders (note);\n"),
        ):
            changed()
            assert isinstance(look(rehearsal(), world), Needed)
            carry_out(rehearsal(), world)
        before = told.count("schema_rehearsed")
        assert isinstance(look(rehearsal(compares=True), world), Needed)
        assert told.count("schema_rehearsed") == before + 1


def test_what_is_remembered_is_told_again(
    database_pair: Callable[[int, int], DatabasePair], tmp_path: Path
) -> None:
    pair = database_pair(16, 17)
    pair.blue.run(BASE, "DROP VIEW shop.notes")
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "1.sql").write_text(CHANGED + "DO $$ BEGIN END $$;")
    with open_world(pair, tmp_path) as world:
        first = rehearsal(compares=True).observe(world)
        carry_out(rehearsal(compares=True), world)
        again = rehearsal(compares=True).observe(world)
    assert first is not None
    assert again is not None
    assert first[1].all == again[1].all
    assert "schema-difference" in {one.id for one in again[1].all}
    assert again[0].remembered


def test_nothing_is_rehearsed_once_the_schema_is_copied(
    database_pair: Callable[[int, int], DatabasePair], tmp_path: Path
) -> None:
    pair = database_pair(17, 17)
    pair.blue.run(BASE)
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "1.sql").write_text("ALTER TABLE nowhere ADD COLUMN a int;\n")
    with open_world(pair, tmp_path) as world:
        assert isinstance(look(rehearsal(), world), Refused)
        world.journal.append(Kind.INTENT, action="replicate/copy_schema")
        assert isinstance(look(rehearsal(), world), Satisfied)


class Back(NamedTuple):
    """A migration, and what of it would not flow back."""

    name: str
    file: str
    blocks: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    step: Mapping[str, Any] = MappingProxyType({})


COLUMN = "ALTER TABLE shop.orders ADD COLUMN more int;\n"
TABLE = "CREATE TABLE shop.kinds (id int PRIMARY KEY);\n"
RELAXED = "ALTER TABLE shop.lines ALTER COLUMN n DROP NOT NULL;\n"
LESS = "ALTER TABLE shop.lines DROP CONSTRAINT few;\n"
DROPPED = "ALTER TABLE shop.lines DROP COLUMN n;\n"
NO_DEFAULT = "reverse/BREAK/no-default/shop.lines.n"
LEFT_COLUMN = "reverse/LOSSY/column-left-out/shop.orders"
LEFT_TABLE = "reverse/LOSSY/table-left-out/shop.kinds"

BACK = (
    Back("a column", COLUMN, (LEFT_COLUMN,)),
    Back(
        "a column that blue is given",
        COLUMN,
        step={"expand_blue": ("shop.orders.more",)},
    ),
    Back("a table and a column", TABLE + COLUMN, (LEFT_COLUMN, LEFT_TABLE)),
    Back(
        "a table that blue is given",
        TABLE + COLUMN,
        (LEFT_COLUMN,),
        step={"expand_blue": ("shop.kinds",)},
    ),
    Back("an index", "CREATE INDEX i ON shop.orders (note);\n"),
    Back("a function", "CREATE FUNCTION shop.f() RETURNS int RETURN 1;\n"),
    Back("not all was tried", f"DO $$ BEGIN END $$;\n{COLUMN}", told=(LEFT_COLUMN,)),
    Back(
        "seed rows beside it",
        f"{TABLE}INSERT INTO shop.kinds VALUES (1);\n",
        (LEFT_TABLE,),
    ),
    Back("what rows decide", RELAXED + LESS),
    Back("a value that blue wants", DROPPED, (NO_DEFAULT,)),
    Back(
        "a value that blue gives up",
        DROPPED,
        step={"expand_blue": ("shop.lines.n",)},
    ),
    Back(
        "rules that blue gives up too",
        RELAXED + LESS,
        step={"expand_blue": ("shop.lines.n", "shop.lines.few")},
    ),
)


@pytest.mark.parametrize("case", BACK, ids=lambda case: case.name)
def test_what_will_not_flow_back_is_told_before_the_copy(
    database_pair: Callable[[int, int], DatabasePair], case: Back, tmp_path: Path
) -> None:
    pair = database_pair(16, 17)
    pair.blue.run(
        BASE,
        "CREATE TABLE shop.lines (id int PRIMARY KEY, n int NOT NULL,"
        " CONSTRAINT few CHECK (n < 9))",
    )
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "1.sql").write_text(case.file)
    step = Migrate(files=("m/*.sql",), **case.step)
    with open_world(pair, tmp_path) as world:
        judge = judge_of([step])
        found = find(world, plans=Plans((step,), judge=judge))
        ours = [one for one in found if "/" in one.id]
        blocks = [f"{f.id}/{f.object}" for f in ours if f.is_blocking]
        told = [f"{f.id}/{f.object}" for f in ours if not f.is_blocking]
        assert (sorted(blocks), told) == (sorted(case.blocks), list(case.told))
        for one in ours[:1]:
            assert "  expand_blue:\n    - shop." in one.fix
        accept = tuple(Accepted(f.id, "meant", f.object) for f in ours)
        assert not Findings(tuple(ours), accept).blocking

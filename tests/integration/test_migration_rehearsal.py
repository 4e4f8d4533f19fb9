"""Migrations are tried on blue's schema before anything is copied."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from bluegreen.model.finding import Finding
from bluegreen.steps.check import find
from bluegreen.steps.migrate import Migrate
from tests.kit.databases import DatabasePair
from tests.kit.steps import open_world

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
        found = find(world, migrations=[Migrate(files=("m/*.sql",))])
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
            found = find(world, migrations=(step,), **words)
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

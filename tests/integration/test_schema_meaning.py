"""Definitions are compared by what they mean, whatever two servers print of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from bluegreen.model.side import Side
from bluegreen.postgres.database import Database
from bluegreen.postgres.schema.compare import compare_schemas
from bluegreen.postgres.schema.items import read_items
from tests.kit.databases import DatabasePair
from tests.kit.rich_schema import copy_schema

BASE = """
    CREATE SCHEMA shop;
    CREATE TABLE shop.tasks (id int PRIMARY KEY, state varchar(20), n int, at date);
    CREATE TABLE shop.log (id int, state varchar(20));
    CREATE FUNCTION shop.no() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN RETURN NEW; END'
"""
IN = "state IN ('new', 'done')"
AND = "n BETWEEN 1 AND 5 AND id > 0"

# Each with what green may really have otherwise, and whose key is then named.
KINDS = {
    "check": (
        f"ALTER TABLE shop.tasks ADD CONSTRAINT c CHECK ({IN} AND {AND})",
        (
            "ALTER TABLE shop.tasks DROP CONSTRAINT c, ADD CONSTRAINT c CHECK ("
            "state IN ('new', 'gone') AND n BETWEEN 1 AND 5 AND id > 0)"
        ),
        "constraint shop.tasks.c",
    ),
    "check that is not valid": (
        f"ALTER TABLE shop.tasks ADD CONSTRAINT c CHECK ({IN}) NOT VALID",
        "ALTER TABLE shop.tasks VALIDATE CONSTRAINT c",
        "constraint shop.tasks.c",
    ),
    "check over a cast": (
        (
            "ALTER TABLE shop.tasks ADD CONSTRAINT c CHECK "
            "(coalesce(state, 'new') NOT IN ('a', 'b'))"
        ),
        (
            "ALTER TABLE shop.tasks DROP CONSTRAINT c, ADD CONSTRAINT c CHECK "
            "(coalesce(state, 'new') NOT IN ('a', 'c'))"
        ),
        "constraint shop.tasks.c",
    ),
    "domain": (
        (
            "CREATE DOMAIN shop.state AS varchar(20) DEFAULT 'new' CONSTRAINT a CHECK "
            "(VALUE IN ('new', 'done')) CONSTRAINT b CHECK (VALUE <> '' AND "
            "(VALUE <> 'x'"
            " AND VALUE <> 'y') AND VALUE <> 'z')"
        ),
        (
            "ALTER DOMAIN shop.state DROP CONSTRAINT a; ALTER DOMAIN shop.state"
            " ADD CONSTRAINT a CHECK (VALUE IN ('new', 'gone'))"
        ),
        "domain shop.state",
    ),
    "partial index": (
        f"CREATE INDEX i ON shop.tasks (n) INCLUDE (at) WHERE {IN} AND ({AND})",
        (
            "DROP INDEX shop.i; CREATE INDEX i ON shop.tasks (n) INCLUDE (at) "
            "WHERE state IN ('new') AND (n BETWEEN 1 AND 5 AND id > 0)"
        ),
        "index shop.i",
    ),
    "columns of a partial index": (
        f"CREATE INDEX i ON shop.tasks (n) WHERE {IN}",
        f"DROP INDEX shop.i; CREATE INDEX i ON shop.tasks (id) WHERE {IN}",
        "index shop.i",
    ),
    "index expression": (
        f"CREATE INDEX i ON shop.tasks (n, ({IN}), lower(state) text_pattern_ops)",
        (
            "DROP INDEX shop.i; CREATE INDEX i ON shop.tasks "
            "(n, (state IN ('new', 'gone')), lower(state) text_pattern_ops)"
        ),
        "index shop.i",
    ),
    "index on a bool": (
        (
            f"ALTER TABLE shop.tasks ADD a bool; CREATE INDEX i ON shop.tasks (({IN}))"
            " WHERE a"
        ),
        (
            "DROP INDEX shop.i; CREATE INDEX i ON shop.tasks ((state IN ('new', "
            "'done')))"
            " WHERE NOT a"
        ),
        "index shop.i",
    ),
    "exclusion constraint": (
        (
            "ALTER TABLE shop.tasks ADD CONSTRAINT x EXCLUDE USING btree "
            f"(n WITH =, (lower(state)) WITH =) WHERE ({IN} AND ({AND}))"
        ),
        (
            "ALTER TABLE shop.tasks DROP CONSTRAINT x, ADD CONSTRAINT x EXCLUDE USING "
            f"btree (n WITH =, (upper(state)) WITH =) WHERE ({IN} AND ({AND}))"
        ),
        "constraint shop.tasks.x",
    ),
    "policy": (
        (
            f"CREATE POLICY p ON shop.tasks USING ({IN} AND EXISTS (SELECT FROM "
            f"shop.log l"
            f" WHERE l.id = tasks.id AND l.{IN})) WITH CHECK ({AND})"
        ),
        "ALTER POLICY p ON shop.tasks WITH CHECK (n BETWEEN 1 AND 6 AND id > 0)",
        "policy shop.tasks.p",
    ),
    "trigger": (
        f"""CREATE TRIGGER t BEFORE UPDATE OF state, n ON shop.tasks FOR EACH ROW
        WHEN (OLD.{IN} AND (NEW.n > 1 AND NEW.n < 5) AND OLD.* IS DISTINCT FROM NEW.*)
        EXECUTE FUNCTION shop.no('WHEN (', ') EXECUTE FUNCTION ')""",
        """CREATE OR REPLACE TRIGGER t BEFORE UPDATE OF state, n ON shop.tasks
        FOR EACH ROW WHEN (OLD.state IN ('new', 'done') AND (NEW.n > 1 AND NEW.n < 6)
        AND OLD.* IS DISTINCT FROM NEW.*)
        EXECUTE FUNCTION shop.no('WHEN (', ') EXECUTE FUNCTION ')""",
        "trigger shop.tasks.t",
    ),
    "trigger's arguments": (
        f"""CREATE TRIGGER t BEFORE INSERT ON shop.tasks FOR EACH ROW WHEN (NEW.{IN})
        EXECUTE FUNCTION shop.no('a')""",
        f"""CREATE OR REPLACE TRIGGER t BEFORE INSERT ON shop.tasks FOR EACH ROW
        WHEN (NEW.{IN}) EXECUTE FUNCTION shop.no('b')""",
        "trigger shop.tasks.t",
    ),
    "generated column": (
        (
            f"ALTER TABLE shop.tasks ADD g bool GENERATED ALWAYS AS ({IN} AND ({AND}))"
            " STORED"
        ),
        (
            "ALTER TABLE shop.tasks DROP g, ADD g bool GENERATED ALWAYS AS "
            "(state IN ('new', 'gone') AND (n BETWEEN 1 AND 5 AND id > 0)) STORED"
        ),
        "column shop.tasks.g",
    ),
    "default": (
        (
            "ALTER TABLE shop.tasks ADD d bool DEFAULT "
            "(CAST('new' AS varchar) IN ('new', 'done'))"
        ),
        (
            "ALTER TABLE shop.tasks ALTER d SET DEFAULT "
            "(CAST('gone' AS varchar) IN ('new', 'done'))"
        ),
        "column shop.tasks.d",
    ),
    "rule": (
        f"""CREATE RULE r AS ON UPDATE TO shop.tasks WHERE OLD.{IN} DO ALSO (
        INSERT INTO shop.log SELECT NEW.id, NEW.state WHERE NEW.{IN};
        UPDATE shop.log SET state = NEW.state WHERE {IN})""",
        f"""CREATE OR REPLACE RULE r AS ON UPDATE TO shop.tasks WHERE OLD.{IN} DO ALSO (
        INSERT INTO shop.log SELECT NEW.id, NEW.state WHERE NEW.{IN};
        UPDATE shop.log SET state = OLD.state WHERE {IN})""",
        "rule shop.tasks.r",
    ),
    "rule on a view": (
        f"""CREATE VIEW shop.v AS SELECT id, state FROM shop.tasks;
        CREATE RULE r AS ON INSERT TO shop.v WHERE NEW.{IN} DO INSTEAD
            INSERT INTO shop.log VALUES (NEW.id, NEW.state)""",
        f"""CREATE OR REPLACE RULE r AS ON INSERT TO shop.v WHERE NEW.{IN} DO ALSO
            INSERT INTO shop.log VALUES (NEW.id, NEW.state)""",
        "rule shop.v.r",
    ),
    "statistics": (
        f"CREATE STATISTICS shop.s ON (({IN})::int), lower(state) FROM shop.tasks",
        (
            "DROP STATISTICS shop.s; CREATE STATISTICS shop.s ON "
            "((state IN ('new', 'gone'))::int), lower(state) FROM shop.tasks"
        ),
        "statistics shop.s",
    ),
    "partition key": (
        (
            f"CREATE TABLE shop.p (id int, n int, state varchar) PARTITION BY "
            f"LIST (({IN}))"
            "; CREATE TABLE shop.p1 PARTITION OF shop.p FOR VALUES IN (true)"
        ),
        (
            "DROP TABLE shop.p; CREATE TABLE shop.p (id int, n int, state varchar) "
            "PARTITION BY LIST ((state IN ('new', 'gone'))); CREATE TABLE shop.p1 "
            "PARTITION OF shop.p FOR VALUES IN (true)"
        ),
        "table shop.p",
    ),
    "partition bound": (
        (
            "CREATE TABLE shop.p (id int, at timestamptz, state varchar) PARTITION BY "
            "RANGE (at, state); CREATE TABLE shop.p1 PARTITION OF shop.p FOR "
            "VALUES FROM "
            "('2024-01-01', 'a') TO ('2025-01-01', MAXVALUE)"
        ),
        (
            "ALTER TABLE shop.p DETACH PARTITION shop.p1; ALTER TABLE shop.p ATTACH "
            "PARTITION shop.p1 FOR VALUES FROM ('2024-01-01', 'b') TO "
            "('2025-01-01', 'b')"
        ),
        "table shop.p1",
    ),
    "default of a function": (
        (
            "CREATE FUNCTION shop.f(a bool DEFAULT (CAST('new' AS varchar) IN "
            "('new', 'b'))"
            ") RETURNS int LANGUAGE sql AS 'SELECT 1'"
        ),
        (
            "CREATE OR REPLACE FUNCTION shop.f(a bool DEFAULT (CAST('new' AS "
            "varchar) IN "
            "('new', 'c'))) RETURNS int LANGUAGE sql AS 'SELECT 1'"
        ),
        "function shop.f(boolean)",
    ),
    "body of a function": (
        (
            "CREATE FUNCTION shop.f() RETURNS bigint LANGUAGE sql STABLE BEGIN ATOMIC "
            f"SELECT count(*) FROM shop.tasks WHERE {IN} AND ({AND}); END"
        ),
        (
            "CREATE OR REPLACE FUNCTION shop.f() RETURNS bigint LANGUAGE sql "
            "STABLE BEGIN "
            f"ATOMIC SELECT count(*) FROM shop.tasks WHERE {IN} AND NOT ({AND}); END"
        ),
        "function shop.f()",
    ),
    "body of a procedure": (
        (
            "CREATE PROCEDURE shop.f() LANGUAGE sql BEGIN ATOMIC "
            f"DELETE FROM shop.tasks WHERE {IN} AND ({AND}); END"
        ),
        (
            "CREATE OR REPLACE PROCEDURE shop.f() LANGUAGE sql BEGIN ATOMIC "
            f"DELETE FROM shop.log WHERE {IN}; END"
        ),
        "procedure shop.f()",
    ),
    "view": (
        f"CREATE VIEW shop.v AS SELECT id FROM shop.tasks WHERE {IN} AND ({AND})",
        f"CREATE OR REPLACE VIEW shop.v AS SELECT id FROM shop.tasks WHERE {IN}",
        "view shop.v",
    ),
    "materialized view": (
        f"CREATE MATERIALIZED VIEW shop.v AS SELECT id FROM shop.tasks WHERE {IN}",
        (
            "DROP MATERIALIZED VIEW shop.v; CREATE MATERIALIZED VIEW shop.v AS "
            f"SELECT id FROM shop.tasks WHERE {AND}"
        ),
        "materialized view shop.v",
    ),
}


@contextmanager
def handles(pair: DatabasePair) -> Iterator[tuple[Database, Database]]:
    blue = Database(Side.BLUE, pair.blue.conninfo())
    green = Database(Side.GREEN, pair.green.conninfo())
    try:
        yield blue, green
    finally:
        blue.close()
        green.close()


def blocking(pair: DatabasePair) -> list[str]:
    with handles(pair) as (blue, green):
        return [one.key for one in compare_schemas(blue, green).blocking]


PAIRS = [(15, 17), (17, 17), (16, 18)]


def placed(kind: str, text: str) -> str:
    """In a schema of its own, whose name and whose table's must be quoted."""
    schema = f'"{list(KINDS).index(kind)} \'x\' (""a"") WHEN (1)"'
    return text.replace("shop.", f"{schema}.").replace(
        "SCHEMA shop", f"SCHEMA {schema}"
    )


@pytest.mark.parametrize("majors", PAIRS)
def test_what_reads_otherwise_is_alike_and_what_is_otherwise_is_found(
    majors: tuple[int, int], database_pair: Callable[[int, int], DatabasePair]
) -> None:
    pair = database_pair(*majors)
    for kind, (make, _, _) in KINDS.items():
        pair.blue.run(placed(kind, BASE), placed(kind, make))
    copy_schema(pair)
    with handles(pair) as (blue, green):
        here, there = read_items(blue), read_items(green)
        assert here.keys() == there.keys()
        unlike = {k for k in here if here[k].definition != there[k].definition}
        # Not only what reads alike was compared.
        assert len(unlike) > len(KINDS) / 2
        assert compare_schemas(blue, green).blocking == ()
    for kind, (_, change, _) in KINDS.items():
        pair.green.run(placed(kind, change))
    wanted = {placed(kind, key) for kind, (_, _, key) in KINDS.items()}
    assert set(blocking(pair)) == wanted
    assert (
        pair.green.value("SELECT count(*) FROM pg_class WHERE relname ~ 'compared'")
        == 0
    )


def test_a_green_made_by_the_same_hands_is_alike(
    database_pair: Callable[[int, int], DatabasePair],
) -> None:
    """Its texts were never dumped: blue's once printed again are further on."""
    pair = database_pair(15, 17)
    for side in (pair.blue, pair.green):
        for kind, (make, _, _) in KINDS.items():
            side.run(placed(kind, BASE), placed(kind, make))
    assert blocking(pair) == []


def test_what_green_cannot_make_is_different_and_spoils_nothing_else(
    database_pair: Callable[[int, int], DatabasePair],
) -> None:
    """The definitions of all come in one message."""
    pair = database_pair(17, 17)
    pair.blue.run(
        BASE,
        "CREATE FUNCTION shop.odd(int) RETURNS bool IMMUTABLE LANGUAGE sql "
        "AS 'SELECT true'",
        *(
            f"ALTER TABLE shop.tasks ADD CONSTRAINT c{n} CHECK ({IN} AND id <> {n})"
            for n in range(9)
        ),
        "ALTER TABLE shop.tasks ADD CONSTRAINT c9 CHECK (shop.odd(n))",
    )
    copy_schema(pair)
    pair.green.run(
        "ALTER TABLE shop.tasks DROP CONSTRAINT c9, ADD CONSTRAINT c9 CHECK (n > 1)",
        "DROP FUNCTION shop.odd",
    )
    assert blocking(pair) == ["constraint shop.tasks.c9", "function shop.odd(integer)"]

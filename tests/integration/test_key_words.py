"""Names that are key words of one version and not of another, wherever they stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql

from bluegreen.model.side import Side
from bluegreen.postgres.database import Database
from bluegreen.postgres.replication.sequence_facts import read_ranges
from bluegreen.postgres.schema.compare import compare_schemas
from bluegreen.postgres.schema.copy import copy_keys, copy_rest, copy_tables
from bluegreen.postgres.schema.dump import schema_dump
from bluegreen.postgres.schema.items import read_items
from bluegreen.postgres.schema.missing import missing_of
from tests.kit.databases import DatabasePair

# Some are reserved, some may name a column only, some mean a function or a type; and
# those that an application quotes, as they are no key words at all.
WORDS = [
    "json",
    "json_value",
    "json_table",
    "json_query",
    "json_exists",
    "json_scalar",
    "merge_action",
    "system_user",
    "normalize",
    "within",
    "absent",
    "user",
    "char",
    "Big",
    'a "b"',
    "it's",
]

SCHEMA = """
CREATE SCHEMA {name};
CREATE TYPE {name}.{name} AS ENUM ('a', {label});
CREATE DOMAIN {name}.{domain} AS text CONSTRAINT {name} CHECK (VALUE <> '');
CREATE TABLE {name}.{table} (
    id int GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME {name}.{sequence}),
    {name} text DEFAULT 'x', kind {name}.{name}, other {name}.{domain},
    CONSTRAINT {name} CHECK ({name} <> ''), PRIMARY KEY (id, {name}));
CREATE UNIQUE INDEX {index} ON {name}.{table} ({name}, lower({name}))
    WHERE {name} <> 'b';
CREATE STATISTICS {name}.{name} ON {name}, id FROM {name}.{table};
CREATE VIEW {name}.{view} AS SELECT t.{name}, {name} || id AS more
    FROM {name}.{table} t WHERE {name} IS NOT NULL;
CREATE FUNCTION {name}.{name}({name} {name}.{name}, {table} text DEFAULT 'a')
    RETURNS text LANGUAGE sql STABLE AS 'SELECT 1::text';
CREATE FUNCTION {name}.{name}({name} "char", {name}.{domain}) RETURNS int
    LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
CREATE FUNCTION {name}.{table}() RETURNS trigger
    LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER {name} BEFORE UPDATE OF {name} ON {name}.{table} FOR EACH ROW
    WHEN (OLD.{name} IS DISTINCT FROM NEW.{name}) EXECUTE FUNCTION {name}.{table}();
CREATE POLICY {name} ON {name}.{table} USING ({name} <> 'c');
CREATE RULE {name} AS ON DELETE TO {name}.{table} WHERE OLD.{name} = 'z'
    DO INSTEAD NOTHING;
GRANT SELECT ({name}) ON {name}.{table} TO pg_monitor;
GRANT EXECUTE ON FUNCTION {name}.{table}() TO pg_monitor;
COMMENT ON COLUMN {name}.{table}.{name} IS 'key word';
CREATE AGGREGATE {name}.{name} (int) (SFUNC = int4pl, STYPE = int);
CREATE COLLATION {name}.{name} FROM "C"
"""


@contextmanager
def handles(pair: DatabasePair) -> Iterator[tuple[Database, Database]]:
    blue = Database(Side.BLUE, pair.blue.conninfo())
    green = Database(Side.GREEN, pair.green.conninfo())
    try:
        yield blue, green
    finally:
        blue.close()
        green.close()


def make(session: psycopg.Connection, word: str) -> None:
    others = ("domain", "table", "sequence", "index", "view")
    parts: dict[str, sql.Composable] = {
        one: sql.Identifier(f"{word}_{one}" if one != "table" else f"{word}s")
        for one in others
    }
    if word == "json":
        parts["table"] = sql.Identifier("json_array")
    text = sql.SQL(SCHEMA).format(
        name=sql.Identifier(word), label=sql.Literal(word), **parts
    )
    session.execute(text)


@pytest.mark.parametrize("majors", [(15, 17), (17, 17), (16, 18)])
def test_a_schema_of_key_words_arrives_and_is_alike(
    majors: tuple[int, int], database_pair: Callable[[int, int], DatabasePair]
) -> None:
    pair = database_pair(*majors)
    with pair.blue.connect() as session:
        for word in WORDS:
            make(session, word)
    with handles(pair) as (blue, green):
        copy_tables(blue, green)
        copy_keys(blue, green)
        copy_rest(blue, green, workers=1, done=lambda done, total: None)
        for section in ("pre-data", "post-data"):
            with schema_dump(blue, section) as dump:
                assert missing_of(blue, green, dump.entries()) == set()
        assert read_items(blue).keys() == read_items(green).keys()
        assert compare_schemas(blue, green).blocking == ()
        fed = [{one.columns for one in read_ranges(side)} for side in (blue, green)]
        assert fed[0] == fed[1]
        assert len(fed[0]) == len(WORDS)
        # What is gone is missed, whatever its name, and nothing else.
        pair.green.run('DROP FUNCTION "json"."json"("json"."json", text)')
        pair.green.run('DROP INDEX "a ""b"""."a ""b""_index"')
        assert [str(one) for one in compare_schemas(blue, green).blocking] == [
            "function json.json(json.json, text) is missing on green",
            'index "a ""b"""."a ""b""_index" is missing on green',
        ]
        with schema_dump(blue, "post-data") as dump:
            assert len(missing_of(blue, green, dump.entries())) == 1


def test_a_check_over_a_column_does_not_become_one_over_a_function(
    database_pair: Callable[[int, int], DatabasePair],
) -> None:
    pair = database_pair(15, 17)
    pair.blue.run(
        "CREATE TABLE a (id int PRIMARY KEY, system_user text DEFAULT 'x'"
        " CHECK (system_user <> ''))",
        "CREATE VIEW v AS SELECT system_user FROM a",
        "CREATE INDEX i ON a (lower(system_user))",
    )
    with handles(pair) as (blue, green):
        copy_tables(blue, green)
        copy_keys(blue, green)
        copy_rest(blue, green, workers=1, done=lambda done, total: None)
        assert (
            pair.green.value(
                "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE "
                "contype = 'c'"
                " AND conrelid = 'a'::regclass"
            )
            == "CHECK ((\"system_user\" <> ''::text))"
        )
        assert compare_schemas(blue, green).blocking == ()
        pair.green.run(
            "ALTER TABLE a DROP CONSTRAINT a_system_user_check,"
            " ADD CONSTRAINT a_system_user_check CHECK (SYSTEM_USER <> '')"
        )
        (found,) = compare_schemas(blue, green).blocking
        assert found.key == "constraint public.a.a_system_user_check"

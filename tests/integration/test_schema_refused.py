"""What green's server refuses of blue's schema is named: object and statement."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from bluegreen.model.side import Side
from bluegreen.postgres.database import Database, SqlError
from bluegreen.postgres.schema.copy import copy_keys, copy_rest, copy_tables
from tests.kit.databases import DatabasePair

BASE = """
    CREATE SCHEMA shop;
    CREATE FUNCTION shop.noted() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN RETURN NEW; END';
    CREATE FUNCTION shop.watch() RETURNS event_trigger LANGUAGE plpgsql
        AS 'BEGIN NULL; END';
    CREATE TABLE shop.t (id int PRIMARY KEY, a int, b text);
    CREATE TABLE shop.p (id int PRIMARY KEY);
"""


class Refused(NamedTuple):
    """What blue has, what is done to green, and what the error names."""

    blue: str
    green: str
    thing: str
    statement: str


BEFORE_ROWS = (
    Refused(
        "VIEW public.v AS SELECT 1 AS a", "", "view public.v", "CREATE VIEW public.v"
    ),
    Refused(
        "FUNCTION public.f(a int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "",
        "function public.f(integer)",
        "CREATE FUNCTION public.f(a integer)",
    ),
    Refused("TYPE public.y AS (a int)", "", "type public.y", "CREATE TYPE public.y"),
    Refused("DOMAIN public.d AS int", "", "domain public.d", "CREATE DOMAIN public.d"),
    Refused("SEQUENCE public.s", "", "sequence public.s", "CREATE SEQUENCE public.s"),
    Refused(
        "AGGREGATE public.g (int) (SFUNC = int4pl, STYPE = int)",
        "",
        "aggregate public.g(integer)",
        "CREATE AGGREGATE public.g(integer)",
    ),
    Refused(
        "OPERATOR public.=# (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)",
        "",
        "operator public.=#(integer, integer)",
        "CREATE OPERATOR public.=#",
    ),
    Refused(
        "COLLATION public.c (provider = libc, locale = 'C')",
        "",
        "collation public.c",
        "CREATE COLLATION public.c",
    ),
)

AFTER_ROWS = (
    Refused(
        "CREATE INDEX i ON shop.t (a)",
        "ALTER TABLE shop.t DROP COLUMN a",
        "index shop.i",
        "CREATE INDEX i ON shop.t",
    ),
    Refused(
        "CREATE UNIQUE INDEX u ON shop.t (b)",
        "INSERT INTO shop.t VALUES (1, 1, 'x'), (2, 2, 'x')",
        "index shop.u",
        "CREATE UNIQUE INDEX u ON shop.t",
    ),
    Refused(
        "ALTER TABLE shop.t ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES shop.p",
        "INSERT INTO shop.t VALUES (1, 77)",
        "constraint shop.t.k",
        "ADD CONSTRAINT k FOREIGN KEY (a)",
    ),
    Refused(
        "ALTER TABLE shop.t ADD CONSTRAINT n CHECK (a > 0) NOT VALID",
        "ALTER TABLE shop.t DROP COLUMN a",
        "constraint shop.t.n",
        "CHECK ((a > 0)) NOT VALID",
    ),
    Refused(
        "CREATE TRIGGER r BEFORE UPDATE ON shop.t FOR EACH ROW"
        " EXECUTE FUNCTION shop.noted()",
        "DROP FUNCTION shop.noted()",
        "trigger shop.t.r",
        "CREATE TRIGGER r BEFORE UPDATE ON shop.t",
    ),
    Refused(
        "CREATE POLICY mine ON shop.t USING (a > 0 AND b <> 'secret')",
        "ALTER TABLE shop.t DROP COLUMN a",
        "policy shop.t.mine",
        "USING (((a > 0) AND (b <> '…'::text)))",
    ),
    Refused(
        "CREATE RULE quiet AS ON DELETE TO shop.t WHERE old.a < 0 DO INSTEAD NOTHING",
        "ALTER TABLE shop.t DROP COLUMN a",
        "rule shop.t.quiet",
        "CREATE RULE quiet",
    ),
    Refused(
        "CREATE STATISTICS shop.st ON a, id FROM shop.t",
        "ALTER TABLE shop.t DROP COLUMN a",
        "statistics shop.st",
        "CREATE STATISTICS shop.st",
    ),
    Refused(
        "CREATE EVENT TRIGGER e ON ddl_command_end WHEN TAG IN ('CREATE CAST')"
        " EXECUTE FUNCTION shop.watch()",
        "DROP FUNCTION shop.watch()",
        "event trigger e",
        "CREATE EVENT TRIGGER e",
    ),
    Refused(
        "CREATE TRIGGER z BEFORE UPDATE ON shop.t FOR EACH ROW"
        " EXECUTE FUNCTION shop.noted(); ALTER TABLE shop.t ENABLE ALWAYS TRIGGER z",
        "CREATE FUNCTION public.no() RETURNS event_trigger LANGUAGE plpgsql AS"
        " 'BEGIN RAISE ''no''; END'; CREATE EVENT TRIGGER no ON ddl_command_start"
        " WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION public.no()",
        "trigger shop.t.z",
        "statement: ALTER TABLE shop.t ENABLE ALWAYS TRIGGER z",
    ),
)


def refusal_of(pair: DatabasePair, act: Callable[[Database, Database], object]) -> str:
    blue = Database(Side.BLUE, pair.blue.conninfo())
    green = Database(Side.GREEN, pair.green.conninfo())
    try:
        with pytest.raises(SqlError) as caught:
            act(blue, green)
    finally:
        blue.close()
        green.close()
    return caught.value.seen


@pytest.mark.parametrize("case", BEFORE_ROWS, ids=lambda c: c.thing.replace(" ", "-"))
def test_what_is_refused_before_the_rows_is_named(
    database_pair: Callable[[int, int], DatabasePair], case: Refused
) -> None:
    pair = database_pair(16, 18)
    for side in (pair.blue, pair.green):
        side.run(f"CREATE {case.blue}")
    seen = refusal_of(pair, copy_tables)
    assert seen.startswith("on green: ")
    assert f"object: {case.thing}\nstatement: {case.statement}" in seen


@pytest.mark.parametrize("case", AFTER_ROWS, ids=lambda c: c.thing.replace(" ", "-"))
def test_what_is_refused_after_the_rows_is_named(
    database_pair: Callable[[int, int], DatabasePair], case: Refused
) -> None:
    pair = database_pair(16, 18)
    pair.blue.run(BASE)

    def act(blue: Database, green: Database) -> None:
        copy_tables(blue, green)
        copy_keys(blue, green)
        pair.blue.run(case.blue)
        pair.green.run(case.green)
        copy_rest(blue, green, workers=1, done=lambda done, total: None)

    seen = refusal_of(pair, act)
    assert seen.startswith("on green: ")
    assert f"object: {case.thing}\n" in seen
    assert case.statement in seen
    assert "secret" not in seen

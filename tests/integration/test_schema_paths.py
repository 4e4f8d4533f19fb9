"""Statements of a dump that mean something only under a search path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from bluegreen.model.accept import VIEW_CANNOT_BE_FILLED, Accepted
from bluegreen.model.errors import StepError
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.materialized_views import refresh_views
from bluegreen.postgres.database import Database
from bluegreen.postgres.schema.copy import copy_rest, copy_tables
from bluegreen.steps.monitors.limits import Limits
from bluegreen.steps.replication.told import told_empty
from bluegreen.steps.replication.views import RefreshViews
from tests.kit.databases import DatabasePair
from tests.kit.steps import carry_out, open_world


class Case(NamedTuple):
    """What blue has, and the query that gives its definition."""

    name: str
    made: str
    definition: str


BASE = """
    CREATE EXTENSION ltree;
    CREATE SCHEMA ext;
    CREATE EXTENSION citext SCHEMA ext;
    CREATE SCHEMA app;
    CREATE TABLE app.page (id int PRIMARY KEY, path ltree, name ext.citext);
    CREATE TABLE app.link (path ltree, name ext.citext);
    CREATE FUNCTION app.noted() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN RETURN NEW; END';
    CREATE FUNCTION app.plain(t text) RETURNS text LANGUAGE sql IMMUTABLE
        AS 'SELECT lower(t)';
    CREATE FUNCTION app.slug(t text) RETURNS text LANGUAGE sql IMMUTABLE
        AS 'SELECT plain(t)';
    CREATE FUNCTION app.slug_pl(t text) RETURNS text LANGUAGE plpgsql IMMUTABLE
        AS 'BEGIN RETURN plain(t); END';
"""
VIEW = "SELECT pg_get_viewdef('app.v'::regclass)"
CHECK = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'c'"
INDEX = "SELECT pg_get_indexdef('app.i'::regclass)"
POLICY = "SELECT qual FROM pg_policies"
RULE = "SELECT definition FROM pg_rules WHERE schemaname = 'app'"
GENERATED = (
    "SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef"
    " WHERE adrelid = 'app.made'::regclass"
)

CASES = (
    Case(
        "trigger-when",
        "CREATE TRIGGER g BEFORE UPDATE ON app.page FOR EACH ROW"
        " WHEN (OLD.path IS DISTINCT FROM NEW.path) EXECUTE FUNCTION app.noted()",
        "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'g'",
    ),
    Case(
        "nullif", "CREATE VIEW app.v AS SELECT NULLIF(path, 'a') x FROM app.page", VIEW
    ),
    Case(
        "case-when",
        "CREATE VIEW app.v AS SELECT CASE path WHEN 'a' THEN 1 END x FROM app.page",
        VIEW,
    ),
    Case(
        "join-using",
        "CREATE VIEW app.v AS SELECT id FROM app.page JOIN app.link USING (path)",
        VIEW,
    ),
    Case(
        "in-subquery",
        "CREATE VIEW app.v AS SELECT id FROM app.page"
        " WHERE path IN (SELECT path FROM app.link)",
        VIEW,
    ),
    Case(
        "another-meaning",
        "CREATE VIEW app.v AS SELECT NULLIF(name, 'a') x FROM app.page",
        VIEW,
    ),
    Case(
        "another-meaning-of-using",
        "CREATE VIEW app.v AS SELECT id FROM app.page JOIN app.link USING (name)",
        VIEW,
    ),
    Case(
        "check",
        "ALTER TABLE app.page ADD CONSTRAINT c CHECK (path IS DISTINCT FROM 'a')",
        CHECK,
    ),
    Case(
        "check-of-domain",
        "CREATE DOMAIN app.d AS ltree CONSTRAINT c CHECK (VALUE IS DISTINCT FROM 'a')",
        CHECK,
    ),
    Case(
        "partial-index",
        "CREATE INDEX i ON app.page (id) WHERE path IS DISTINCT FROM 'a'",
        INDEX,
    ),
    Case(
        "policy",
        "CREATE POLICY p ON app.page USING (path IS DISTINCT FROM 'a')",
        POLICY,
    ),
    Case(
        "rule",
        "CREATE RULE r AS ON DELETE TO app.page"
        " WHERE OLD.path IS DISTINCT FROM 'a' DO INSTEAD NOTHING",
        RULE,
    ),
    Case(
        "generated-by-an-inlined-function",
        "CREATE TABLE app.made (id int PRIMARY KEY, t text,"
        " s text GENERATED ALWAYS AS (app.slug(t)) STORED)",
        GENERATED,
    ),
    Case(
        "index-over-an-inlined-function",
        "CREATE INDEX i ON app.page (app.slug(name))",
        INDEX,
    ),
)

PINNED = "-c search_path=pg_catalog,pg_temp"


def copied(pair: DatabasePair) -> None:
    blue = Database(Side.BLUE, pair.blue.conninfo())
    green = Database(Side.GREEN, pair.green.conninfo())
    try:
        copy_tables(blue, green)
        copy_rest(blue, green, workers=1, done=lambda done, total: None)
    finally:
        blue.close()
        green.close()


def prepared(pair: DatabasePair, made: str) -> None:
    for side in (pair.blue, pair.green):
        side.run(f"ALTER DATABASE {side.name} SET search_path = app, public, ext")
    pair.blue.run(BASE, made)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_arrives_and_means_the_same(
    database_pair: Callable[[int, int], DatabasePair], case: Case
) -> None:
    pair = database_pair(15, 15)
    prepared(pair, case.made)
    copied(pair)
    definitions = []
    for side in (pair.blue, pair.green):
        with side.connect(options=PINNED) as session:
            definitions.append(session.execute(case.definition.encode()).fetchall())
    assert definitions[0] == definitions[1] != []


MATERIALIZED = (
    "CREATE MATERIALIZED VIEW app.plain_one AS SELECT 1 AS a",
    """CREATE MATERIALIZED VIEW app.words AS
    SELECT word FROM ts_stat('SELECT to_tsvector(t) FROM text_of')""",
    "CREATE MATERIALIZED VIEW app.named AS SELECT app.slug_pl('A') AS a",
    "CREATE MATERIALIZED VIEW app.zebra AS SELECT a FROM app.plain_one",
)


@pytest.mark.parametrize("green_major", [15, 17])
def test_materialized_views_are_filled_under_the_path_they_need(
    database_pair: Callable[[int, int], DatabasePair], green_major: int
) -> None:
    pair = database_pair(15, green_major)
    prepared(pair, "CREATE TABLE app.text_of (t text)")
    pair.blue.run(*MATERIALIZED)
    copied(pair)
    green = Database(Side.GREEN, pair.green.conninfo())
    try:
        if green_major < 17:
            filled, _ = refresh_views(green)
            assert set(filled) == {
                "app.named",
                "app.plain_one",
                "app.words",
                "app.zebra",
            }
            return
        with pytest.raises(StepError) as caught:
            refresh_views(green)
    finally:
        green.close()
    assert caught.value.problem == (
        "materialized views of green could not be filled: app.named, app.words"
    )
    assert 'relation "text_of" does not exist' in caught.value.seen
    assert pair.green.value("SELECT count(*) FROM app.zebra") == 1


@pytest.mark.parametrize("green_major", [15, 17])
def test_a_view_that_cannot_be_filled_stays_empty_where_that_is_accepted(
    database_pair: Callable[[int, int], DatabasePair], green_major: int, tmp_path: Path
) -> None:
    pair = database_pair(15, green_major)
    prepared(pair, "CREATE TABLE app.text_of (t text)")
    pair.blue.run(*MATERIALIZED, "CREATE MATERIALIZED VIEW app.on AS TABLE app.words")
    copied(pair)
    action = RefreshViews("cutover")
    empty = [] if green_major < 17 else ["app.named", "app.words", "app.on"]
    with open_world(pair, tmp_path) as world:
        if empty:
            with pytest.raises(StepError):
                action.act(world, action.observe(world))
        accept = (Accepted(VIEW_CANNOT_BE_FILLED, "nobody reads it"),)
        accepting = replace(world, limits=Limits(accept=accept))
        result = carry_out(action, accepting)
        assert sorted(result["empty"]) == sorted(empty)
        assert sorted(told_empty(world.journal.records())) == sorted(empty)
        # A row that breaks the query is another matter.
        pair.green.run(
            "CREATE MATERIALIZED VIEW app.broken AS SELECT 1 / count(*) - 1 AS n"
            " FROM app.text_of WITH NO DATA"
        )
        with pytest.raises(StepError, match=r"app\.broken"):
            action.act(accepting, action.observe(accepting))

"""Blue's schema is tried on green's server before anything is copied."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg import sql

from bluegreen.model.side import Side
from bluegreen.postgres.database import Database
from bluegreen.postgres.schema.rehearsal import Rehearsal, prepare, rehearsed
from bluegreen.postgres.schema.throw_away import (
    PREFIX,
    NotPermitted,
    throw_away_database,
)
from tests.kit import databases
from tests.kit.databases import DatabasePair
from tests.kit.findings import blocking, seen
from tests.kit.steps import handles, open_world
from tests.kit.wait import wait_until

Pairs = Callable[[int, int], DatabasePair]

REFUSED_BY_17 = """
    CREATE SCHEMA mon;
    CREATE TABLE mon.t (id int PRIMARY KEY, kind varchar(3) CHECK (kind IN ('a', 'b')));
    CREATE VIEW mon.bg AS SELECT buffers_checkpoint FROM pg_stat_bgwriter;
    CREATE VIEW mon.over AS SELECT * FROM mon.bg;
    CREATE VIEW mon.over_it AS SELECT * FROM mon.over;
    CREATE AGGREGATE mon.every (anyelement)
        (SFUNC = array_append, STYPE = anyarray, INITCOND = '{}');
    CREATE VIEW mon.factorial AS SELECT id ! AS f FROM mon.t;
    CREATE FUNCTION mon.noted() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER g BEFORE UPDATE ON mon.t FOR EACH ROW
        WHEN ((OLD.id !) > 1) EXECUTE FUNCTION mon.noted();
    CREATE INDEX i ON mon.t ((id !));
    CREATE FUNCTION mon.watch() RETURNS event_trigger LANGUAGE plpgsql
        AS 'BEGIN RAISE ''no''; END';
    CREATE EVENT TRIGGER watch ON ddl_command_end WHEN TAG IN ('CREATE CAST')
        EXECUTE FUNCTION mon.watch();
"""


def rehearse_schema(blue: Database, green: Database) -> Rehearsal:
    with rehearsed(prepare(blue, green)) as (_, made):
        return made


def left(database: databases.Database) -> list[str]:
    """Throw-away databases on a server; other tests may have theirs there."""
    query = "SELECT datname FROM pg_database WHERE starts_with(datname, %s)"
    return [str(name) for (name,) in database.rows(query, PREFIX)]


def test_all_that_green_refuses_is_told_at_once(
    database_pair: Pairs, tmp_path: Path
) -> None:
    pair = database_pair(13, 17)
    pair.blue.run(REFUSED_BY_17)
    with open_world(pair, tmp_path) as world:
        found = {f.seen.partition(":")[0]: f for f in seen(world)["schema-refused"]}
    told = "of blue's schema is refused"
    assert set(found) == {
        f"view mon.bg {told}, and with it 2 objects that need it",
        f"aggregate mon.every(anyelement) {told}",
        f"view mon.factorial {told}",
        f"trigger mon.t.g {told}",
        f"index mon.i {told}",
    }
    assert all(f.is_blocking and "statement: CREATE " in f.seen for f in found.values())
    assert pair.green.value("SELECT to_regclass('mon.t')") is None
    assert names_of(pair) == []


def names_of(pair: DatabasePair) -> list[str]:
    """What is left of those of this pair."""
    with handles(pair) as (_, green), throw_away_database(green) as database:
        mine = database.dbname.rpartition("_")[0]
        return [
            n for n in left(pair.green) if n.startswith(mine) and n != database.dbname
        ]


def test_a_schema_that_green_takes_brings_nothing_up(
    database_pair: Pairs, tmp_path: Path
) -> None:
    pair = database_pair(13, 17)
    pair.blue.run(
        "CREATE TABLE t (id int PRIMARY KEY, v varchar(3) CHECK (v IN ('a', 'b')))"
    )
    with open_world(pair, tmp_path) as world:
        assert blocking(world) == []
    with handles(pair) as (blue, green):
        assert rehearse_schema(blue, green).refused == ()
        before = prepare(blue, green).digest
        assert prepare(blue, green).digest == before
        pair.blue.run("CREATE INDEX i ON t (v)")
        assert prepare(blue, green).digest != before


def test_what_a_killed_call_leaves_is_dropped_by_the_next(database_pair: Pairs) -> None:
    pair = database_pair(16, 16)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, pair.green.conninfo()],
        capture_output=True,
        text=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    [name] = killed.stdout.split()
    assert name in left(pair.green)

    def is_gone() -> bool:
        # The server may not have noticed the end of its client yet.
        with handles(pair) as (_, green), throw_away_database(green):
            return name not in left(pair.green)

    wait_until(is_gone, "the next call to drop it")
    assert names_of(pair) == []


KILLED = """
import os, signal, sys
from bluegreen.model.side import Side
from bluegreen.postgres.database import Database
from bluegreen.postgres.schema.throw_away import throw_away_database
with throw_away_database(Database(Side.GREEN, sys.argv[1])) as database:
    print(database.dbname, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_one_that_lives_and_one_of_others_stay(database_pair: Pairs) -> None:
    pair = database_pair(16, 16)
    with handles(pair) as (_, green), handles(pair) as (_, again):
        with throw_away_database(green) as first:
            other = f"{first.dbname[:-1]}g"
            with pair.green.server.connect() as session:
                name = sql.Identifier(other)
                session.execute(sql.SQL("CREATE DATABASE {}").format(name))
                try:
                    with throw_away_database(again) as second:
                        assert second.dbname != first.dbname
                        assert first.dbname in left(pair.green)
                    assert first.value(sql.SQL("SELECT 1")) == 1
                    first.close()
                finally:
                    there = other in left(pair.green)
                    session.execute(sql.SQL("DROP DATABASE {}").format(name))
        assert there
        assert names_of(pair) == []


def test_a_role_that_may_make_no_database_is_told_the_grant(
    database_pair: Pairs, tmp_path: Path
) -> None:
    pair = database_pair(16, 16)
    role = f"bg_{pair.green.name}"
    pair.green.run(f"CREATE ROLE {role} LOGIN")
    green = Database(Side.GREEN, pair.green.conninfo(role))
    try:
        with pytest.raises(NotPermitted) as caught, throw_away_database(green):
            pass
        assert caught.value.sqlstate == "42501"
        pair.green.run(f"ALTER ROLE {role} CREATEDB")
        with throw_away_database(green) as database:
            assert database.value(sql.SQL("SELECT current_user")) == role
    finally:
        green.close()
        pair.green.run(f"DROP ROLE {role}")


def test_a_role_that_green_lacks_is_not_told_by_every_object(
    database_pair: Pairs,
) -> None:
    pair = database_pair(16, 17)
    role = f"only_{pair.blue.name}"
    pair.blue.run(
        f"CREATE ROLE {role}",
        "CREATE TABLE t (id int PRIMARY KEY)",
        f"ALTER TABLE t OWNER TO {role}",
        f"GRANT SELECT ON t TO {role}",
        f"CREATE POLICY p ON t TO {role} USING (true)",
        f"ALTER DEFAULT PRIVILEGES FOR ROLE {role} GRANT SELECT ON TABLES TO PUBLIC",
    )
    try:
        with handles(pair) as (blue, green):
            assert rehearse_schema(blue, green).refused == ()
    finally:
        pair.blue.run(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


@pytest.mark.parametrize("major", [15, 16, 17, 18])
def test_it_has_greens_locale(database_pair: Pairs, major: int) -> None:
    pair = database_pair(15, major)
    query = sql.SQL(
        "SELECT datcollate, datctype, encoding FROM pg_database"
        " WHERE datname = current_database()"
    )
    with handles(pair) as (_, green), throw_away_database(green) as database:
        assert database.rows(query) == green.rows(query)


VIEWS = """
    CREATE SCHEMA app;
    CREATE TABLE app.page (t text);
    CREATE FUNCTION app.plain(t text) RETURNS text LANGUAGE sql AS 'SELECT lower(t)';
    CREATE FUNCTION app.slug(t text) RETURNS text LANGUAGE plpgsql
        AS 'BEGIN RETURN plain(t); END';
    CREATE MATERIALIZED VIEW app.words AS
        SELECT word FROM ts_stat('SELECT to_tsvector(t) FROM page');
    CREATE MATERIALIZED VIEW app.named AS SELECT app.slug('A') AS a;
    CREATE MATERIALIZED VIEW app.good AS SELECT t FROM app.page;
    CREATE MATERIALIZED VIEW app.by_rows AS SELECT 1 / count(*) AS n FROM app.page
        WITH NO DATA;
    CREATE MATERIALIZED VIEW app.slow AS SELECT pg_sleep(600)::text AS s
        WITH NO DATA;
    CREATE MATERIALIZED VIEW app.over AS SELECT a FROM app.named;
"""
"""Two find no name under a pinned path; the last fails only with one of these."""


@pytest.mark.parametrize(
    ("green_major", "far", "unfilled"),
    [(17, False, {"app.words", "app.named"}), (15, False, set()), (17, True, set())],
)
def test_a_view_that_green_cannot_fill_is_told(
    database_pair: Pairs, green_major: int, far: bool, unfilled: set[str]
) -> None:
    pair = database_pair(15, green_major)
    for side in (pair.blue, pair.green):
        side.run(f"ALTER DATABASE {side.name} SET search_path = app, public")
    pair.blue.run(VIEWS)
    if far:
        pair.blue.run("CREATE EXTENSION dblink")
    with handles(pair) as (blue, green):
        assert set(rehearse_schema(blue, green).unfilled) == unfilled

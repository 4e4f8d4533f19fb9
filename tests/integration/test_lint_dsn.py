"""`bluegreen lint --dsn`: what the server knows, and what its rows say."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import typer
from typer.testing import CliRunner

from bluegreen.cli.lint import lint as verb
from bluegreen.lint.questions import Answer, Question
from bluegreen.lint.server.catalog import looking, read_served
from bluegreen.lint.server.probes import MOST_COUNTED, Prober
from bluegreen.model.errors import ServerRefused
from bluegreen.postgres.database import SqlError
from bluegreen.sql.ops import Name
from tests.kit.databases import Database

SCHEMA = """
CREATE TYPE mood AS ENUM ('glad');
CREATE FUNCTION calm() RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN 1; END';
CREATE FUNCTION wild() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
CREATE TABLE author (id bigint PRIMARY KEY);
CREATE TABLE note (id bigint, slug varchar(20), body text, size bigint, feels text,
    author_id bigint, kept int CHECK (kept IS NOT NULL),
    code varchar(5) CHECK (code <> ''), at timestamp);
CREATE TABLE big (id bigint PRIMARY KEY, a int);
INSERT INTO author VALUES (1);
INSERT INTO note SELECT i, 'slug', CASE WHEN i > 2 THEN 'b' END, 1, 'glad', 1, 1, 'c',
    now() FROM generate_series(1, 10) i;
UPDATE note SET size = -1, feels = 'sad', author_id = 9, slug = repeat('x', 20)
    WHERE id = 3;
UPDATE note SET size = 5000000000 WHERE id = 4;
INSERT INTO big SELECT i, i FROM generate_series(1, 20000) i;
"""
APP = typer.Typer(add_completion=False)
APP.command()(verb)


@pytest.fixture(params=[13, 16, 18])
def shop(
    request: pytest.FixtureRequest, database: Callable[[int], Database]
) -> Database:
    made = database(request.param)
    made.run(SCHEMA, "ANALYZE")
    return made


def lint(
    shop: Database, folder: Path, sql: str, *words: str
) -> tuple[int, list[dict[str, Any]]]:
    folder.joinpath("1.sql").write_text("SET lock_timeout = '1s';\n" + sql)
    result = CliRunner().invoke(
        APP,
        [str(folder / "1.sql"), "--format", "json", "--dsn", shop.conninfo(), *words],
    )
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    (file,) = json.loads(result.stdout)["files"]
    return result.exit_code, file["findings"]


def rules(shop: Database, folder: Path, sql: str) -> list[str]:
    return [found["rule"] for found in lint(shop, folder, sql)[1]]


@pytest.mark.sampled(8)
@pytest.mark.parametrize(
    ("sql", "message"),
    [
        (
            "ALTER TABLE note ALTER COLUMN body SET NOT NULL;",
            "2 rows of note have NULL in body",
        ),
        (
            "CREATE UNIQUE INDEX CONCURRENTLY u ON note (slug);",
            "1 value of slug more than once in note",
        ),
        (
            "CREATE UNIQUE INDEX CONCURRENTLY u ON note (slug) WHERE id < 3;",
            "1 value of slug more than once in note",
        ),
        (
            "ALTER TABLE note ADD FOREIGN KEY (author_id) REFERENCES author;",
            "1 row of note has author_id without a row in author",
        ),
        (
            (
                "ALTER TABLE note ADD CONSTRAINT c CHECK (size > 0) NOT VALID;\n"
                "ALTER TABLE note VALIDATE CONSTRAINT c;"
            ),
            "1 row of note breaks the CHECK",
        ),
        (
            "ALTER TABLE note ADD CHECK (body <> 'b)' AND (size > 0));",
            "1 row of note breaks the CHECK",
        ),
        (
            "ALTER TABLE note ALTER COLUMN slug TYPE varchar(10);",
            "1 row of note has slug longer than 10",
        ),
        (
            "ALTER TABLE note ALTER COLUMN size TYPE int;",
            "1 row of note has size that the new type cannot hold",
        ),
        (
            "ALTER TABLE note ALTER COLUMN feels TYPE mood USING feels::mood;",
            "1 row of note has feels that is no label of mood",
        ),
        (
            "ALTER TABLE note ADD COLUMN title text NOT NULL;",
            "note has rows, and they would have no value",
        ),
        (
            "ALTER TABLE note ADD PRIMARY KEY (body);",
            "1 value of body more than once in note; 2 rows of note have NULL in body",
        ),
    ],
)
def test_rows_that_are_in_the_way_are_told(
    shop: Database, tmp_path: Path, sql: str, message: str
) -> None:
    status, found = lint(shop, tmp_path, sql)
    said = [f["message"] for f in found if f["rule"] == "rows-refuse"]
    assert said == [f"it fails on the rows that are there: {message}"]
    assert status == 1
    with pytest.raises((psycopg.IntegrityError, psycopg.DataError)):
        run_and_forget(shop, sql.replace("CONCURRENTLY ", ""))


def run_and_forget(shop: Database, sql: str) -> None:
    with shop.connect() as session, session.transaction(force_rollback=True):
        session.execute(sql.encode())


@pytest.mark.sampled(8)
@pytest.mark.parametrize(
    "sql",
    [
        "CREATE UNIQUE INDEX CONCURRENTLY u ON note (slug) WHERE id = 3;",
        "CREATE UNIQUE INDEX CONCURRENTLY u ON note (id);",
        "ALTER TABLE note ALTER COLUMN kept SET NOT NULL;",
        "ALTER TABLE note ALTER COLUMN slug TYPE varchar(30);",
        "ALTER TABLE note ALTER COLUMN slug TYPE text;",
        "ALTER TABLE note ADD COLUMN x int DEFAULT calm();",
        "ALTER TABLE note ALTER COLUMN at TYPE timestamptz;",
        "CREATE TABLE fresh (id int);\nCREATE INDEX i ON fresh (id);",
    ],
)
def test_what_the_server_shows_to_be_harmless_is_not_told(
    shop: Database, tmp_path: Path, sql: str
) -> None:
    assert rules(shop, tmp_path, sql) == []


@pytest.mark.sampled(8)
@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("ALTER TABLE note ALTER COLUMN code TYPE varchar(9);", "type-change-rescans"),
        ("ALTER TABLE note ADD COLUMN x int DEFAULT wild();", "volatile-default"),
        ("ALTER TABLE nope ADD COLUMN x int;", "nothing-of-that-name"),
        ("ALTER TABLE note ALTER COLUMN nope DROP NOT NULL;", "nothing-of-that-name"),
    ],
)
def test_what_only_the_server_shows_is_told(
    shop: Database, tmp_path: Path, sql: str, rule: str
) -> None:
    assert rule in rules(shop, tmp_path, sql)


def test_a_change_above_makes_it_a_warning(shop: Database, tmp_path: Path) -> None:
    sql = (
        "UPDATE note SET body = '' WHERE id < 9;\n"
        "ALTER TABLE note ALTER COLUMN body SET NOT NULL;"
    )
    assert "rows-may-refuse" in rules(shop, tmp_path, sql)


def test_size_and_traffic_decide_the_level(shop: Database, tmp_path: Path) -> None:
    def levels(sql: str) -> list[str]:
        found = lint(shop, tmp_path, sql)[1]
        return [f["level"] for f in found if f["rule"] == "check-validated"]

    with looking(shop.conninfo()) as session:
        served = read_served(session)
    assert served.rows["public", "big"] == 20000
    busy = served.writes.get(("public", "note"), 0) >= 10
    assert levels("ALTER TABLE note ADD CHECK (id > 0);") == [
        "warning" if busy else "info"
    ]
    found = lint(shop, tmp_path, "ALTER TABLE big ADD CHECK (id > 0);")[1]
    (check,) = [f for f in found if f["rule"] == "check-validated"]
    assert check["level"] == "error"
    assert check["size"].startswith("big has about 20,000 rows, ")


def test_the_session_cannot_write(shop: Database) -> None:
    with (
        pytest.raises(SqlError) as refusal,
        looking(shop.conninfo()) as session,
    ):
        session.execute("CREATE TABLE x (a int)")
    assert refusal.value.sqlstate == "25006"


def test_a_look_that_takes_too_long_or_is_blocked_is_no_answer(shop: Database) -> None:
    slow = Question("check", Name("", "note"), text="pg_sleep(1) IS NOT NULL")
    nulls = Question("nulls", Name("", "note"), ("body",))
    strange = Question("check", Name("", "note"), text="nope > 1")
    with looking(shop.conninfo()) as session:
        prober = Prober(session, "public", timedelta(milliseconds=200))
        asked = prober.answers([slow, strange])
        assert asked[slow] == Answer(None, why="the look took longer than 0.2 s")
        assert asked[strange].rows is None
        assert asked[strange].why.endswith("(42703)")
        prober = Prober(session, "public", timedelta(seconds=9))
        with shop.connect() as other, other.transaction():
            other.execute("LOCK TABLE note")
            assert prober.answers([nulls])[nulls] == Answer(
                None, why="another session holds a lock on it"
            )
        assert prober.answers([nulls])[nulls] == Answer(2)


def test_many_rows_are_not_all_counted(shop: Database) -> None:
    shop.run("ALTER TABLE big ADD COLUMN empty int")
    nulls = Question("nulls", Name("", "big"), ("empty",))
    with looking(shop.conninfo()) as session:
        prober = Prober(session, "public", timedelta(seconds=9))
        assert prober.answers([nulls])[nulls] == Answer(MOST_COUNTED, more=True)


def test_names_go_where_the_search_path_leads(shop: Database, tmp_path: Path) -> None:
    shop.run(
        "CREATE SCHEMA app",
        "CREATE TABLE app.thing (a int, v varchar(5) CHECK (v <> ''))",
        "INSERT INTO app.thing VALUES (NULL, 'v')",
        f'ALTER DATABASE "{shop.name}" SET search_path = app',
    )
    for table in ("thing", "app.thing"):
        change = f"ALTER TABLE {table} ALTER COLUMN v TYPE varchar(9);"
        assert "type-change-rescans" in rules(shop, tmp_path, change)
        change = f"ALTER TABLE {table} ALTER COLUMN a SET NOT NULL;"
        assert "rows-refuse" in rules(shop, tmp_path, change)


def test_a_server_that_is_not_there(shop: Database, tmp_path: Path) -> None:
    file = tmp_path / "1.sql"
    file.write_text("SELECT 1;")
    words = [str(file), "--dsn", "host=127.0.0.1 port=1 dbname=x user=y"]
    result = CliRunner().invoke(APP, words)
    assert isinstance(result.exception, ServerRefused)
    said = str(result.exception).splitlines()
    assert said[0] == "error BG-3001: the database of --dsn cannot be reached"
    assert "  wanted:  a session that may read the catalog" in said

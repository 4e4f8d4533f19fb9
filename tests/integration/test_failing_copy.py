"""What green cannot take ends the wait, with its reason and what corrects it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bluegreen.model.accept import ORPHANS
from tests.kit.arena import Arena
from tests.kit.cli import call, write_playbook
from tests.kit.wait import wait_until

STEP = {"step": "replicate", "deadline": "24h"}

SCHEMA = """
    CREATE SCHEMA app;
    CREATE FUNCTION app.plain(t text) RETURNS text IMMUTABLE LANGUAGE sql
        AS 'SELECT lower(t)';
    CREATE FUNCTION app.slug(t text) RETURNS text IMMUTABLE LANGUAGE plpgsql
        AS 'BEGIN RETURN plain(t); END';
    CREATE FUNCTION app.fits(a int) RETURNS bool IMMUTABLE LANGUAGE sql
        AS 'SELECT true';
    CREATE DOMAIN app.small AS int CONSTRAINT few CHECK (app.fits(VALUE));
    SET search_path = app, public;
    CREATE TABLE app.good (id int PRIMARY KEY);
    CREATE TABLE app.offer (id int PRIMARY KEY, ends int
        CONSTRAINT offer_ends_check CHECK (app.fits(ends)));
    CREATE TABLE app.thing (id int PRIMARY KEY, t text,
        s text GENERATED ALWAYS AS (app.slug(t)) STORED);
    CREATE TABLE app.sized (id int PRIMARY KEY, n app.small);
    CREATE TABLE app.twice (id int PRIMARY KEY);
    INSERT INTO app.good SELECT generate_series(1, 1000);
    INSERT INTO app.offer VALUES (1, 1), (7, 7);
    INSERT INTO app.thing VALUES (1, 'A');
    INSERT INTO app.sized VALUES (1, 1), (2, 9);
    CREATE OR REPLACE FUNCTION app.fits(a int) RETURNS bool IMMUTABLE LANGUAGE sql
        AS 'SELECT a < 5';
    INSERT INTO app.twice VALUES (1);
"""
READY = "UPDATE pg_index SET indisready = {} WHERE indexrelid = 'app.twice_pkey'::{}"
TWICE = (
    READY.format("false", "regclass"),
    "INSERT INTO app.twice VALUES (1)",
    READY.format("true", "regclass"),
)

NEEDED = (
    (
        "ALTER TABLE app.offer DROP CONSTRAINT offer_ends_check, ADD CONSTRAINT "
        "offer_ends_check CHECK (app.fits(ends)) NOT VALID;"
    ),
    "ALTER FUNCTION app.slug(text) SET search_path = app, pg_temp;",
    (
        "ALTER DOMAIN app.small DROP CONSTRAINT few; ALTER DOMAIN app.small "
        "ADD CONSTRAINT few CHECK (app.fits(VALUE)) NOT VALID;"
    ),
)
ON_GREEN = (
    "ALTER TABLE app.offer DROP CONSTRAINT offer_ends_check;",
    "ALTER FUNCTION app.slug(text) SET search_path = app, pg_temp;",
    "ALTER DOMAIN app.small DROP CONSTRAINT few;",
)


@pytest.mark.parametrize("majors", [(13, 14), (15, 17)])
def test_tables_that_cannot_be_copied_are_told_at_once(
    arena: Callable[..., Arena], majors: tuple[int, int], tmp_path: Path
) -> None:
    here = arena(*majors)
    here.pair.blue.run(SCHEMA, *TWICE)
    book = write_playbook(here, tmp_path, [STEP])
    said = call("run", book, deadline_s=90).require(4).err
    for words in (
        "BG-4003: 4 tables cannot be copied",
        "app.offer: constraint app.offer.offer_ends_check: breaks it: id=7",
        "app.thing: generated column app.thing.s calls app.slug(text), which has no",
        "search_path of its own: function plain(text) does not exist",
        "app.sized: constraint few of domain app.small: breaks it: id=2",
        "app.twice: index app.twice_pkey: stands twice: id=1",
        *(f"on blue: {one}" for one in NEEDED if "FUNCTION" not in one),
        *(f"on green: {one}" for one in ON_GREEN),
    ):
        assert words in said, said
    assert here.pair.green.value("SELECT count(*) FROM app.good") == 1000
    here.pair.blue.run(
        *NEEDED,
        "SET enable_indexscan = off; SET enable_bitmapscan = off;"
        "DELETE FROM app.twice WHERE ctid = '(0,2)'",
    )
    here.pair.green.run(*ON_GREEN)
    call("run", book).require()
    for table in ("offer", "thing", "sized", "twice"):
        rows = f"SELECT * FROM app.{table} ORDER BY id"
        assert here.pair.green.rows(rows) == here.pair.blue.rows(rows)
    valid = "SELECT conname, convalidated FROM pg_constraint WHERE conname ~ 'few|ends'"
    assert sorted(here.pair.green.rows(valid)) == [
        ("few", False),
        ("offer_ends_check", False),
    ]
    slots = "SELECT count(*) FROM pg_replication_slots WHERE database = %s"
    assert here.pair.blue.value(slots, here.pair.blue.name) == 1


def test_a_reason_that_blue_does_not_show_is_left_to_the_log(
    arena: Callable[..., Arena], tmp_path: Path
) -> None:
    here = arena(16, 16)
    table = "CREATE TABLE t (id int PRIMARY KEY)"
    here.pair.blue.run(table, "INSERT INTO t VALUES (1)")
    here.pair.green.run(table, "ALTER TABLE t ADD CHECK (id > 1)")
    book = write_playbook(here, tmp_path, [STEP])
    said = call("run", book, deadline_s=90).require(4).err
    assert "BG-4003: 1 table cannot be copied: public.t" in said
    assert "blue's rows show no reason" in said
    here.pair.green.run("ALTER TABLE t DROP CONSTRAINT t_id_check")
    call("run", book).require()


def test_what_rows_break_behind_the_copy_is_told_at_once(
    arena: Callable[..., Arena], tmp_path: Path
) -> None:
    here = arena(15, 17)
    ready = "UPDATE pg_index SET indisready = {} WHERE indexrelid = 'k_{}'::regclass"
    here.pair.blue.run(
        "CREATE TABLE k (id int PRIMARY KEY, a text, b text)",
        "ALTER TABLE k ADD CONSTRAINT k_a UNIQUE (a)",
        "CREATE UNIQUE INDEX k_b ON k (b)",
        "CREATE INDEX k_plain ON k (b)",
        "CREATE TABLE on_a (id int PRIMARY KEY, a text REFERENCES k (a))",
        "CREATE TABLE p (id int PRIMARY KEY)",
        "CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p)",
        "SET session_replication_role = replica; INSERT INTO c VALUES (2, 77)",
        *(ready.format("false", one) for one in "ab"),
        "INSERT INTO k VALUES (1, 'x', 'y'), (2, 'x', 'y'), (3, 'z', 'z')",
        *(ready.format("true", one) for one in "ab"),
    )
    book = write_playbook(here, tmp_path, [STEP])
    said = call("run", book).require(4).err
    for words in (
        "BG-4010: green refused 3 statements",
        "object: constraint public.k.k_a",
        "object: index public.k_b",
        "object: constraint public.c.c_p_fkey",
        "on blue: index public.k_a: stands twice: a=x",
        "on blue: index public.k_b: stands twice: b=y",
        "REINDEX INDEX CONCURRENTLY public.k_b;",
        "on blue: constraint public.c.c_p_fkey: breaks it: id=2, p=77",
        "on blue: ALTER TABLE public.c DROP CONSTRAINT c_p_fkey, ADD CONSTRAINT",
    ):
        assert words in said, said
    assert "on_a" not in said
    assert here.pair.green.value("SELECT to_regclass('k_plain') IS NOT NULL")


def worker_is_gone(here: Arena) -> None:
    name = f"bluegreen_{here.name}_from_blue"
    running = "SELECT count(*) FROM pg_stat_subscription WHERE subname = %s AND pid > 0"
    wait_until(lambda: here.pair.green.value(running, name) == 0, "its first failure")


@pytest.mark.parametrize("majors", [(13, 14), (15, 17)])
def test_a_change_that_green_does_not_get_past_is_told(
    arena: Callable[..., Arena], majors: tuple[int, int], tmp_path: Path
) -> None:
    here = arena(*majors)
    here.pair.blue.run(
        "CREATE TABLE kinds (id text, n int, PRIMARY KEY (id, n))",
        "CREATE TABLE other (id int PRIMARY KEY, t text)",
        "INSERT INTO other VALUES (1, 'a')",
    )
    book = write_playbook(here, tmp_path, [STEP])
    call("run", book).require()
    row = "INSERT INTO kinds VALUES ('it''s', 3)"
    here.pair.green.run(f"SET session_replication_role = replica; {row}")
    here.pair.blue.run("INSERT INTO kinds VALUES ('fits', 1)", row)
    worker_is_gone(here)
    said = call("run", book, deadline_s=90).require(4).err
    for words in (
        "BG-4003: green does not get past a change of blue at a change of public.kinds",
        "the change: INSERT of public.kinds, row id=it's, n=3",
        "green has a row with id=it's, n=3 already, by index public.kinds_pkey",
    ):
        assert words in said, said
    [fix] = [line for line in said.splitlines() if "DELETE FROM" in line]
    here.pair.green.run(fix.partition("on green: ")[2])
    call("run", book).require()
    here.pair.green.run(
        "CREATE FUNCTION plain(t text) RETURNS text IMMUTABLE LANGUAGE sql"
        " AS 'SELECT lower(t)'",
        "CREATE FUNCTION slug(t text) RETURNS text IMMUTABLE LANGUAGE plpgsql"
        " AS 'BEGIN RETURN plain(t); END'",
        "ALTER TABLE other ADD CHECK (slug(t) <> '')",
    )
    here.pair.blue.run("INSERT INTO other VALUES (2, 'b')")
    worker_is_gone(here)
    said = call("run", book, deadline_s=90).require(4).err
    assert "calls public.slug(text), which has no search_path of its own" in said, said
    fix = "ALTER FUNCTION public.slug(text) SET search_path = public, pg_temp;"
    assert f"on green: {fix}" in said
    here.pair.green.run(fix)
    call("run", book).require()
    assert here.pair.green.value("SELECT count(*) FROM other") == 2


def test_a_deep_check_finds_such_rows_beforehand(
    arena: Callable[..., Arena], tmp_path: Path
) -> None:
    here = arena(15, 17)
    orphan = "CREATE TABLE app.child (id int PRIMARY KEY, p int REFERENCES app.good)"
    replica = "SET session_replication_role = replica"
    here.pair.blue.run(
        SCHEMA, *TWICE, orphan, f"{replica}; INSERT INTO app.child VALUES (1, -1)"
    )
    book = write_playbook(here, tmp_path, [STEP])
    found = call("check", book, "--json").require(3).json["findings"]
    told = {one["id"] for one in found if one["blocks"] != "nothing"}
    assert told == {"function-unqualified"}
    found = call("check", book, "--json", "--deep").require(3).json["findings"]
    told = {one["id"]: one["seen"] for one in found if one["blocks"] != "nothing"}
    assert set(told) == {
        "function-unqualified",
        "rows-break-rule",
        "rows-twice",
        "rows-without-parent",
    }
    assert told["rows-without-parent"].endswith(
        '"c"."p" IS NOT NULL AND NOT EXISTS (SELECT FROM "app"."good" AS p WHERE '
        '"c"."p" = "p"."id");'
    )


def test_a_foreign_key_may_stay_broken_by_name(
    arena: Callable[..., Arena], tmp_path: Path
) -> None:
    here = arena(15, 17)
    keys = ("c_p_fkey", "c_q_fkey")
    here.pair.blue.run(
        "CREATE TABLE p (id int PRIMARY KEY)",
        "CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE"
        " DEFERRABLE, q int REFERENCES p)",
        "SET session_replication_role = replica; INSERT INTO c VALUES (1, 77, 78)",
    )
    accept = [
        {"id": ORPHANS, "object": f"constraint public.c.{key}", "reason": "old"}
        for key in keys
    ]
    steps = [STEP, {"step": "validate"}, {"step": "cutover"}]
    book = write_playbook(here, tmp_path, steps, accept=accept[:1])
    said = call("run", book).require(4).err
    assert "BG-4010" in said
    assert "c_q_fkey" in said
    assert "c_p_fkey" not in said
    assert f'object: "constraint public.c.{keys[1]}"' in said or (
        f"object: constraint public.c.{keys[1]}, reason: why" in said
    )
    book = write_playbook(here, tmp_path, steps, accept=accept)
    call("run", book).require()
    valid = "SELECT conname, convalidated FROM pg_constraint WHERE contype = 'f'"
    assert sorted(here.pair.green.rows(valid)) == [(key, False) for key in keys]
    [path] = (tmp_path / "certificates").glob("*.json")
    told = json.loads(path.read_text())["broken_keys"]
    assert told == {f"constraint public.c.{key}": 1 for key in keys}

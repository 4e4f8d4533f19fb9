"""Rows that break a rule which "holds" are found by asking all rows."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bluegreen.model.side import Side
from bluegreen.postgres.database import Database as Handle
from bluegreen.postgres.rules.breaches import Asker, Breach, Unasked
from bluegreen.postgres.rules.read import read_rules
from tests.kit.databases import Database, DatabasePair
from tests.kit.findings import seen
from tests.kit.steps import open_world

RICH = Path(__file__).parents[1] / "cases" / "schemas" / "rich.sql"

SCHEMA = """
    CREATE SCHEMA app;
    CREATE FUNCTION app.fits(a int) RETURNS bool IMMUTABLE LANGUAGE plpgsql
        AS 'BEGIN RETURN true; END';
    CREATE FUNCTION app.plain(t text) RETURNS text IMMUTABLE LANGUAGE sql
        AS 'SELECT lower(t)';
    CREATE FUNCTION app.slug(t text) RETURNS text IMMUTABLE LANGUAGE plpgsql
        AS 'BEGIN RETURN plain(t); END';
    SET search_path = app, public;
"""


@dataclass(frozen=True)
class Broken:
    """How a rule is broken, and what is to be seen of it."""

    plant: str
    seen: str
    fix: str
    fixed: bool = True


CORRUPT = """
    UPDATE pg_index SET {0} = false WHERE indexrelid = '{1}'::regclass;
    {2};
    UPDATE pg_index SET {0} = true WHERE indexrelid = '{1}'::regclass
"""

BROKEN = {
    "check": Broken(
        """CREATE TABLE app.offer (id int PRIMARY KEY, "To" int
            CONSTRAINT "Ends" CHECK (app.fits("To")));
        INSERT INTO app.offer VALUES (1, 1), (7, 7), (8, NULL);
        CREATE OR REPLACE FUNCTION app.fits(a int) RETURNS bool IMMUTABLE
            LANGUAGE sql AS 'SELECT a < 5'""",
        'constraint app.offer."Ends": breaks it: id=7',
        'ALTER TABLE app.offer DROP CONSTRAINT "Ends", ADD CONSTRAINT "Ends" '
        'CHECK (app.fits("To")) NOT VALID;',
    ),
    "check of a parent": Broken(
        """CREATE TABLE app.p (id int CONSTRAINT fit CHECK (app.fits(id)))
            PARTITION BY LIST (id);
        CREATE TABLE app.p1 PARTITION OF app.p DEFAULT;
        INSERT INTO app.p VALUES (7);
        CREATE OR REPLACE FUNCTION app.fits(a int) RETURNS bool IMMUTABLE
            LANGUAGE sql AS 'SELECT a < 5'""",
        "constraint app.p1.fit: breaks it: ctid=(0,1)",
        "ALTER TABLE app.p DROP CONSTRAINT fit, ADD CONSTRAINT fit "
        "CHECK (app.fits(id)) NOT VALID;",
    ),
    "domain": Broken(
        """CREATE DOMAIN app.small AS int CONSTRAINT few CHECK (app.fits(VALUE));
        CREATE DOMAIN app.smaller AS app.small;
        CREATE TABLE app.offer (id int PRIMARY KEY, value int, n app.smaller);
        INSERT INTO app.offer VALUES (1, 1, 1), (7, 1, 7);
        CREATE OR REPLACE FUNCTION app.fits(a int) RETURNS bool IMMUTABLE
            LANGUAGE sql AS 'SELECT a < 5'""",
        "constraint few of domain app.small: breaks it: id=7",
        "ALTER DOMAIN app.small DROP CONSTRAINT few; ALTER DOMAIN app.small "
        "ADD CONSTRAINT few CHECK (app.fits(VALUE)) NOT VALID;",
    ),
    "not null": Broken(
        """CREATE TABLE app.t (id int PRIMARY KEY, "A" int);
        INSERT INTO app.t VALUES (1, 1), (2, NULL);
        UPDATE pg_attribute SET attnotnull = true
            WHERE attrelid = 'app.t'::regclass AND attname = 'A'""",
        "NOT NULL of app.t: breaks it: id=2",
        'ALTER TABLE app.t ALTER COLUMN "A" DROP NOT NULL;',
        # 18 drops the constraint that this trick did not make.
        fixed=False,
    ),
    "primary key": Broken(
        "CREATE TABLE app.t (id int PRIMARY KEY, v int); INSERT INTO app.t VALUES (1);"
        + CORRUPT.format("indisready", "app.t_pkey", "INSERT INTO app.t VALUES (1)"),
        "index app.t_pkey: stands twice: id=1",
        "delete or change the rows that are too many; the index is corrupt: "
        "REINDEX INDEX CONCURRENTLY app.t_pkey;",
        fixed=False,
    ),
    "unique by expression, partial": Broken(
        """CREATE TABLE app.t (id int PRIMARY KEY, m text);
        CREATE UNIQUE INDEX "By m" ON app.t (lower(m) COLLATE "C") WHERE id > 0;
        INSERT INTO app.t VALUES (1, 'a'), (2, NULL), (3, NULL), (-1, 'a');"""
        + CORRUPT.format(
            "indisready", 'app."By m"', "INSERT INTO app.t VALUES (4, 'A')"
        ),
        'index app."By m": stands twice: lower(m) COLLATE pg_catalog."C"=a',
        "delete or change the rows that are too many; the index is corrupt: "
        'REINDEX INDEX CONCURRENTLY app."By m";',
        fixed=False,
    ),
    "foreign key": Broken(
        """CREATE TABLE app.p (id int PRIMARY KEY);
        CREATE TABLE app.c (id int PRIMARY KEY, "P" int CONSTRAINT to_p
            REFERENCES app.p ON DELETE CASCADE);
        SET session_replication_role = replica;
        INSERT INTO app.c VALUES (1, NULL), (2, 77)""",
        "constraint app.c.to_p: breaks it: id=2, P=77",
        "ALTER TABLE app.c DROP CONSTRAINT to_p, ADD CONSTRAINT to_p "
        'FOREIGN KEY ("P") REFERENCES app.p(id) ON DELETE CASCADE NOT VALID;',
    ),
    "a function that fails": Broken(
        """CREATE TABLE app.t (id int PRIMARY KEY CHECK (app.fits(id)));
        INSERT INTO app.t VALUES (1), (0);
        CREATE OR REPLACE FUNCTION app.fits(a int) RETURNS bool IMMUTABLE
            LANGUAGE sql AS 'SELECT 10 / a > 0'""",
        "constraint app.t.t_id_check calls app.fits(integer), which fails for a row: "
        "division by zero",
        "correct app.fits(integer), or the row that it cannot take",
        fixed=False,
    ),
}
NEEDS_PATH = {
    "check": """CREATE TABLE app.t (id int PRIMARY KEY,
        t text CHECK (app.slug(t) <> ''))""",
    "generated": """CREATE TABLE app.t (id int PRIMARY KEY, t text,
        g text GENERATED ALWAYS AS (app.slug(t)) STORED)""",
    "domain": """CREATE DOMAIN app.d AS text CHECK (app.slug(VALUE) <> '');
        CREATE TABLE app.t (id int PRIMARY KEY, t app.d)""",
    "index": """CREATE TABLE app.t (id int PRIMARY KEY, t text);
        CREATE INDEX i ON app.t ((app.slug(t)))""",
    "predicate": """CREATE TABLE app.t (id int PRIMARY KEY, t text);
        CREATE INDEX i ON app.t (id) WHERE app.slug(t) <> ''""",
    "unique": """CREATE TABLE app.t (id int PRIMARY KEY, t text);
        CREATE UNIQUE INDEX i ON app.t ((app.slug(t)))""",
    "operator": """CREATE FUNCTION app.same(a text, b text) RETURNS bool IMMUTABLE
            LANGUAGE plpgsql AS 'BEGIN RETURN plain(a) = plain(b); END';
        CREATE OPERATOR app.=== (FUNCTION = app.same, LEFTARG = text, RIGHTARG = text);
        CREATE TABLE app.t (id int PRIMARY KEY,
            t text CHECK (t OPERATOR(app.===) t))""",
}


FUNCTION = "ALTER FUNCTION app.{} SET search_path = app, pg_temp;"


def needing_a_path(database: Database) -> list[Breach]:
    handle = Handle(Side.BLUE, database.conninfo())
    try:
        return list(Asker(handle).try_functions(read_rules(handle)))
    finally:
        handle.close()


def found(database: Database) -> list[Breach]:
    handle = Handle(Side.BLUE, database.conninfo())
    try:
        answers = list(Asker(handle).ask(read_rules(handle)))
    finally:
        handle.close()
    assert all(isinstance(one, Breach) for one in answers), answers
    return [one for one in answers if isinstance(one, Breach)]


@pytest.mark.parametrize("major", [13, 18])
def test_rows_that_break_a_rule_are_named(
    database: Callable[[int], Database], major: int
) -> None:
    here = database(major)
    for name, case in BROKEN.items():
        here.run("DROP SCHEMA IF EXISTS app CASCADE", SCHEMA + case.plant)
        [one] = found(here)
        assert (one.seen, one.fix) == (case.seen, (case.fix,)), name
        if one.show:
            with here.connect() as session:
                *before, query = one.show.rstrip(";").split("; ")
                for statement in before:
                    session.execute(statement.encode())
                assert len(session.execute(query.encode()).fetchall()) == 1, name
        if case.fixed:
            here.run(case.fix)
            assert found(here) == [], name


@pytest.mark.parametrize("major", [13, 18])
def test_a_function_that_needs_a_path_is_tried_on_rows(
    database: Callable[[int], Database], major: int
) -> None:
    here = database(major)
    for name, plant in NEEDS_PATH.items():
        rows = "; INSERT INTO app.t VALUES (1, 'a'), (2, 'b')"
        here.run("DROP SCHEMA IF EXISTS app CASCADE", SCHEMA + plant + rows)
        [one] = needing_a_path(here)
        function = "same(text,text)" if name == "operator" else "slug(text)"
        assert one.fix == (FUNCTION.format(function),), name
        assert "plain(text) does not exist" in one.seen, name
        assert [two.needs_path for two in found(here)] == [True], name
        here.run(*one.fix)
        assert (needing_a_path(here), found(here)) == ([], []), name


def test_rows_that_fit_bring_nothing_up(database: Callable[[int], Database]) -> None:
    here = database(16)
    here.run(RICH.read_text())
    assert found(here) == []


def test_rows_that_stay_behind_are_not_asked(
    database_pair: Callable[[int, int], DatabasePair], tmp_path: Path
) -> None:
    pair = database_pair(16, 18)
    pair.blue.run(
        SCHEMA + "CREATE TABLE app.p (id int PRIMARY KEY, t text CHECK"
        " (app.slug(t) <> '')) PARTITION BY LIST (id);"
        "CREATE TABLE app.p1 PARTITION OF app.p DEFAULT;"
        "INSERT INTO app.p VALUES (1, 'a')"
    )
    with open_world(pair, tmp_path) as world:
        for deep in (False, True):
            assert "function-unqualified" in seen(world, deep=deep)
            found = seen(world, deep=deep, exclude=("app.p",))
            assert "function-unqualified" not in found


def test_of_a_locked_table_nothing_more_is_asked(
    database: Callable[[int], Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each question would wait for the lock by itself."""
    here = database(16)
    checks = ", ".join(f"CHECK (app.slug(t) <> '{n}')" for n in range(5))
    here.run(SCHEMA + f"CREATE TABLE app.t (t text, {checks})")
    asked = []
    ask = Asker._rows

    def counted(self: Asker, *words: Any) -> Any:
        asked.append(words)
        return ask(self, *words)

    monkeypatch.setattr(Asker, "_rows", counted)
    handle = Handle(Side.BLUE, here.conninfo())
    try:
        rules = read_rules(handle)
        with here.connect() as session, session.transaction():
            session.execute("LOCK TABLE app.t")
            assert list(Asker(handle, timedelta(seconds=1)).try_functions(rules)) == []
    finally:
        handle.close()
    assert len(asked) == 1


@pytest.mark.parametrize("why", ["locked", "no right"])
def test_a_session_that_gets_no_answer_says_nothing_of_a_row(
    database: Callable[[int], Database], why: str
) -> None:
    """A function stands in the rule, and it is not what fails."""
    here = database(16)
    role = f"asks_{here.name}"
    here.run(
        SCHEMA + "CREATE TABLE app.t (id int CHECK (app.fits(id)))",
        "INSERT INTO app.t VALUES (1)",
        f"CREATE ROLE {role} LOGIN",
        f"GRANT USAGE ON SCHEMA app TO {role}",
    )
    user = role if why == "no right" else "postgres"
    handle = Handle(Side.BLUE, here.conninfo(user))
    try:
        rules = read_rules(handle)
        with ExitStack() as stack:
            if why == "locked":
                session = stack.enter_context(here.connect())
                stack.enter_context(session.transaction())
                session.execute("LOCK TABLE app.t")
            asker = Asker(handle, timedelta(seconds=20))
            found = list(asker.ask(rules))
    finally:
        handle.close()
        here.run(f"DROP OWNED BY {role}", f"DROP ROLE {role}")
    assert [type(one) for one in found] == [Unasked]

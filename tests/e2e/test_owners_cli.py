"""What a run makes belongs to the application, with the rights that it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from bluegreen.model.side import Side
from bluegreen.postgres.database import Database
from bluegreen.postgres.schema.ownership import (
    Handover,
    hand_over,
    handovers,
    our_role,
    permitted,
    read_owned,
)
from bluegreen.steps.migrate import Migrate
from bluegreen.steps.rehearsed import Plans
from tests.kit.arena import Arena
from tests.kit.cli import call, write_playbook
from tests.kit.databases import DatabasePair
from tests.kit.findings import seen
from tests.kit.steps import open_world

BASE = """
    CREATE SCHEMA shop AUTHORIZATION {app};
    GRANT USAGE ON SCHEMA shop TO {reader}, {our};
    SET ROLE {app};
    ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {reader};
    ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT USAGE ON SEQUENCES TO {reader};
    ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
    CREATE TABLE shop.orders (id int PRIMARY KEY, note text);
    CREATE VIEW shop.seen AS SELECT id FROM shop.orders;
    GRANT INSERT ON shop.seen TO {reader} WITH GRANT OPTION;
    INSERT INTO shop.orders VALUES (1, 'a');
    RESET ROLE
"""
MIGRATION = """
    CREATE TYPE shop.mood AS ENUM ('glad');
    CREATE TABLE shop.marks (id bigserial PRIMARY KEY, mood shop.mood);
    CREATE TABLE shop."my ""json"" t" (id int PRIMARY KEY);
    CREATE SEQUENCE shop.numbers;
    CREATE FUNCTION shop.twice(a int) RETURNS int LANGUAGE sql AS 'SELECT a * 2';
    CREATE FUNCTION shop.twice(a text, mood shop.mood) RETURNS text LANGUAGE sql
        AS 'SELECT a';
    GRANT EXECUTE ON FUNCTION shop.twice(int) TO PUBLIC;
    CREATE AGGREGATE shop.every(*) (SFUNC = int8inc, STYPE = bigint, INITCOND = '0');
    CREATE DOMAIN shop.five AS int;
    CREATE SCHEMA fresh;
    CREATE TABLE fresh.t (id int PRIMARY KEY);
    GRANT UPDATE ON shop.marks TO {third};
    DROP VIEW shop.seen;
    CREATE VIEW shop.seen AS SELECT id, note FROM shop.orders;
"""
OWNERS = """
    SELECT c.relkind::text || ' ' || c.relname, pg_get_userbyid(c.relowner)::text
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('shop', 'fresh') AND c.relkind IN ('r', 'v', 'S') UNION ALL
    SELECT 'f ' || p.oid::regprocedure::text, pg_get_userbyid(p.proowner)::text
    FROM pg_proc p WHERE p.pronamespace = 'shop'::regnamespace UNION ALL
    SELECT 't ' || t.typname, pg_get_userbyid(t.typowner)::text
    FROM pg_type t WHERE t.typnamespace = 'shop'::regnamespace AND t.typtype IN
        ('d', 'e')
    UNION ALL SELECT 'n ' || nspname, pg_get_userbyid(nspowner)::text
    FROM pg_namespace WHERE nspname IN ('shop', 'fresh')
"""


PARTS = ("app", "reader", "third", "our")


def name_of(part: str, pair: DatabasePair) -> str:
    """Roles are of the whole server."""
    return f"our_{pair.blue.name}" if part == "our" else f'{part} "{pair.blue.name}"'


@contextmanager
def roles(pair: DatabasePair) -> Iterator[dict[str, sql.Identifier]]:
    """An application's, a reader's, another one, and ours: a member of the first."""
    made = {part: sql.Identifier(name_of(part, pair)) for part in PARTS}
    sides = (pair.blue, pair.green)
    for side in sides:
        with side.connect() as session:
            for role in made.values():
                session.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
            session.execute(sql.SQL("GRANT {app} TO {our}").format(**made))
            session.execute(
                sql.SQL("GRANT CREATE ON DATABASE {} TO {}, {}").format(
                    sql.Identifier(side.name), made["our"], made["app"]
                )
            )
    try:
        yield made
    finally:
        for side in sides:
            with side.connect() as session:
                for role in made.values():
                    session.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(role))
                    session.execute(sql.SQL("DROP ROLE {}").format(role))


def run(session: psycopg.Connection, text: str, roles: dict[str, Any]) -> None:
    for statement in text.split(";"):
        if statement.strip():
            session.execute(sql.SQL(statement).format(**roles))  # type: ignore[arg-type]


def test_what_our_role_made_is_handed_over_with_its_rights(
    database_pair: Callable[[int, int], DatabasePair],
) -> None:
    pair = database_pair(15, 17)
    with roles(pair) as them:
        for side in (pair.blue, pair.green):
            with side.connect() as session:
                run(session, BASE, them)
                session.execute(
                    sql.SQL("GRANT CREATE ON SCHEMA shop TO {our}").format(**them)
                )
        with pair.green.connect() as session:
            session.execute(sql.SQL("SET ROLE {our}").format(**them))
            run(session, MIGRATION.replace("DROP VIEW", "RESET ROLE; DROP VIEW"), them)
            run(session, "ALTER VIEW shop.seen OWNER TO {our}", them)
        user = name_of("our", pair)
        blue = Database(Side.BLUE, pair.blue.conninfo(user=user))
        green = Database(Side.GREEN, pair.green.conninfo(user=user))
        try:
            found = to_hand(blue, green)
            assert [one.why_not for one in found] == [""] * len(found)
            assert "view shop.seen" in hand_over(green, found)
            assert to_hand(blue, green) == []
        finally:
            blue.close()
            green.close()
        app = name_of("app", pair)
        assert {owner for _, owner in pair.green.rows(OWNERS)} == {app}
        reader, third = name_of("reader", pair), name_of("third", pair)

        def may(role: str, question: str) -> object:
            return pair.green.value(f"SELECT {question}", role)

        assert may(reader, "has_table_privilege(%s, 'shop.marks', 'SELECT')")
        assert may(reader, "has_table_privilege(%s, 'fresh.t', 'SELECT')")
        passed_on = "has_table_privilege(%s, 'shop.seen', 'INSERT WITH GRANT OPTION')"
        assert may(reader, passed_on)
        assert may(reader, "has_sequence_privilege(%s, 'shop.numbers', 'USAGE')")
        assert may(third, "has_table_privilege(%s, 'shop.marks', 'UPDATE')")
        assert not may(third, "has_table_privilege(%s, 'shop.marks', 'SELECT')")
        # The owner's defaults take it from PUBLIC.
        twice = "has_function_privilege(%s, 'shop.twice(text,shop.mood)', 'EXECUTE')"
        assert not may(third, twice)


def to_hand(blue: Database, green: Database) -> list[Handover]:
    found = handovers(read_owned(blue), read_owned(green), ours=our_role(green))
    return list(permitted(green, found))


@pytest.mark.timeout(600)
def test_the_application_may_use_what_a_migration_and_expand_blue_made(
    arena: Callable[..., Arena], tmp_path: Path
) -> None:
    here = arena(16, 18)
    with roles(here.pair) as them:
        with here.pair.blue.connect() as session:
            run(session, BASE, them)
        (tmp_path / "1.sql").write_text(
            "CREATE TYPE shop.mood AS ENUM ('glad');\n"
            "CREATE TABLE shop.marks (id bigint PRIMARY KEY, mood shop.mood);\n"
        )
        steps = [
            {"step": "check"},
            {"step": "replicate"},
            {"step": "migrate", "files": ["1.sql"], "expand_blue": ["shop.marks"]},
            {"step": "validate"},
            {"step": "cutover", "probe": False, "max_pause": "20s"},
            {"step": "hold", "window": "1h"},
        ]
        playbook = write_playbook(here, tmp_path, steps)
        call("run", playbook).require()
        app = name_of("app", here.pair)
        for side in (here.pair.blue, here.pair.green):
            owners = dict(side.rows(OWNERS))
            assert owners["r marks"] == owners["t mood"] == app
        with here.pair.green.connect() as session:
            session.execute(sql.SQL("SET ROLE {app}").format(**them))
            session.execute("INSERT INTO shop.marks VALUES (1, 'glad')")
        call("run", playbook).require()
        call("rollback", playbook).require()
        with here.pair.blue.connect() as session:
            session.execute(sql.SQL("SET ROLE {app}").format(**them))
            [(mood,)] = session.execute("SELECT mood FROM shop.marks").fetchall()
            assert mood == "glad"


def test_check_blocks_where_no_one_owner_can_be_told(
    database_pair: Callable[[int, int], DatabasePair], tmp_path: Path
) -> None:
    pair = database_pair(15, 17)
    (tmp_path / "1.sql").write_text(
        "CREATE TABLE shop.marks (id bigint PRIMARY KEY);\n"
        "ALTER TABLE shop.orders ADD COLUMN more int;\n"
    )
    (tmp_path / "2.sql").write_text("ALTER TABLE shop.orders ADD COLUMN more int;\n")
    with roles(pair) as them, open_world(pair, tmp_path) as world:
        with pair.blue.connect() as session:
            run(session, BASE, them)

        def found(file: str, role: str = "") -> list[str]:
            step = Migrate(files=(file,), role=role)
            told = seen(world, plans=Plans((step,))).get("migration-owner", [])
            return [one.seen for one in told]

        assert found("1.sql") == []
        with pair.blue.connect() as session:
            run(
                session,
                "CREATE TABLE shop.other (id int PRIMARY KEY);"
                "ALTER TABLE shop.other OWNER TO {third}",
                them,
            )
        [told] = found("1.sql")
        assert "table shop.marks: tables belong to app " in told
        assert found("2.sql") == []
        assert found("1.sql", name_of("app", pair)) == []
        assert "there is no role" in found("1.sql", "nobody_here")[0]
